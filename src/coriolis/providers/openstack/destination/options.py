"""The destination environment of an OpenStack endpoint."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from coriolis.config import OpenStackSection
from coriolis.model.instance import Disk
from coriolis.model.worker import GuestKind
from coriolis.providers.base import Environment
from coriolis.providers.schema import OptionModel, in_lower_case
from coriolis.providers.storage_mappings import NO_MAPPINGS, StorageMappings

MechanismName = Literal["auto", "ssh", "https", "rbd"]
Mechanism = Annotated[MechanismName, BeforeValidator(in_lower_case)]
PortPolicy = Literal["keep_mac", "replace_mac", "reuse_ports"]
HypervisorType = Literal["hyperv", "qemu", "kvm"]
DiskBus = Literal["virtio", "scsi", "sata", "ide"]
_POOL = "Name or id of the external network, or network/subnet."


class DestinationEnvironment(OptionModel):
    """Parameters of an import. What is left out comes from [openstack_migration_provider] in coriolis.conf."""

    network_map: dict[str, str] = Field(
        default_factory=dict,
        title="Network map",
        description="Source network name to Neutron network, name or id.",
    )
    storage_mappings: StorageMappings = Field(
        default=NO_MAPPINGS,
        title="Storage mappings",
        description="Volume types by disk or by source backend.",
    )
    default_cinder_volume_type: str | None = Field(
        default=None,
        title="Volume type",
        description="Name or id of the volume type where the storage mappings say none; empty: the cloud's default.",
    )
    storage_availability_zone: str | None = Field(
        default=None,
        title="Storage availability zone",
        description="Cinder's zone of the disks; empty: Cinder decides.",
    )
    volumes_are_zeroed: bool = Field(
        default=True,
        title="Volumes are zeroed",
        description="New volumes read as zeros. Off for storage that shows what was there before: then the first run "
        "compares everything, and writes zeros too.",
    )
    data_transfer_mechanism: Mechanism = Field(
        default="auto",
        title="Data transfer",
        description="Way of the bytes to the disks: ssh or https (through a worker VM), rbd (straight into the Ceph "
        "pool of the volumes, without one; needs ceph_options in the connection info), auto (through a worker VM).",
    )
    flavor_name: str | None = Field(
        default=None,
        title="Flavor",
        description="Name or id of the flavor of the migrated VM; empty: the one that fits best.",
    )
    availability_zone: str | None = Field(
        default=None,
        title="Availability zone",
        description="Nova's zone of the migrated VM and the workers; empty: Nova decides.",
    )
    server_group: str | None = Field(
        default=None, title="Server group", description="Name or id of the migrated VM's server group."
    )
    hypervisor_type: HypervisorType | None = Field(
        default=None,
        title="Hypervisor",
        description="Hypervisor to run on, where the cloud has several; hyperv also decides the drivers.",
    )
    disk_bus: DiskBus | None = Field(
        default=None, title="Disk bus", description="Bus of the disks; empty: virtio."
    )
    keypair_name: str | None = Field(
        default=None,
        title="Key pair",
        description="Nova key pair that is offered to the migrated VM; its cloud-init takes it.",
    )
    security_groups: tuple[str, ...] = Field(
        default=(),
        title="Security groups",
        description="Names or ids, for every NIC of the migrated VM; none: the project's default group.",
    )
    instance_tags: tuple[str, ...] = Field(
        default=(), title="Tags", description="Tags of the migrated VM, each at most 60 characters."
    )
    instance_metadata: dict[str, str] = Field(
        default_factory=dict, title="Metadata", description="Metadata of the migrated VM."
    )
    use_config_drive: bool = Field(
        default=False, title="Config drive", description="For clouds without metadata service."
    )
    delete_disks_on_vm_termination: bool = Field(
        default=False,
        title="Delete disks with the VM",
        description="Nova deletes the migrated VM's disks when somebody deletes the VM.",
    )
    custom_boot_volume_image_metadata: dict[str, str] = Field(
        default_factory=dict,
        title="Boot volume image metadata",
        description="Image properties of the boot volume, over those that Coriolis chooses.",
    )
    port_reuse_policy: PortPolicy = Field(
        default="keep_mac",
        title="Port policy",
        description="keep_mac: new ports with the source's MAC addresses; replace_mac: with new ones; reuse_ports: a "
        "free port that has the source's MAC address is taken as it is, and made where there is none.",
    )
    preserve_fixed_ips: bool = Field(
        default=False,
        title="Preserve fixed addresses",
        description="The NICs get the addresses that they have on the source.",
    )
    preserve_floating_ip: bool = Field(
        default=False,
        title="Preserve floating addresses",
        description="The NICs get the floating addresses that they have on the source, where the project has them or "
        "may ask for them.",
    )
    use_floating_ip: bool = Field(
        default=False,
        title="Use a floating address",
        description="The first NIC gets a floating address from floating_ip_pool.",
    )
    floating_ip_pool: str | None = Field(default=None, title="Floating IP pool", description=_POOL)
    set_dhcp: bool = Field(
        default=True,
        title="Set DHCP",
        description="OSMorphing replaces the guest's static addresses by DHCP.",
    )
    list_all_destination_networks: bool = Field(
        default=False,
        title="List all networks",
        description="Listings show networks too that the project cannot put VMs on.",
    )
    migr_image: str | None = Field(
        default=None,
        title="Worker image",
        description="Name or id of a Linux image with cloud-init, where migr_image_map has none.",
    )
    migr_image_map: dict[GuestKind, str] = Field(
        default_factory=dict,
        title="Worker images",
        description="OS type (linux, windows) to name or id of the image of worker VMs.",
    )
    migr_flavor_name: str | None = Field(
        default=None, title="Worker flavor", description="Name or id of the flavor of worker VMs."
    )
    migr_network: str | None = Field(
        default=None,
        title="Worker network",
        description="Name or id of the network of worker VMs; empty: the first one of the network map.",
    )
    migr_worker_use_fip: bool = Field(
        default=True,
        title="Workers use floating addresses",
        description="Reach workers through a floating address; off where their network is reachable itself.",
    )
    migr_fip_pool_name: str | None = Field(default=None, title="Worker floating IP pool", description=_POOL)
    migr_worker_boot_from_volume: bool = Field(
        default=False,
        title="Workers boot from volume",
        description="For flavors or clouds without local disks.",
    )
    migr_worker_volume_size: int = Field(
        default=10, gt=0, title="Worker volume size", description="GiB of workers' own boot volumes."
    )
    migr_worker_volume_type: str | None = Field(
        default=None, title="Worker volume type", description="Volume type of workers' own boot volumes."
    )
    migr_worker_use_config_drive: bool = Field(
        default=False, title="Workers use a config drive", description="For clouds without metadata service."
    )

    def volume_type_of(self, disk: Disk) -> str | None:
        """Name or id of the volume type that is asked for this disk; None: the cloud's default."""
        return self.storage_mappings.destination_of(disk) or self.default_cinder_volume_type

    def worker_image(self, kind: GuestKind) -> str | None:
        return self.migr_image_map.get(kind) or (self.migr_image if kind == "linux" else None)


# Options whose default has another name among the settings.
_SETTING_OF = {
    "security_groups": "default_security_groups",
    "custom_boot_volume_image_metadata": "default_custom_boot_volume_image_metadata",
}


def destination_environment(env: Environment, section: OpenStackSection) -> DestinationEnvironment:
    """The environment over the settings' defaults. Raises InvalidInput naming the option."""
    given = {name: value for name, value in env.items() if value is not None}
    return DestinationEnvironment.parse({**_defaults(section), **given}, "Destination environment")


def _defaults(section: OpenStackSection) -> dict[str, Any]:
    found = {
        name: getattr(section, _SETTING_OF.get(name, name))
        for name in DestinationEnvironment.model_fields
        if _SETTING_OF.get(name, name) in OpenStackSection.model_fields
    }
    return {name: value for name, value in found.items() if value not in ("", {}, ())}
