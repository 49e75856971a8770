"""An instance must have disks, each with a size that a virtual disk can have."""

from coriolis.errors import InvalidInput
from coriolis.model.instance import Instance

SECTOR = 512


def check_disk_sizes(instance: Instance) -> None:
    """Raises InvalidInput naming the disk."""
    if not instance.disks:
        raise InvalidInput(message=f"Instance {instance.name!r} has no disks.")
    seen: set[str] = set()
    for disk in instance.disks:
        if disk.size_bytes <= 0 or disk.size_bytes % SECTOR:
            raise InvalidInput(
                message=f"Disk {disk.id!r} of instance {instance.name!r} has an impossible size: "
                f"{disk.size_bytes} bytes."
            )
        if disk.id in seen:
            raise InvalidInput(message=f"Instance {instance.name!r} lists disk {disk.id!r} twice.")
        seen.add(disk.id)
