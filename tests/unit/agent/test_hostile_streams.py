"""The agent against peers that send garbage: it ends, with an error, within its memory and its disk."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coriolis.agent import frames
from coriolis.agent.commands import EXIT_CLOSED
from coriolis.agent.frames import DIGEST_BYTES, Geometry, Header, ProtocolError, json_frame
from coriolis.agent.main import EXIT_FAILED
from coriolis.agent.pipes import FrameStream, StreamClosedError
from tests.unit.agent.hostile import Outcome, any_header, mutated, mutations, near_headers, play, resealed

LEAF = 4096
SIZE = 9 * LEAF + 512
GUARD = 4 * LEAF  # what the disk has behind the size that is agreed on
SEAL_KEY = os.urandom(frames.SEAL_KEY_BYTES)
GEOMETRY = Geometry(SIZE, LEAF)
OLD = b"\xee" * LEAF
NEW = [os.urandom(LEAF) for _ in range(9)] + [os.urandom(512)]

# each example is a process
forking = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
near = near_headers(SIZE, LEAF)
junk = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
HELLO_FIELDS = ("role", "serial", "size", "leaf", "wait")
BEGIN_FIELDS = ("threads", "algorithm", "key", "seal", "baseline", "codecs", "compression", "route", "read")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


def hello(role: str, disk: Path, /, **more: Any) -> bytes:
    options = {"role": role, "serial": str(disk), "size": SIZE, "leaf": LEAF, "wait": 0}
    fence = {"scope": "tests of hostile streams", "disk": str(disk), "token": 1}
    return json_frame(frames.HELLO, {**options, **fence, **more})


def begin(**more: Any) -> bytes:
    orders = {"threads": 2, "algorithm": "sha256", "baseline": "unknown", "codecs": ["none", "zlib"]}
    return json_frame(frames.HELLO, {**orders, "compression": "none", "seal": SEAL_KEY.hex(), **more})


def data(first: int, count: int) -> bytes:
    leaves = NEW[first : first + count]
    digests = b"".join(hashlib.sha256(leaf).digest()[:DIGEST_BYTES] for leaf in leaves)
    payload = b"".join(leaves)
    header = Header(frames.DATA, 0, len(leaves), first, first * LEAF, len(payload), len(payload))
    return header.pack() + digests + payload


def bare(kind: int, seq: int = 0, offset: int = 0, raw: int = 0) -> bytes:
    return Header(kind, 0, 0, seq, offset, raw, 0).pack()


UNSEALED = (
    data(0, 2)
    + bare(frames.ZERO, 1, 2 * LEAF, LEAF)
    + bare(frames.BARRIER, 1)
    + data(3, 4)
    + data(7, 3)
    + bare(frames.BARRIER, 2)
    + frames.end_of(4).pack()
)
VALID = resealed(UNSEALED, SEAL_KEY)


def write(disk: Path, stream: bytes) -> tuple[Outcome, bytes]:
    """What a writer makes of what comes after its handshake, and what the disk holds then."""
    disk.write_bytes((OLD * 10)[:SIZE] + b"\xdd" * GUARD)
    outcome = play(hello("writer", disk) + begin() + stream)
    return outcome, disk.read_bytes()


def assert_ended(outcome: Outcome) -> None:
    assert outcome.status in (0, EXIT_FAILED, EXIT_CLOSED)
    if outcome.status == EXIT_FAILED:
        assert outcome.error is not None
        assert outcome.error["kind"] != "memory"


def assert_vouched_for(content: bytes) -> None:
    """Behind the disk nothing is written, and on it nothing that no digest was right for."""
    assert content[SIZE:] == b"\xdd" * GUARD
    for start in range(0, SIZE, LEAF):
        leaf = content[start : min(start + LEAF, SIZE)]
        assert leaf in (OLD[: len(leaf)], bytes(len(leaf)), *NEW)


def test_the_valid_stream_is_valid(disk: Path) -> None:
    outcome, content = write(disk, VALID)
    assert outcome.status == 0
    assert content[:SIZE] == b"".join([*NEW[:2], bytes(LEAF), *NEW[3:]])


@forking
@given(mutations(3), st.booleans())
def test_a_writer_and_a_mutated_stream(
    disk: Path, changes: list[tuple[str, int, int, bytes]], after_sealing: bool
) -> None:
    stream = mutated(VALID, changes) if after_sealing else resealed(mutated(UNSEALED, changes), SEAL_KEY)
    outcome, content = write(disk, stream)
    assert_ended(outcome)
    assert_vouched_for(content)


@forking
@given(st.binary(max_size=300) | st.tuples(any_header | near, st.binary(max_size=9000)))
def test_a_writer_and_garbage(disk: Path, garbage: bytes | tuple[Header, bytes]) -> None:
    stream = garbage if isinstance(garbage, bytes) else garbage[0].pack() + garbage[1]
    outcome, content = write(disk, resealed(data(0, 1) + stream, SEAL_KEY))
    assert_ended(outcome)
    assert_vouched_for(content)


@forking
@given(mutations(3))
def test_a_mutated_handshake(disk: Path, changes: list[tuple[str, int, int, bytes]]) -> None:
    disk.write_bytes(b"".join(NEW))
    for role in ("reader", "hasher"):
        outcome = play(mutated(hello(role, disk) + begin(), changes))
        assert_ended(outcome)
        assert disk.read_bytes() == b"".join(NEW)


@forking
@given(st.sampled_from(HELLO_FIELDS + BEGIN_FIELDS), junk, st.sampled_from(("reader", "hasher")))
def test_orders_of_the_wrong_kind(disk: Path, field: str, value: Any, role: str) -> None:
    """JSON that is not what a field is to hold."""
    disk.write_bytes(b"".join(NEW))
    changed = {field: value}
    first = hello(role, disk, **changed) if field in HELLO_FIELDS else hello(role, disk)
    assert_ended(play(first + begin(**({} if field in HELLO_FIELDS else changed))))


@forking
@given(st.lists(near | any_header, max_size=4), mutations(2))
def test_a_reader_and_a_hostile_conductor(
    disk: Path, headers: list[Header], changes: list[tuple[str, int, int, bytes]]
) -> None:
    """A mutated baseline, and then frames that mean nothing to a reader."""
    disk.write_bytes(b"".join(NEW))
    digests = os.urandom(GEOMETRY.list_bytes)
    piece = Header(frames.LEAVES, 0, 0, 0, 0, len(digests), len(digests)).pack() + digests
    stream = mutated(piece, changes) + b"".join(header.pack() for header in headers)
    assert_ended(play(hello("reader", disk) + begin(baseline="list") + stream))


def test_json_nested_too_deep_is_answered() -> None:
    payload = b"[" * 60000
    outcome = play(Header(frames.HELLO, 0, 0, 0, 0, 0, len(payload)).pack() + payload)
    assert_ended(outcome)
    assert outcome.status == EXIT_FAILED


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.tuples(any_header | near, st.binary(max_size=6000)))
@example((Header(frames.LEAVES, 0, 0, 0, 0, 160, 160), bytes(160)))
def test_a_stream_takes_garbage_for_nothing_else(garbage: bytes | tuple[Header, bytes]) -> None:
    """All that `FrameStream` receives with, in turn, on the same bytes."""
    stream = garbage if isinstance(garbage, bytes) else garbage[0].pack() + garbage[1]

    def receive_sealed(frame_stream: FrameStream) -> None:
        header = frame_stream.receive_header()
        if header.is_sealed:
            frame_stream.receive_sealed(header)

    for receive in (FrameStream.receive_leaves, receive_sealed, lambda one: one.receive_json(frames.HELLO)):
        incoming, feed = os.pipe()
        os.write(feed, stream)
        os.close(feed)
        frame_stream = FrameStream(incoming, incoming)
        frame_stream.geometry = GEOMETRY
        with contextlib.suppress(ProtocolError, StreamClosedError):
            receive(frame_stream)
        os.close(incoming)
