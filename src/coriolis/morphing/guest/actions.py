"""What a plan consists of. Actions are data; `apply` carries them out."""

from typing import NamedTuple, Union


class WriteFile(NamedTuple):
    """`original`: where the file's first content is kept, if it is one of the guest's own."""

    path: str
    text: str
    mode: int = 0o644
    original: str = ""


class SetAside(NamedTuple):
    path: str
    original: str


class Remove(NamedTuple):
    path: str


class Link(NamedTuple):
    path: str
    target: str


class InstallPackages(NamedTuple):
    """Never worth failing for: where they cannot be had now, the guest gets them at its first boot."""

    role: str
    names: "tuple[str, ...]"


class PurgePackages(NamedTuple):
    names: "tuple[str, ...]"


class AddDrivers(NamedTuple):
    """To the initramfs at `initrd` of the kernel `version`."""

    version: str
    initrd: str
    drivers: "tuple[str, ...]"


class EnableUnit(NamedTuple):
    unit: str


class CopyInEsp(NamedTuple):
    """Inside the EFI system partition, e.g. EFI/debian/shimx64.efi to EFI/BOOT/BOOTX64.EFI."""

    source: str
    target: str


class Warn(NamedTuple):
    """Nothing is done; a person should know."""

    message: str


Action = Union[
    WriteFile, SetAside, Remove, Link, InstallPackages, PurgePackages, AddDrivers, EnableUnit, CopyInEsp, Warn
]
