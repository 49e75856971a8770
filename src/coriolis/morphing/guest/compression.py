"""What an initramfs may be compressed with: where a compressed part ends, and its content.

Zstandard and LZ4 have no module in the standard library of the Pythons on worker VMs: the parts' lengths are
found here (RFC 8878; lz4's "legacy frame" as the kernel uses it), the bytes are unpacked by a program.
"""

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # (format name, compressed bytes) -> content
    UnpackProgram = Callable[[str, bytes], bytes]

_MAGICS = (
    ("gzip", b"\x1f\x8b"),
    ("xz", b"\xfd7zXZ\0"),
    ("bzip2", b"BZh"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("lz4", b"\x02\x21\x4c\x18"),
    ("lzma", b"\x5d\x00\x00"),
)
# LZ4_compressBound of the 8 MiB blocks of a legacy frame
_LZ4_LARGEST_BLOCK = (8 << 20) + (8 << 20) // 255 + 16


def compression_of(data: bytes, offset: int = 0) -> "str | None":
    head = bytes(data[offset : offset + 6])
    return next((name for name, magic in _MAGICS if head.startswith(magic)), None)


def unpack(name: str, data: bytes, offset: int, program: "UnpackProgram") -> "tuple[bytes, int]":
    """The content of the compressed part at `offset` and the offset after its end."""
    if name in ("zstd", "lz4"):
        end = _end_of_zstd_frame(data, offset) if name == "zstd" else _end_of_lz4_frame(data, offset)
        return program(name, data[offset:end]), end
    decompressor = _decompressor(name)
    try:
        content = decompressor.decompress(data[offset:])
    except (zlib.error, lzma.LZMAError, OSError) as error:
        raise MorphFailure(f"the {name} data at byte {offset} is damaged: {error}") from error
    if not decompressor.eof:
        raise MorphFailure(f"the {name} data at byte {offset} is cut off")
    return content, len(data) - len(decompressor.unused_data)


def _decompressor(name: str) -> "Any":
    """Of the standard library; all have decompress(), eof and unused_data."""
    if name == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    return bz2.BZ2Decompressor() if name == "bzip2" else lzma.LZMADecompressor()


def _end_of_zstd_frame(data: bytes, offset: int) -> int:
    """Frame: magic, descriptor, window (unless single segment), dictionary id, content size, blocks,
    checksum."""
    descriptor = data[offset + 4]
    single_segment = descriptor >> 5 & 1
    content_size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    position = offset + 5 + (1 - single_segment) + dictionary_bytes + content_size_bytes
    last = 0
    while not last:
        if position + 3 > len(data):
            raise MorphFailure(f"the zstd data at byte {offset} is cut off")
        header = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == 1 else size)  # kind 1 repeats a single byte
    return position + (4 if descriptor >> 2 & 1 else 0)


def _end_of_lz4_frame(data: bytes, offset: int) -> int:
    """Legacy frame: magic, then blocks of a 32-bit size and so many bytes; it has no end mark."""
    position = offset + 4
    while position + 4 <= len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        if not 0 < size <= _LZ4_LARGEST_BLOCK or position + 4 + size > len(data):
            break
        position += 4 + size
    return position
