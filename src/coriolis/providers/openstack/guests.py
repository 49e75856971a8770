"""What servers and their images tell about the guest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from coriolis.model.enums import Firmware, OsType

Volume = TypeVar("Volume")

_RUNNING = frozenset({"ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})  # as oslo.utils reads them
# os_distro values, as Glance's metadata definitions have them, that are no Linux.
_OS_TYPES = {
    "windows": OsType.WINDOWS,
    "freebsd": OsType.BSD,
    "netbsd": OsType.BSD,
    "openbsd": OsType.BSD,
    "solaris": OsType.SOLARIS,
    "opensolaris": OsType.SOLARIS,
}


class GuestTypes:
    def __init__(self, os_types: Mapping[str, OsType]) -> None:
        """`os_types`: the user's os_distro to OS type, over the built-in ones."""
        self._os_types = {**_OS_TYPES, **os_types}

    def os_type(self, metadata: Mapping[str, Any]) -> OsType:
        """By the image's os_type, else by its os_distro; Linux where neither tells."""
        stated = str(metadata.get("os_type") or "").lower()
        if stated in set(OsType):
            return OsType(stated)
        return self._os_types.get(str(metadata.get("os_distro") or "").lower(), OsType.LINUX)


def firmware_of(metadata: Mapping[str, Any]) -> Firmware:
    """`hw_machine_type=hyperv-gen2` is how Hyper-V hosts are asked for UEFI."""
    efi = metadata.get("hw_firmware_type") == "uefi" or metadata.get("hw_machine_type") == "hyperv-gen2"
    return Firmware.EFI if efi else Firmware.BIOS


def agent_is_declared(metadata: Mapping[str, Any]) -> bool:
    """Nova gives the guest a channel for its agent, and may ask it to freeze the file systems."""
    return _is_set(metadata, "hw_qemu_guest_agent")


def quiescing_is_required(metadata: Mapping[str, Any]) -> bool:
    """Nova then fails a snapshot rather than take it of a guest that was not quiesced."""
    return _is_set(metadata, "os_require_quiesce")


def _is_set(metadata: Mapping[str, Any], name: str) -> bool:
    return str(metadata.get(name, "")).lower() in _TRUE


def is_running(status: str) -> bool:
    return status in _RUNNING


def image_id_of(server: Any) -> str:
    """Empty for a server that was booted from a volume: Nova then answers with an empty string as image,
    which the SDK gives as an empty dict."""
    return str(server.image.id) if server.image else ""


def boot_order(
    attached: Sequence[tuple[str, Volume]], bootable: Callable[[Volume], bool]
) -> list[tuple[str, Volume]]:
    """(device, volume) pairs in boot order: by device name (vdb before vdaa), else bootable first."""
    return sorted(attached, key=lambda pair: (not pair[0], len(pair[0]), pair[0], not bootable(pair[1])))
