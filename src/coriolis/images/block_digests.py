"""The list of SHA-256 digests that Cinder keeps of every block of a backed up volume."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from coriolis.agent.disk import DeviceError, Extent

DIGEST_BYTES = 16
"""Of the 32 that Cinder writes: a TiB of volume in blocks of 32 KiB is 512 MiB of memory as it is."""

_HEX = re.compile(rb'"([0-9a-f]{64})"')
_LIST = re.compile(rb'"sha256s"\s*:\s*\[')
_COMPARED_BYTES = 65536
_MOST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class BlockDigests:
    block: int
    digests: bytes

    def of(self, number: int) -> bytes:
        return self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]

    def __len__(self) -> int:
        return len(self.digests) // DIGEST_BYTES


def read_block_digests(pieces: Iterator[bytes]) -> BlockDigests:
    """Of the JSON object `<prefix>_sha256file`, without ever holding its text. Keys are sorted in it, so the block size
    stands before the list. Raises DeviceError where it is none."""
    head = b""
    for piece in pieces:
        head += piece
        found = _LIST.search(head)
        if found is not None:
            break
        if len(head) > _MOST_HEADER_BYTES:
            raise DeviceError("the list of digests of a backup has no list")
    else:
        raise DeviceError("the list of digests of a backup is cut")
    try:
        block = int(json.loads(head[: found.end()] + b"]}")["chunk_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise DeviceError(f"the list of digests of a backup: {error!r}") from error
    digests = bytearray()
    rest = head[found.end() :]
    while True:
        position = 0
        for match in _HEX.finditer(rest):
            digests += bytes.fromhex(match[1].decode()[: 2 * DIGEST_BYTES])
            position = match.end()
        end = rest.find(b"]", position)
        if end >= 0:
            return BlockDigests(block, bytes(digests))
        piece = next(pieces, b"")
        if not piece:
            raise DeviceError("the list of digests of a backup is cut")
        rest = rest[position:] + piece


def differing_blocks(new: BlockDigests, old: BlockDigests | None, zero: bytes) -> Iterator[Extent]:
    """Runs of blocks of `new` that are not as in `old`, or (None) as full of zeros, whose digest is `zero`."""
    run: Extent | None = None
    step = _COMPARED_BYTES - _COMPARED_BYTES % DIGEST_BYTES
    zeros = zero * (step // DIGEST_BYTES)
    for start in range(0, len(new.digests), step):
        here = new.digests[start : start + step]
        if here == (zeros[: len(here)] if old is None else old.digests[start : start + step]):
            continue
        for place in range(start, start + len(here), DIGEST_BYTES):
            digest = new.digests[place : place + DIGEST_BYTES]
            if digest == (zero if old is None else old.digests[place : place + DIGEST_BYTES]):
                continue
            offset = place // DIGEST_BYTES * new.block
            if run is not None and run.offset + run.length == offset and run.zero == (digest == zero):
                run = run._replace(length=run.length + new.block)
                continue
            if run is not None:
                yield run
            run = Extent(offset, new.block, digest == zero)
    if run is not None:
        yield run
