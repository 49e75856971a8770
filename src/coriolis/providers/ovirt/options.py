"""The destination environment of an oVirt endpoint."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from coriolis.config import OvirtSection
from coriolis.model.instance import Disk, Nic
from coriolis.model.worker import GuestKind
from coriolis.providers.base import Environment
from coriolis.providers.ovirt.nic_mappings import NicMapping
from coriolis.providers.schema import OptionModel, SecretText, in_lower_case
from coriolis.providers.storage_mappings import NO_MAPPINGS, StorageMappings

BLANK_TEMPLATE = "00000000-0000-0000-0000-000000000000"
"""Every engine has it, without disks, and it cannot be removed."""


Mechanism = Annotated[Literal["auto", "ssh", "https", "imageio"], BeforeValidator(in_lower_case)]


class DestinationEnvironment(OptionModel):
    """Parameters of an import. What is left out comes from [ovirt_migration_provider] in coriolis.conf."""

    cluster: str = Field(default="Default", title="Cluster", description="Name or id of the cluster.")
    storage_domain: str | None = Field(
        default=None, title="Storage domain", description="Name or id of a data domain for the disks."
    )
    use_thin_disk_allocation: bool = Field(
        default=True, title="Thin disks", description="Allocate the disks' space as it is written."
    )
    data_transfer_mechanism: Mechanism = Field(
        default="auto",
        title="Data transfer",
        description="Way of the bytes to the disks: ssh or https (through a worker VM), imageio (the engine's image "
        "transfer, without one), auto.",
    )
    vm_pool: str | None = Field(
        default=None,
        title="VM pool",
        description="Name or id of a VM pool for the migrated VM. No known engine takes an existing VM into a pool: it "
        "is asked for, and a warning tells that it did not happen.",
    )
    os_release: str | None = Field(
        default=None,
        title="OS release",
        description="OS type of the migrated VM, e.g. debian_9; empty: from what OSMorphing finds.",
    )
    optimized_for: Literal["desktop", "server", "high_performance"] = Field(
        default="server", title="Optimized for", description="Kind of VM."
    )
    delete_protected: bool = Field(
        default=False, title="Delete protection", description="Protect the migrated VM from deletion."
    )
    leave_migrated_vms_off: bool = Field(
        default=False, title="Leave off", description="Do not start the migrated VM."
    )
    migr_minion_cluster: str | None = Field(
        default=None, title="Worker cluster", description="Cluster of worker VMs; empty: the main cluster."
    )
    migr_minion_storage_domain: str | None = Field(
        default=None,
        title="Worker storage domain",
        description="Data domain of the workers' own disks; empty: that of their template.",
    )
    migr_template_map: dict[GuestKind, str] = Field(
        default_factory=dict,
        title="Worker templates",
        description="OS type (linux, windows) to name or id of the template of worker VMs.",
    )
    migr_template_username_map: dict[GuestKind, str] = Field(
        default_factory=dict,
        title="Worker user names",
        description="OS type to a user preset in the template; empty: cloud-init makes one, but not on Windows.",
    )
    migr_template_password_map: dict[GuestKind, SecretText] = Field(
        default_factory=dict, title="Worker passwords", description="OS type to that user's password."
    )
    migr_blank_template: str = Field(
        default=BLANK_TEMPLATE,
        title="Blank template",
        description="Name or id of a template without disks, of which the migrated VM is made.",
    )
    disk_clone_mechanism: Literal["copy", "snapshot"] = Field(
        default="copy",
        title="Copies of replicas",
        description="How a deployment copies the replica disks: each by itself (copy), or all through a snapshot of a "
        "temporary VM of the blank template (snapshot), for storage whose disks the engine does not copy.",
    )
    windows_virtio_zip_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/.",
        title="Windows drivers",
        description="URL of the zip that holds winvirtio.iso. Kept for when Windows guests are adapted: this release "
        "does not.",
    )
    keep_mac: bool = Field(
        default=True,
        title="Keep MAC addresses",
        description="Give the NICs the MAC addresses that they have on the source.",
    )
    nic_mappings: tuple[NicMapping, ...] = Field(
        default=(), title="NIC mappings", description="What differs for single NICs."
    )
    network_map: dict[str, str] = Field(
        default_factory=dict,
        title="Network map",
        description="Source network name to VM network, name or id.",
    )
    storage_mappings: StorageMappings = Field(
        default=NO_MAPPINGS,
        title="Storage mappings",
        description="Storage domains by disk or by source backend.",
    )

    def domain_of(self, disk: Disk) -> str | None:
        """Name or id of the storage domain that is asked for this disk; None where nothing says it."""
        return self.storage_mappings.destination_of(disk) or self.storage_domain

    def mapping_of(self, nic: Nic) -> NicMapping | None:
        return next((mapping for mapping in self.nic_mappings if mapping.covers(nic)), None)

    def keeps_mac(self, nic: Nic) -> bool:
        mapping = self.mapping_of(nic)
        if mapping is None or mapping.keep_mac is None:
            return self.keep_mac
        return mapping.keep_mac


def destination_environment(env: Environment, section: OvirtSection) -> DestinationEnvironment:
    """The environment over the settings' defaults. Raises InvalidInput naming the option."""
    given = {name: value for name, value in env.items() if value is not None}
    return DestinationEnvironment.parse({**_defaults(section), **given}, "Destination environment")


def _defaults(section: OvirtSection) -> dict[str, Any]:
    found = {
        name: getattr(section, f"default_{name}")
        for name in DestinationEnvironment.model_fields
        if f"default_{name}" in OvirtSection.model_fields
    }
    found |= {
        name: getattr(section, name)
        for name in ("windows_virtio_zip_url", "data_transfer_mechanism")  # published without `default_`
    }
    if found.get("os_release") == OvirtSection.model_fields["default_os_release"].default:
        del found["os_release"]  # the general fallback must not hide what OSMorphing finds
    return {name: value for name, value in found.items() if value not in ("", {}, None)}
