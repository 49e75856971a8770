"""What is wrong with the guest's disks before anything is mounted or written. Reads only."""

from typing import TYPE_CHECKING

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from coriolis.morphing.guest.block_devices import BlockDevice

LINUX_FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs")
_HIBERNATED = ("swsuspend", "swsupend", "s1suspend", "s2suspend", "ulsuspend", "tuxonice")
_OTHER_SYSTEMS = {
    "ntfs": "Windows",
    "BitLocker": "Windows with BitLocker",
    "ufs": "BSD",
    "zfs_member": "ZFS",
    "apfs": "macOS",
}


def check_devices(devices: "list[BlockDevice]") -> None:
    """Raises MorphFailure where going on could only fail or harm the guest."""
    for device in devices:
        if device.kind in _HIBERNATED:
            raise MorphFailure(
                f"the guest was hibernated (its memory is stored on {place_of(device)}): start it, "
                "shut it down and replicate again"
            )


def explain_no_root(devices: "list[BlockDevice]") -> str:
    """Why no Linux root file system was found, as far as the devices tell."""
    encrypted = [device for device in devices if device.kind == "crypto_LUKS"]
    if encrypted:
        return f"{place_of(encrypted[0])} is encrypted with LUKS, which OSMorphing cannot open"
    for device in devices:
        if device.kind in _OTHER_SYSTEMS:
            system = _OTHER_SYSTEMS[device.kind]
            return f"{place_of(device)} holds {system}, which OSMorphing does not support yet"
    kinds = ", ".join("{}: {}".format(place_of(device), device.kind or "nothing known") for device in devices)
    return "no file system with /etc/fstab and an os-release file was found ({})".format(kinds or "no disks")


def place_of(device: "BlockDevice") -> str:
    """In the guest's terms: worker device names mean nothing to a reader."""
    if device.disk_index is None:
        return device.path
    disk = f"disk {device.disk_index + 1}"
    return disk if device.partition is None else f"partition {device.partition} of {disk}"
