"""Whole objects, by Cinder's names of compression algorithms; never more than they are said to hold."""

import bz2
import ctypes
import zlib

from coriolis.agent.disk import DeviceError

_PLAIN = frozenset({"none", "off", "no"})


def decompressed(packed: bytes, algorithm: str, length: int) -> bytes:
    """`length` bytes. Raises DeviceError."""
    try:
        data = _decompressed(packed, algorithm, length)
    except (zlib.error, OSError, EOFError) as error:
        raise DeviceError(f"it cannot be decompressed: {error}") from error
    if len(data) != length:
        raise DeviceError(f"it has other than {length} bytes")
    return data


def _decompressed(packed: bytes, algorithm: str, length: int) -> bytes:
    if algorithm in _PLAIN:
        return packed
    if algorithm in ("zlib", "bz2", "bzip2"):
        unpacker = zlib.decompressobj() if algorithm == "zlib" else bz2.BZ2Decompressor()
        data = unpacker.decompress(packed, length + 1)
        if not unpacker.eof:
            raise DeviceError("its compressed data is cut")
        return data
    if algorithm == "zstd":
        return _from_zstd(packed, length)
    raise DeviceError(f"it is compressed with {algorithm!r}, which is not known here")


def _from_zstd(packed: bytes, length: int) -> bytes:
    """Python has zstd from 3.14 on; the library is on every Debian."""
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError as error:
        raise DeviceError("it is compressed with zstd, and there is no libzstd here") from error
    size = ctypes.c_size_t
    library.ZSTD_decompress.restype = size
    library.ZSTD_decompress.argtypes = [ctypes.c_void_p, size, ctypes.c_char_p, size]
    out = ctypes.create_string_buffer(length)
    done = library.ZSTD_decompress(out, length, packed, len(packed))
    library.ZSTD_isError.argtypes = [size]
    if library.ZSTD_isError(done):
        raise DeviceError("it cannot be decompressed with zstd")
    return out.raw[:done]
