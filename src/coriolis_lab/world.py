"""The two embedded clouds: an old OpenStack with a server in it, and a new, empty oVirt.

OpenStack  project demo; networks old-net (10.20.0.0/24) and public; images debian-12-worker, -source,
           -source-uefi, web-data; flavors m1.worker, m1.small; server web-1
oVirt      data centre and cluster Default; storage domains data and small (files), block (iSCSI) and managed (managed
           block storage); network new-net (10.30.0.0/24); template debian-12-worker. Data centre and cluster Second,
           with domain second-data and another network new-net
"""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from coriolis_lab.faults import FaultBook
from coriolis_lab.guests import library as guests
from coriolis_lab.guests.library import IMAGE_FORMAT, GuestLibrary
from coriolis_lab.guests.recipes import SOURCE_ADDRESS
from coriolis_lab.hypervisor.boot_snapshot import CPUS, MEMORY_MB
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.preparation import prepare
from coriolis_lab.settings import LabSettings
from coriolis_lab.source_server import CloudLogin, SourceServer, create_source_server

PROJECT = "demo"
OLD_NETWORK = "old-net"
OLD_CIDR = "10.20.0.0/24"
EXTERNAL_NETWORK = "public"
NEW_NETWORK = "new-net"
NEW_CIDR = "10.30.0.0/24"
WORKER = "debian-12-worker"
WORKER_FLAVOR = "m1.worker"
SOURCE_FLAVOR = "m1.small"
CLUSTER = DATA_CENTER = "Default"
STORAGE_DOMAIN = "data"
SMALL_STORAGE_DOMAIN = "small"
BLOCK_STORAGE_DOMAIN = "block"
MANAGED_STORAGE_DOMAIN = "managed"
SECOND = "Second"
SECOND_CIDR = "10.31.0.0/24"

_Thing = TypeVar("_Thing")

_GIB = 2**30
# The hardware of the machine that the source guest was installed on: its initramfs knows no other.
_OLD_HARDWARE = {
    "hw_disk_bus": "scsi",
    "hw_scsi_model": "vmpvscsi",
    "hw_vif_model": "virtio",
    "os_distro": "debian",
}

# Debian's OVMF has no driver for PVSCSI: the other controller of VMware's machines
_OLD_UEFI_HARDWARE = {
    "hw_disk_bus": "ide",
    "hw_vif_model": "virtio",
    "hw_firmware_type": "uefi",
    "os_distro": "debian",
}


@dataclass(frozen=True)
class _CloudImage:
    """`guest` names an image of the guest library."""

    name: str
    guest: str
    properties: dict[str, str]


_IMAGES = (
    _CloudImage(WORKER, guests.WORKER_IMAGE, {"os_distro": "debian"}),
    _CloudImage("debian-12-source", guests.SOURCE_IMAGE, _OLD_HARDWARE),
    _CloudImage("debian-12-source-uefi", guests.SOURCE_UEFI_IMAGE, _OLD_UEFI_HARDWARE),
    _CloudImage("web-data", guests.SOURCE_DATA_IMAGE, _OLD_HARDWARE),
)


def _silent(_: str) -> None:
    pass


