"""Where the disks of an instance go on the destination."""

from pydantic import Field

from coriolis.model.instance import Disk
from coriolis.providers.schema import OptionModel


class BackendMapping(OptionModel):
    source: str = Field(description="Storage backend of the source cloud.")
    destination: str = Field(description="Name or id of a storage backend of the destination.")


class DiskMapping(OptionModel):
    disk_id: str = Field(description="Id of the source disk.")
    destination: str = Field(description="Name or id of a storage backend of the destination.")


class StorageMappings(OptionModel):
    default: str | None = Field(
        default=None, description="Name or id of a storage backend for all other disks."
    )
    backend_mappings: tuple[BackendMapping, ...] = Field(default=(), description="By backend of the source.")
    disk_mappings: tuple[DiskMapping, ...] = Field(
        default=(), description="By disk; goes before the backend."
    )

    def destination_of(self, disk: Disk) -> str | None:
        """None where nothing says it."""
        for by_disk in self.disk_mappings:
            if by_disk.disk_id == disk.id:
                return by_disk.destination
        for by_backend in self.backend_mappings:
            if by_backend.source == disk.storage_backend:
                return by_backend.destination
        return self.default


NO_MAPPINGS = StorageMappings.model_validate({})
