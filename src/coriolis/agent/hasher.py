"""The hasher: disk to leaf list, or to the digests of some leaves; to compare a destination or to prove what is
on it.
"""

import threading
from typing import Any, List, Optional

from coriolis.agent import digests, frames
from coriolis.agent.compression import Buffer
from coriolis.agent.digests import Method
from coriolis.agent.disk import Disk
from coriolis.agent.frames import DIGEST_BYTES, Geometry, ProtocolError
from coriolis.agent.pipes import FrameStream
from coriolis.agent.reader import Counts
from coriolis.agent.scan import Crew, Scan, Visit

SAMPLE_LEAVES = 4096  # what fits into one message


def run(stream: FrameStream, disk: Disk, method: Method, threads: int) -> None:
    """Sends the whole list, then EOF with its root."""
    geometry, function, zeros, counts = method.geometry, method.hasher(), method.zeros(), Counts(stream)
    leaves = bytearray(geometry.list_bytes)

    def visit(offset: int, length: int, buffer: Optional[Buffer]) -> None:
        if buffer is None:
            raise AssertionError("a hasher knows nothing beforehand")
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

    Scan(disk, geometry, threads).run(make_visitor)
    stream.send_leaves(leaves)
    stream.send_json(frames.EOF, {"root": method.root(leaves)})


def run_sample(stream: FrameStream, disk: Disk, method: Method, *, threads: int, numbers: Any) -> None:
    """Sends the digests of the leaves with these numbers, in their order, as one piece; then EOF."""
    geometry, leaves = method.geometry, _checked(numbers, method.geometry)
    function, found = method.hasher(), [b""] * len(leaves)
    lock, places = threading.Lock(), iter(range(len(leaves)))
    crew = Crew(threads)

    def work() -> None:
        buffer, handle = Buffer(), disk.open()
        try:
            while crew.failure is None:
                with lock:
                    place = next(places, -1)
                if place < 0:
                    return
                offset = leaves[place] * geometry.leaf
                length = min(geometry.leaf, geometry.size - offset)
                handle.read(offset, length, buffer.view[: geometry.leaf])
                found[place] = function(buffer.view[:length])
        finally:
            handle.close()

    crew.run(work)
    stream.send_leaves(b"".join(found))
    stream.send_json(frames.EOF, {})


def _checked(numbers: Any, geometry: Geometry) -> List[int]:
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise ProtocolError("a sample is a list of leaf numbers")
    if len(numbers) > min(SAMPLE_LEAVES, geometry.leaves):
        raise ProtocolError(f"a sample of {len(numbers)} leaves")
    if not all(0 <= number < geometry.leaves for number in numbers):
        raise ProtocolError("a sample beyond the disk")
    return numbers
