"""An initramfs: one or more cpio archives one after the other, each bare or compressed; later files win.

Missing modules are added by one more bare archive at the end
(Documentation/driver-api/early-userspace/buffer-format.rst allows any sequence of archives with zeros in
between), which takes a second where rebuilding takes minutes.
"""

import gzip
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest import cpio
from coriolis.morphing.guest.compression import compression_of, unpack
from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coriolis.morphing.guest.compression import UnpackProgram

_ALIGNMENT = 512  # zeros up to here before an added archive; the kernel wants 4, boot loaders like sectors
_LINK_DEPTH = 16


class Part(NamedTuple):
    """One archive: where it lies in the file, and its compression (None: bare) and bare bytes."""

    offset: int
    end: int
    compression: "str | None"
    archive: bytes
    entries: "list[cpio.Entry]"


class Initrd:
    """The merged view of all parts."""

    def __init__(self, parts: "list[Part]") -> None:
        self.parts = parts
        self.files: dict[str, cpio.Entry] = {}
        for part in parts:
            for entry in part.entries:
                self.files[entry.name] = entry

    def real_path(self, path: str) -> str:
        """`path` with every link among its directories followed (lib -> usr/lib)."""
        for _ in range(_LINK_DEPTH):
            head = ""
            for component in path.split("/")[:-1]:
                head = posixpath.join(head, component)
                entry = self.files.get(head)
                if entry is not None and entry.is_link:
                    target = entry.data.decode(errors="surrogateescape")
                    joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(head), target))
                    path = joined.lstrip("/") + path[len(head) :]
                    break
            else:
                return path
        raise MorphFailure(f"the initramfs has a loop of links at {path!r}")

    def modules_directory(self, version: str) -> str:
        """Where the modules of this kernel are or belong, e.g. usr/lib/modules/6.1.0-39-amd64."""
        return posixpath.dirname(self.real_path(f"lib/modules/{version}/modules.dep"))

    def module_files(self, version: str) -> "dict[str, bytes]":
        """The kernel's files by their path below its modules directory."""
        prefix = self.modules_directory(version) + "/"
        return {
            self.real_path(name)[len(prefix) :]: entry.data
            for name, entry in self.files.items()
            if entry.is_file and self.real_path(name).startswith(prefix)
        }


def read_initrd(data: bytes, program: "UnpackProgram") -> Initrd:
    parts: list[Part] = []
    position = 0
    while position < len(data):
        if data[position] == 0:
            position += 1
            continue
        if data[position : position + 6] in cpio.MAGICS:
            entries, end = cpio.read_archive(data, position)
            parts.append(Part(position, end, None, data[position:end], entries))
        else:
            compression = compression_of(data, position)
            if compression is None:
                raise MorphFailure(f"the initramfs has an unknown format at byte {position}")
            archive, end = unpack(compression, data, position, program)
            parts.append(Part(position, end, compression, archive, _entries_of(archive)))
        position = end
    if not parts:
        raise MorphFailure("the initramfs is empty")
    return Initrd(parts)


def with_files(data: bytes, initrd: Initrd, added: "Iterable[cpio.Entry]") -> bytes:
    """The bytes of the initramfs with one more archive at its end."""
    entries = list(added)
    known = set(initrd.files)
    parents = sorted({d for entry in entries for d in _parents(entry.name)} - known)
    archive = cpio.write_archive([cpio.directory(name) for name in parents] + entries)
    last = initrd.parts[-1]
    if last.compression == "lz4":
        # A legacy LZ4 frame has no end mark: decoders read on into whatever follows, so its last part is
        # packed anew.
        data = data[: last.offset] + gzip.compress(last.archive, 6)
    return data + b"\0" * (-len(data) % _ALIGNMENT) + archive


def _entries_of(archive: bytes) -> "list[cpio.Entry]":
    """All archives inside one compressed part."""
    entries: list[cpio.Entry] = []
    position = 0
    while position < len(archive):
        if archive[position] == 0:
            position += 1
            continue
        more, position = cpio.read_archive(archive, position)
        entries += more
    return entries


def _parents(name: str) -> "list[str]":
    parts = name.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
