"""The hasher: device to leaf list, to compare a destination or to prove what is on it."""

from coriolis.agent import digests, frames
from coriolis.agent.compression import Buffer
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.agent.pipes import FrameStream
from coriolis.agent.reader import Counts
from coriolis.agent.scan import Scan, Visit


def run(stream: FrameStream, path: str, geometry: Geometry, algorithm: str, threads: int) -> None:
    """Sends the whole list, then EOF with its root."""
    function, zeros, counts = (
        digests.hasher(algorithm),
        digests.ZeroDigests(geometry, algorithm),
        Counts(stream),
    )
    leaves = bytearray(geometry.list_bytes)

    def visit(offset: int, length: int, buffer: Buffer) -> None:
        first, count = offset // geometry.leaf, -(-length // geometry.leaf)
        if digests.is_zero(buffer.address, length):
            vector = zeros.of(first, count)
        else:
            starts = range(0, length, geometry.leaf)
            vector = b"".join(function(buffer.view[s : min(s + geometry.leaf, length)]) for s in starts)
        leaves[first * DIGEST_BYTES : (first + count) * DIGEST_BYTES] = vector
        counts.add(length)

    def make_visitor() -> Visit:
        return visit

    Scan(path, geometry, threads).run(make_visitor)
    stream.send_leaves(leaves)
    stream.send_json(frames.EOF, {"root": digests.root(geometry, algorithm, leaves)})
