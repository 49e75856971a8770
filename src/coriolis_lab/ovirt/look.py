"""Engines of different ages: what a client sees differ between the lines 4.3, 4.4 and 4.5 of oVirt and OLVM."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Look:
    """`profiles`: what may follow the last @ of a user name; the first one is the administrator's.

    `full_serials`: virtio-scsi disks show all 36 characters of their id; else 20. `keeps_finished`: ended
    transfers and backups can still be read. `unknown_os`: guest types that only later engines have.
    """

    name: str
    full_version: str
    build: int
    minor: int
    revision: int
    product: str
    host_version: str
    host_version_minor: int
    libvirt: str
    cluster_minor: int
    storage_format: str
    cluster_bios_type: str
    profiles: tuple[str, ...]
    administrator: str
    full_serials: bool
    keeps_finished: bool
    clones_running_vms: bool
    has_data_center_actions: bool = False
    unknown_os: frozenset[str] = frozenset()


_AFTER_4_3 = frozenset(
    {"rhel_9x64", "rhel_10x64", "rhcos_x64", "windows_2019x64", "windows_11", "windows_2022", "windows_2025"}
    | {"other_linux_kernel_4", "debian_9", "ubuntu_18_04"}
)
_AFTER_4_4 = frozenset({"rhel_10x64", "windows_11", "windows_2022", "windows_2025"})

ENGINE_4_3 = Look(
    name="4.3",
    full_version="4.3.10.4-1.el7",
    build=10,
    minor=3,
    revision=4,
    product="oVirt Engine",
    host_version="vdsm-4.30.46-1.el7",
    host_version_minor=30,
    libvirt="4.5.0-36.el7_9.5",
    cluster_minor=3,
    storage_format="v5",
    cluster_bios_type="i440fx_sea_bios",
    profiles=("internal",),
    administrator="admin@internal",
    full_serials=False,
    keeps_finished=False,
    clones_running_vms=False,
    unknown_os=_AFTER_4_3,
)
ENGINE_4_4 = Look(
    name="4.4",
    full_version="4.4.10.7-1.el8",
    build=10,
    minor=4,
    revision=7,
    product="oVirt Engine",
    host_version="vdsm-4.40.100.2-1.el8",
    host_version_minor=40,
    libvirt="7.6.0-6.el8s",
    cluster_minor=6,
    storage_format="v5",
    cluster_bios_type="q35_sea_bios",
    profiles=("internal",),
    administrator="admin@internal",
    full_serials=True,
    keeps_finished=True,
    clones_running_vms=True,
    unknown_os=_AFTER_4_4,
)
ENGINE_4_5 = Look(
    name="4.5",
    full_version="4.5.6-1.el8",
    build=6,
    minor=5,
    revision=0,
    product="oVirt Engine",
    host_version="vdsm-4.50.5.1-1.el8",
    host_version_minor=50,
    libvirt="8.0.0-10.el8s",
    cluster_minor=7,
    storage_format="v5",
    cluster_bios_type="q35_sea_bios",
    profiles=("internal", "internalsso"),
    administrator="admin@internal",
    full_serials=True,
    keeps_finished=True,
    clones_running_vms=True,
    has_data_center_actions=True,
)
# engine-setup of 4.5.1 and later puts Keycloak in front: users are admin@ovirt in the profile internalsso
ENGINE_4_5_KEYCLOAK = replace(
    ENGINE_4_5,
    name="4.5-keycloak",
    profiles=("internalsso", "internal"),
    administrator="admin@ovirt@internalsso",
)
LOOKS = {look.name: look for look in (ENGINE_4_3, ENGINE_4_4, ENGINE_4_5, ENGINE_4_5_KEYCLOAK)}