class World:
    """`up()` builds what the cache lacks, which takes minutes; `down()` ends every VM. Either may be left
    out.

    `openstack`, `ovirt` and their hypervisors are there between `up()` and `down()`.
    """

    def __init__(
        self,
        settings: LabSettings,
        *,
        with_openstack: bool = True,
        with_ovirt: bool = True,
        with_source_server: bool = True,
        report: Callable[[str], None] = _silent,
    ) -> None:
        self.settings = settings
        self.faults = FaultBook()
        self.openstack: OpenStackFront | None = None
        self.ovirt: OvirtFront | None = None
        self._with_openstack = with_openstack
        self._with_ovirt = with_ovirt
        self._with_source_server = with_source_server
        self._report = report
        self._password = secrets.token_urlsafe(12)
        self._stack = ExitStack()
        self._library: GuestLibrary | None = None
        self._openstack_hypervisor: LocalHypervisor | None = None
        self._ovirt_hypervisor: LocalHypervisor | None = None
        self._source_server: SourceServer | None = None

    @property
    def openstack_hypervisor(self) -> LocalHypervisor:
        return _there(self._openstack_hypervisor, "the embedded OpenStack")

    @property
    def ovirt_hypervisor(self) -> LocalHypervisor:
        return _there(self._ovirt_hypervisor, "the embedded oVirt")

    @property
    def hypervisors(self) -> dict[str, LocalHypervisor]:
        """Those that are up, by the name of their cloud."""
        both = {"openstack": self._openstack_hypervisor, "ovirt": self._ovirt_hypervisor}
        return {name: hypervisor for name, hypervisor in both.items() if hypervisor}

    @property
    def library(self) -> GuestLibrary:
        return _there(self._library, "the lab")

    def up(self) -> None:
        """A failure on the way takes down what was up already."""
        try:
            self._library = prepare(self.settings.cache, self._report)
            if self._with_openstack:
                self._report("starting the embedded OpenStack")
                self._start_openstack()
            if self._with_ovirt:
                self._report("starting the embedded oVirt")
                self._start_ovirt()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        self._stack.close()

    def describe(self) -> dict[str, Any]:
        """Where everything is and how to log in, as JSON. Passwords are those of this lab run only."""
        described: dict[str, Any] = {
            "root": str(self.settings.root),
            "key": str(self.library.private_key),
            "packages_dir": str(self.library.packages_dir.parent),
        }
        if self.openstack:
            described["openstack"] = self._describe_openstack(self.openstack)
        if self.ovirt:
            described["ovirt"] = self._describe_ovirt(self.ovirt)
        return described

    def _start_openstack(self) -> None:
        hypervisor = self._openstack_hypervisor = self._new_hypervisor("openstack")
        front = OpenStackFront(hypervisor, self.settings, self.faults)
        for image in _IMAGES:
            path = self.library.image(image.guest)
            hypervisor.register_image(image.guest, path, IMAGE_FORMAT)
            size = path.stat().st_size
            front.add_image(
                image.name, image.guest, IMAGE_FORMAT, size, -(-size // _GIB), image.properties, path=path
            )
        front.add_flavor(WORKER_FLAVOR, CPUS, MEMORY_MB, 2)
        front.add_flavor(SOURCE_FLAVOR, 2, 1024, 0)
        project = front.add_project(PROJECT, PROJECT, self._password)
        front.add_network(OLD_NETWORK, OLD_CIDR, project_id=project)
        front.add_network(EXTERNAL_NETWORK, "198.18.42.0/24", external=True)
        front.start()
        self._stack.callback(front.stop)
        self.openstack = front
        if self._with_source_server:
            self._report("creating the server web-1")
            self._source_server = create_source_server(
                CloudLogin(front.auth_url, PROJECT, self._password, PROJECT),
                image="debian-12-source",
                data_image="web-data",
                flavor=SOURCE_FLAVOR,
                network=OLD_NETWORK,
                external=EXTERNAL_NETWORK,
                fixed_ip=SOURCE_ADDRESS,
            )

    def _start_ovirt(self) -> None:
        hypervisor = self._ovirt_hypervisor = self._new_hypervisor("ovirt")
        hypervisor.register_image(guests.WORKER_IMAGE, self.library.image(guests.WORKER_IMAGE), IMAGE_FORMAT)
        front = OvirtFront(hypervisor, self.settings, self.faults)
        front.add_data_center(DATA_CENTER)
        front.add_cluster(CLUSTER, DATA_CENTER)
        front.add_storage_domain(STORAGE_DOMAIN, DATA_CENTER, capacity_bytes=200 * _GIB)
        front.add_storage_domain(SMALL_STORAGE_DOMAIN, DATA_CENTER, capacity_bytes=_GIB)
        front.add_storage_domain(BLOCK_STORAGE_DOMAIN, DATA_CENTER, "iscsi", capacity_bytes=200 * _GIB)
        front.add_storage_domain(MANAGED_STORAGE_DOMAIN, DATA_CENTER, "managed_block_storage")
        front.add_network(NEW_NETWORK, DATA_CENTER, NEW_CIDR)
        front.add_data_center(SECOND)
        front.add_cluster(SECOND, SECOND)
        front.add_storage_domain(f"{SECOND.lower()}-{STORAGE_DOMAIN}", SECOND)
        front.add_network(NEW_NETWORK, SECOND, SECOND_CIDR)
        front.add_template(WORKER, guests.WORKER_IMAGE, CLUSTER, STORAGE_DOMAIN, MEMORY_MB, CPUS)
        front.start()
        self._stack.callback(front.stop)
        self.ovirt = front

    def _new_hypervisor(self, name: str) -> LocalHypervisor:
        settings = LabSettings(root=self.settings.root / name, cache=self.settings.cache)
        hypervisor = LocalHypervisor(settings)
        self._stack.callback(hypervisor.close)
        return hypervisor

    def _describe_openstack(self, front: OpenStackFront) -> dict[str, Any]:
        described: dict[str, Any] = {
            "auth_url": front.auth_url,
            "username": PROJECT,
            "password": self._password,
            "project": PROJECT,
            "worker_image": WORKER,
            "worker_flavor": WORKER_FLAVOR,
            "network": OLD_NETWORK,
            "external_network": EXTERNAL_NETWORK,
        }
        if server := self._source_server:
            described["source"] = {"name": server.name, "id": server.id, "address": server.address}
        return described

    def _describe_ovirt(self, front: OvirtFront) -> dict[str, Any]:
        return {
            "url": front.url,
            "username": front.username,
            "password": front.password,
            "ca_file": str(front.ca_file),
            "cluster": CLUSTER,
            "storage_domain": STORAGE_DOMAIN,
            "small_storage_domain": SMALL_STORAGE_DOMAIN,
            "block_storage_domain": BLOCK_STORAGE_DOMAIN,
            "managed_storage_domain": MANAGED_STORAGE_DOMAIN,
            "network": NEW_NETWORK,
            "template": WORKER,
        }


def _there(thing: _Thing | None, name: str) -> _Thing:
    if thing is None:
        raise RuntimeError(f"{name} is not up")
    return thing
