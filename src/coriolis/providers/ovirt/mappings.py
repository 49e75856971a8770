"""Where single disks and NICs of an instance go."""

from pydantic import Field

from coriolis.model.instance import Disk, Nic
from coriolis.providers.schema import OptionModel


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

    def destination_of(self, disk: Disk) -> str | None:
        for by_disk in self.disk_mappings:
            if by_disk.disk_id == disk.id:
                return by_disk.destination
        for by_backend in self.backend_mappings:
            if by_backend.source == disk.storage_backend:
                return by_backend.destination
        return self.default


class NicMapping(OptionModel):
    """What differs for one NIC. A field that is left out follows the rest of the environment."""

    mac_address: str = Field(description="MAC address that the NIC has on the source.")
    vnic_profile: str | None = Field(
        default=None,
        description="Name or id of a vNIC profile; its network replaces that of the network map.",
    )
    keep_mac: bool | None = Field(default=None, description="Keep the MAC address.")

    def covers(self, nic: Nic) -> bool:
        return nic.mac_address is not None and nic.mac_address.lower() == self.mac_address.lower()
