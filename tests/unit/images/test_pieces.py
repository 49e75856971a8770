"""Which object holds which bytes, and the lists of digests, without any storage."""

import bz2
import ctypes
import hashlib
import json
import random
import zlib

import pytest

from coriolis.agent.disk import DeviceError, Extent
from coriolis.images.block_digests import BlockDigests, differing_blocks, read_block_digests
from coriolis.images.decompression import decompressed
from coriolis.images.pieces import StoredObject, layered

BLOCK = 512


def stored(name: str, offset: int, length: int) -> StoredObject:
    return StoredObject("container", name, offset, length, "none", "")


def test_later_layers_hide_what_is_below_them() -> None:
    """Against a list of bytes that layers are painted on."""
    rng = random.Random(3)  # noqa: S311 - test data
    for _ in range(200):
        layers = [[stored("full-1", 0, 60), stored("full-2", 60, 40)]]
        painted = ["full-1"] * 60 + ["full-2"] * 40
        for number in range(3):
            cuts = sorted(rng.sample(range(101), 4))
            objects = [
                stored(f"{number}-{start}", start, end - start)
                for start, end in ((cuts[0], cuts[1]), (cuts[2], cuts[3]))
            ]
            layers.append(objects)
            for one in objects:
                painted[one.offset : one.end] = [one.name] * one.length
        found = layered(layers)
        assert [p.source.name for p in found.pieces for _ in range(p.start, p.end)] == painted
        start, end = sorted(rng.sample(range(101), 2))
        part = [p.source.name for p in found.between(start, end) for _ in range(p.start, p.end)]
        assert part == painted[start:end]


def digest_list(blocks: list[bytes], **more: object) -> bytes:
    content = {
        "backup_description": None,
        "backup_id": "b",
        "chunk_size": BLOCK,
        "sha256s": [hashlib.sha256(block).hexdigest() for block in blocks],
        "version": "1.0.0",
        **more,
    }
    return json.dumps(content, sort_keys=True, indent=2).encode()


@pytest.mark.parametrize("piece", [7, 64, 1000, 1 << 20])
def test_a_list_is_read_in_whatever_pieces_it_comes(piece: int) -> None:
    blocks = [bytes([number]) * BLOCK for number in range(40)]
    text = digest_list(blocks)
    found = read_block_digests(iter([text[i : i + piece] for i in range(0, len(text), piece)]))
    assert found.block == BLOCK
    assert len(found) == 40
    assert [found.of(n) for n in range(40)] == [hashlib.sha256(b).digest()[:16] for b in blocks]


@pytest.mark.parametrize("text", [b"", b"{}", digest_list([b"x"])[:-60], b'{"sha256s": ["' + b"0" * 64])
def test_a_list_that_is_none(text: bytes) -> None:
    with pytest.raises(DeviceError):
        read_block_digests(iter([text]))


def test_differences_by_block() -> None:
    zero, other, more = (hashlib.sha256(b).digest()[:16] for b in (bytes(BLOCK), b"a", b"b"))
    old = BlockDigests(BLOCK, other + zero + other + other + zero)
    new = BlockDigests(BLOCK, other + more + more + zero + zero)
    assert list(differing_blocks(new, old, zero)) == [
        Extent(BLOCK, 2 * BLOCK),
        Extent(3 * BLOCK, BLOCK, zero=True),
    ]
    assert list(differing_blocks(new, None, zero)) == [Extent(0, 3 * BLOCK)]
    assert list(differing_blocks(new, new, zero)) == []


def zstd(data: bytes) -> bytes:
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = size = ctypes.c_size_t
    library.ZSTD_compress.argtypes = [ctypes.c_void_p, size, ctypes.c_char_p, size, ctypes.c_int]
    out = ctypes.create_string_buffer(2 * len(data))
    length = library.ZSTD_compress(out, len(out), data, len(data), 1)
    return out.raw[:length]


def test_compression_is_not_trusted() -> None:
    data = b"text " * 1000
    packers = {"zlib": zlib.compress, "bz2": bz2.compress, "zstd": zstd, "none": bytes}
    for algorithm, pack in packers.items():
        packed = pack(data)
        assert decompressed(packed, algorithm, len(data)) == data
        with pytest.raises(DeviceError):
            decompressed(packed, algorithm, len(data) - 1)
        with pytest.raises(DeviceError):
            decompressed(packed[:-9], algorithm, len(data))
    with pytest.raises(DeviceError, match="not known here"):
        decompressed(data, "lzma", len(data))
