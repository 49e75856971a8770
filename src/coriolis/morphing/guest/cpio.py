"""The newc cpio format, as the Linux kernel reads it from an initramfs.

Source: Documentation/driver-api/early-userspace/buffer-format.rst. Header: 110 ASCII characters, a magic and
13 fields of 8 hexadecimal digits; name and data are each padded to a multiple of 4 from the start of the
archive.
"""

import stat
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGICS = (b"070701", b"070702")  # without and with a checksum field
_HEADER_SIZE = 110
_TRAILER = "TRAILER!!!"


class Entry(NamedTuple):
    """A file of an archive. `name` has no leading slash or "./"; a link's target is its data."""

    name: str
    mode: int
    data: bytes = b""
    rdev: "tuple[int, int]" = (0, 0)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


def directory(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755)


def regular_file(name: str, data: bytes) -> Entry:
    return Entry(name, stat.S_IFREG | 0o644, data)


def read_archive(data: "bytes | memoryview", offset: int = 0) -> "tuple[list[Entry], int]":
    """The entries of the archive at `offset` and where it ends. Raises MorphFailure if it is cut off or no
    archive.

    Files with several names carry their bytes in the last entry of the inode; each gets them here.
    """
    view = memoryview(data)
    entries: list[Entry] = []
    shared: dict[tuple[int, int, int], list[int]] = {}
    position = offset
    while True:
        header = bytes(view[position : position + _HEADER_SIZE])
        if header[:6] not in MAGICS or len(header) < _HEADER_SIZE:
            raise MorphFailure(f"not a newc cpio archive at byte {position}")
        fields = [int(header[6 + 8 * index : 14 + 8 * index], 16) for index in range(13)]
        inode, mode, _, _, links, _, size, major, minor, device_major, device_minor, name_size, _ = fields
        name_start = position + _HEADER_SIZE
        data_start = _padded(name_start + name_size - offset) + offset
        if data_start + size > len(view):
            raise MorphFailure(f"the cpio archive at byte {offset} is cut off")
        name = bytes(view[name_start : name_start + name_size - 1]).decode(errors="surrogateescape")
        position = _padded(data_start + size - offset) + offset
        if name == _TRAILER:
            return entries, min(position, len(view))
        if stat.S_ISREG(mode) and links > 1:
            shared.setdefault((inode, major, minor), []).append(len(entries))
        content = bytes(view[data_start : data_start + size])
        entries.append(Entry(_plain(name), mode, content, (device_major, device_minor)))
        if size and stat.S_ISREG(mode) and links > 1:
            for index in shared[(inode, major, minor)]:
                entries[index] = entries[index]._replace(data=content)


def write_archive(entries: "Iterable[Entry]") -> bytes:
    """An archive owned by root, with time 0, so that equal content gives equal bytes."""
    parts = []
    for inode, entry in enumerate([*list(entries), Entry(_TRAILER, 0)], 1):
        name = entry.name.encode(errors="surrogateescape") + b"\0"
        links = 2 if entry.is_directory else 1
        fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.rdev, len(name), 0)
        header = MAGICS[0] + b"".join(b"%08X" % field for field in fields)
        parts.append(_pad(header + name))
        parts.append(_pad(entry.data))
    return b"".join(parts)


def _plain(name: str) -> str:
    return name[2:] if name.startswith("./") else name.lstrip("/")


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
