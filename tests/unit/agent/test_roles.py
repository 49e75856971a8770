"""The agent as a process: its roles, its refusals, its end."""

import hashlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coriolis.agent import frames
from coriolis.agent.commands import EXIT_CLOSED
from coriolis.agent.digests import ZeroDigests, root
from coriolis.agent.frames import DIGEST_BYTES, Geometry, Header
from coriolis.agent.pipes import read_exactly
from tests.interpreters import interpreters, label, oldest_and_newest
from tests.unit.agent.local_agent import LEAF, SEAL_KEY, LocalAgent

SIZE = (3 << 20) + 1536


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    local = LocalAgent()
    yield local
    local.end()


def leaf_digests(data: bytes) -> bytes:
    pieces = (data[start : start + LEAF] for start in range(0, len(data), LEAF))
    return b"".join(hashlib.sha256(piece).digest()[:DIGEST_BYTES] for piece in pieces)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    content = os.urandom(1 << 20) + bytes(1 << 20) + b"text" * (1 << 17)
    path.write_bytes(content.ljust(SIZE, b"."))
    assert path.stat().st_size == SIZE
    return path


@pytest.mark.parametrize("python", interpreters(), ids=label)
def test_hasher(python: str, disk: Path) -> None:
    agent = LocalAgent(python)
    answer = agent.hello("hasher", disk, SIZE)
    assert answer["path"] == str(disk)
    assert set(answer["rates"]) - {"gmac"} == {"sha256", "blake2b"}
    agent.begin()
    leaves = agent.stream.receive_leaves()
    summary = agent.stream.receive_json(frames.EOF)
    assert leaves == leaf_digests(disk.read_bytes())
    assert summary["root"] == root(Geometry(SIZE, LEAF), "sha256", leaves)
    assert agent.end() == 0


