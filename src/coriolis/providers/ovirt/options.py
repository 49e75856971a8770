"""The destination environment of an oVirt endpoint."""

from typing import Any, Literal

from pydantic import Field

from coriolis.config import OvirtSection
from coriolis.model.instance import Disk
from coriolis.providers.base import Environment
from coriolis.providers.schema import OptionModel, SecretText

GuestKind = Literal["linux", "windows"]


class BackendMapping(OptionModel):
    source: str = Field(description="Storage backend of the source cloud.")
    destination: str = Field(description="Name or id of a storage domain.")


class DiskMapping(OptionModel):
    disk_id: str = Field(description="Id of the source disk.")
    destination: str = Field(description="Name or id of a storage domain.")


class StorageMappings(OptionModel):
    default: str | None = Field(
        default=None, description="Name or id of a storage domain for all other disks."
    )
    backend_mappings: tuple[BackendMapping, ...] = Field(default=(), description="By backend of the source.")
    disk_mappings: tuple[DiskMapping, ...] = Field(
        default=(), description="By disk; goes before the backend."
    )


class DestinationEnvironment(OptionModel):
    """Parameters of an import. What is left out comes from [ovirt_migration_provider] in coriolis.conf."""

    cluster: str = Field(default="Default", title="Cluster", description="Name or id of the cluster.")
    storage_domain: str | None = Field(
        default=None, title="Storage domain", description="Name or id of a data domain for the disks."
    )
    use_thin_disk_allocation: bool = Field(
        default=True, title="Thin disks", description="Allocate the disks' space as it is written."
    )
    vm_pool: str | None = Field(
        default=None, title="VM pool", description="Name or id of a VM pool for the migrated VM."
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
        description="OS type to a user preset in the template; empty: cloud-init makes one.",
    )
    migr_template_password_map: dict[GuestKind, SecretText] = Field(
        default_factory=dict, title="Worker passwords", description="OS type to that user's password."
    )
    migr_blank_template: str = Field(
        default="00000000-0000-0000-0000-000000000000",
        title="Blank template",
        description="Name or id of a template without disks.",
    )
    network_map: dict[str, str] = Field(
        default_factory=dict,
        title="Network map",
        description="Source network name to VM network, name or id.",
    )
    storage_mappings: StorageMappings = Field(
        default=StorageMappings.model_validate({}),
        title="Storage mappings",
        description="Storage domains by disk or by source backend.",
    )

    def domain_of(self, disk: Disk) -> str | None:
        """Name or id of the storage domain that is asked for this disk; None where nothing says it."""
        mappings = self.storage_mappings
        for by_disk in mappings.disk_mappings:
            if by_disk.disk_id == disk.id:
                return by_disk.destination
        for by_backend in mappings.backend_mappings:
            if by_backend.source == disk.storage_backend:
                return by_backend.destination
        return mappings.default or self.storage_domain


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
    if found.get("os_release") == OvirtSection.model_fields["default_os_release"].default:
        del found["os_release"]  # the general fallback must not hide what OSMorphing finds
    return {name: value for name, value in found.items() if value not in ("", {}, None)}
