"""What holds header, digests and place together: no bit of a header may change on its way to the writer."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from coriolis.agent import frames
from coriolis.agent.block import BlockDisk
from coriolis.agent.digests import Method
from coriolis.agent.frames import DIGEST_BYTES, HEADER, Geometry, Header, ProtocolError
from coriolis.agent.pipes import FrameStream, StreamClosedError
from coriolis.agent.writer import VerificationError, Writer

LEAF = 4096
GEOMETRY = Geometry(8 * LEAF, LEAF)
KEY, OTHER_KEY = os.urandom(frames.SEAL_KEY_BYTES), os.urandom(frames.SEAL_KEY_BYTES)
OLD = b"\xee" * GEOMETRY.size
NEW = os.urandom(GEOMETRY.size)


class Piece(NamedTuple):
    """A frame and the bytes of the disk that it writes."""

    frame: bytes
    start: int = 0
    end: int = 0


def data(first: int, count: int, key: bytes = KEY) -> Piece:
    start, end = first * LEAF, (first + count) * LEAF
    leaves = (NEW[place : place + LEAF] for place in range(start, end, LEAF))
    digests = b"".join(hashlib.sha256(leaf).digest()[:DIGEST_BYTES] for leaf in leaves)
    header = Header(frames.DATA, 0, count, first, start, end - start, end - start)
    return Piece(frames.sealed(header, digests, key) + NEW[start:end], start, end)


def bare(header: Header) -> bytes:
    return frames.sealed(header, b"", KEY)


PIECES = {
    "data": data(2, 2),
    "zero": Piece(bare(Header(frames.ZERO, 0, 0, 2, 5 * LEAF, LEAF, 0)), 5 * LEAF, 6 * LEAF),
    "barrier": Piece(bare(Header(frames.BARRIER, 0, 0, 1, 0, 0, 0))),
    "end": Piece(bare(frames.end_of(2))),
}


@pytest.fixture(scope="module")
def disk() -> Iterator[str]:
    descriptor = os.memfd_create("disk")
    yield f"/proc/self/fd/{descriptor}"
    os.close(descriptor)


def write(disk: str, stream: bytes) -> tuple[type[Exception] | None, bytes, bytes]:
    """How a writer fails with such a stream, what the disk holds then, and what the writer said."""
    with open(disk, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(OLD)
    (incoming, feed), (said, outgoing) = os.pipe(), os.pipe()
    failure: type[Exception] | None = None
    frame_stream = FrameStream(incoming, outgoing)
    frame_stream.geometry, frame_stream.seal_key = GEOMETRY, KEY
    os.write(feed, stream)
    os.close(feed)
    try:
        with contextlib.closing(BlockDisk(disk, writing=True)) as opened:
            Writer(frame_stream, Method(GEOMETRY, "sha256"), opened, threads=1).run()
    except (ProtocolError, StreamClosedError, VerificationError) as error:
        failure = type(error)
    os.close(incoming)
    os.close(outgoing)
    with open(disk, "rb") as file, open(said, "rb") as answers:  # noqa: PTH123 - descriptors
        return failure, file.read(), answers.read()


def stream_of(changed: str = "", place: int = 0, mask: int = 0) -> bytes:
    """The frames, of which one has other bits in byte `place`."""
    frames_ = {name: bytearray(piece.frame) for name, piece in PIECES.items()}
    if changed:
        frames_[changed][place] ^= mask
    return b"".join(bytes(frame) for frame in frames_.values())


def written(*names: str) -> bytes:
    content = bytearray(OLD)
    for name in names:
        piece = PIECES[name]
        new = NEW[piece.start : piece.end] if name == "data" else bytes(piece.end - piece.start)
        content[piece.start : piece.end] = new
    return bytes(content)


def test_the_stream_is_valid(disk: str) -> None:
    failure, content, said = write(disk, stream_of())
    assert (failure, content) == (None, written("data", "zero"))
    assert said.count(frames.MAGIC) == 2


@pytest.mark.parametrize("name", list(PIECES))
def test_every_bit_of_every_header(disk: str, name: str) -> None:
    """It fails, no later frame is taken, nothing of this one is written, and no barrier is answered for another."""
    before = list(PIECES)[: list(PIECES).index(name)]
    for place in range(HEADER.size):
        for bit in range(8):
            failure, content, said = write(disk, stream_of(name, place, 1 << bit))
            assert failure is not None, (place, bit)
            assert content == written(*(one for one in before if PIECES[one].end)), (place, bit)
            assert said.count(frames.MAGIC) == before.count("barrier"), (place, bit)


def test_a_frame_of_another_copy(disk: str) -> None:
    """The same place of another disk, or an earlier attempt: another key."""
    failure, content, _ = write(disk, data(2, 2, OTHER_KEY).frame)
    assert (failure, content) == (ProtocolError, OLD)


def test_header_and_content_of_two_frames(disk: str) -> None:
    """Digests and payload fit each other, and the header is one that was sent."""
    one, other = data(0, 2).frame, data(2, 2).frame
    failure, content, _ = write(disk, one[: HEADER.size] + other[HEADER.size :])
    assert (failure, content) == (ProtocolError, OLD)


@pytest.mark.parametrize("missing", ["data", "zero"])
def test_a_frame_that_is_missing(disk: str, missing: str) -> None:
    stream = b"".join(piece.frame for name, piece in PIECES.items() if name != missing)
    failure, _, said = write(disk, stream)
    assert failure is ProtocolError
    assert said.count(frames.MAGIC) == 1  # the barrier's answer, and none to the end