@pytest.mark.parametrize("python", oldest_and_newest(), ids=label)
@pytest.mark.parametrize("compression", ["none", "zstd", "zlib"])
def test_reader_to_writer(python: str, compression: str, disk: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(os.urandom(SIZE))
    reader, writer = LocalAgent(python), LocalAgent(python)
    codecs = set(reader.hello("reader", disk, SIZE)["codecs"]) & set(
        writer.hello("writer", copy, SIZE)["codecs"]
    )
    writer.begin()
    reader.begin(baseline="unknown", codecs=sorted(codecs), compression=compression)
    kinds, count = set(), 0
    while True:
        header = reader.stream.receive_header()
        kinds.add(header.kind)
        digests, seal = reader.stream.receive_sealed(header) if header.is_sealed else (b"", b"")
        payload = read_exactly(reader.stream.incoming, header.wire)
        if header.kind == frames.EOF:
            break
        if header.kind != frames.STATUS:
            writer.stream.send(header.pack(), digests, seal, payload)
            count += 1
    writer.stream.send_sealed(Header(frames.BARRIER, 0, 0, 7, 0, 0, 0))
    assert writer.stream.receive_header().seq == 7
    writer.stream.send_sealed(frames.end_of(count))
    assert writer.stream.receive_json(frames.EOF) == {}
    assert {frames.DATA, frames.ZERO} <= kinds
    assert copy.read_bytes() == disk.read_bytes()
    assert (reader.end(), writer.end()) == (0, 0)


def test_reader_sends_only_what_the_list_does_not_have(agent: LocalAgent, disk: Path) -> None:
    old = leaf_digests(disk.read_bytes())
    with disk.open("r+b") as file:
        file.seek(5 * LEAF + 17)
        file.write(b"changed")
        file.seek(2 * LEAF)
        file.write(bytes(LEAF))
    agent.hello("reader", disk, SIZE)
    agent.begin(baseline="list", codecs=["none"], compression="auto")
    agent.stream.send_leaves(old)
    sent = []
    while (header := agent.stream.receive_header()).kind != frames.EOF:
        agent.stream.receive_sealed(header)
        read_exactly(agent.stream.incoming, header.wire)
        sent.append((header.kind, header.offset, header.raw))
    summary = frames.parse_json(read_exactly(agent.stream.incoming, header.wire))
    assert sorted(sent) == [(frames.DATA, 5 * LEAF, LEAF), (frames.ZERO, 2 * LEAF, LEAF)]
    assert summary["unchanged"] == SIZE - 2 * LEAF
    assert summary["root"] == root(Geometry(SIZE, LEAF), "sha256", leaf_digests(disk.read_bytes()))


def data_frame(data: bytes, offset: int = 0, digest: bytes | None = None) -> bytes:
    digest = leaf_digests(data) if digest is None else digest
    header = Header(frames.DATA, 0, len(digest) // 16, 1, offset, len(data), len(data))
    return frames.sealed(header, digest, SEAL_KEY) + data


def writing(agent: LocalAgent, path: Path, **more: int) -> LocalAgent:
    path.write_bytes(b"\xff" * SIZE)
    agent.hello("writer", path, SIZE, **more)
    agent.begin()
    return agent


def test_writer_checks_before_it_writes(agent: LocalAgent, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    wrong = bytearray(leaf_digests(bytes(2 * LEAF)))
    wrong[20] ^= 1
    writing(agent, path).stream.send(data_frame(bytes(2 * LEAF), LEAF, bytes(wrong)))
    agent.stream.send_sealed(frames.end_of(1))
    error = agent.error()
    assert (error["kind"], error["offset"], error["length"]) == ("verification", 2 * LEAF, LEAF)
    assert path.read_bytes() == b"\xff" * SIZE


def test_a_failed_frame_is_never_acknowledged_by_a_barrier(agent: LocalAgent, tmp_path: Path) -> None:
    writing(agent, tmp_path / "disk")
    barrier = frames.sealed(Header(frames.BARRIER, 0, 0, 1, 0, 0, 0), b"", SEAL_KEY)
    agent.stream.send(data_frame(bytes(LEAF), 0, b"\0" * 16) + barrier)
    assert agent.stream.receive_header().kind == frames.ERROR


@pytest.mark.parametrize(
    "garbage",
    [
        os.urandom(4096),
        Header(frames.DATA, 0, 16, 1, 0, 1 << 20, 0xFFFFFFFF).pack() + bytes(5000),
        Header(frames.LEAVES, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF).pack() + bytes(5000),
        Header(frames.ZERO, 0, 0, 1, SIZE, LEAF, 0).pack(),
        Header(frames.HELLO, 0, 0, 1, 0, 0, 0xFFFFFFFF).pack(),
        Header(frames.ACK, 0, 0, 1, 0, 0, 0).pack(),
    ],
    ids=["noise", "huge payload", "huge list", "zero past the end", "huge text", "wrong kind"],
)
def test_writer_refuses_garbage(agent: LocalAgent, tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "disk"
    writing(agent, path)
    limit = 512 << 20
    resource.prlimit(agent.process.pid, resource.RLIMIT_DATA, (limit, limit))
    agent.stream.send(garbage)
    assert agent.error()["kind"] == "protocol"
    assert path.read_bytes() == b"\xff" * SIZE


@pytest.mark.parametrize(
    ("hello", "kind", "text"),
    [
        ({"role": "reader", "size": SIZE + 512}, "device", "bytes, not"),
        ({"role": "reader", "size": SIZE - 512}, "device", "bytes, not"),
        ({"role": "writer", "serial": "no-such-serial-anywhere"}, "device", "no disk with serial"),
        ({"role": "reader", "serial": "/dev/does-not-exist"}, "device", "there is no /dev/does-not-exist"),
        ({"role": "cook"}, "protocol", "no role 'cook'"),
        ({"leaf": 1000}, "protocol", "not a power of two"),
        ({"size": "many"}, "protocol", "invalid literal"),
    ],
)
def test_bad_orders_are_answered(
    agent: LocalAgent, disk: Path, hello: dict[str, object], kind: str, text: str
) -> None:
    base: dict[str, object] = {"role": "reader", "serial": str(disk), "size": SIZE, "leaf": LEAF, "wait": 0}
    fence = {"scope": "tests", "disk": str(disk), "token": 1}
    agent.stream.send_json(frames.HELLO, {**base, **fence, **hello})
    error = agent.error()
    assert error["kind"] == kind
    assert text in error["message"]


def test_a_missing_field_is_named(agent: LocalAgent) -> None:
    agent.stream.send_json(frames.HELLO, {"role": "reader"})
    assert agent.error() == {"kind": "protocol", "message": "the handshake lacks 'size'"}


@pytest.mark.parametrize("role", ["reader", "writer", "hasher"])
def test_it_ends_with_its_session(role: str, disk: Path) -> None:
    agent = LocalAgent()
    agent.hello(role, disk, SIZE)
    agent.begin(baseline="zeros", codecs=["none"], compression="none")
    began = time.monotonic()
    assert agent.end() in (0, 1, EXIT_CLOSED)
    assert time.monotonic() - began < 10


def test_a_lower_token_is_refused_and_a_higher_one_ends_the_older_writer(tmp_path: Path) -> None:
    first, second, third = LocalAgent(), LocalAgent(), LocalAgent()
    path = tmp_path / "disk"
    writing(first, path, token=5)
    third_hello = {"role": "writer", "serial": str(path), "size": SIZE, "leaf": LEAF, "wait": 0}
    third.stream.send_json(frames.HELLO, {**third_hello, "scope": "tests", "disk": str(path), "token": 4})
    assert third.error() == {"kind": "fenced", "message": "token 4 is older than 5"}
    second.hello("writer", path, SIZE, token=6)
    assert first.process.wait(10) == -9
    second.begin()
    second.stream.send(data_frame(bytes(LEAF)))
    second.stream.send_sealed(frames.end_of(1))
    assert second.stream.receive_json(frames.EOF) == {}
    for agent in (first, second, third):
        agent.end()


def test_zeros_of_an_odd_disk() -> None:
    geometry = Geometry(SIZE, LEAF)
    assert ZeroDigests(geometry, "sha256").of(0, geometry.leaves) == leaf_digests(bytes(SIZE))
