"""The conductor against workers that send garbage: it ends with an error of its own, and believes nothing.

The ssh that is found first here is a script that says what a file holds and drops what it is told.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coriolis.agent import frames
from coriolis.agent.digests import root
from coriolis.agent.frames import DIGEST_BYTES, Geometry, Header, json_frame
from coriolis.errors import CoriolisError
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.transfer import connection, disk_copy, relay
from coriolis.transfer.disk_copy import DiskCopier
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd
from coriolis.transfer.limits import Limiter, Limits
from coriolis.transfer.manifest import LeafList
from coriolis.transfer.slots import Slots
from tests.unit.agent.hostile import any_header, mutated, mutations, near_headers, resealed

LEAF = 4096
SIZE = 9 * LEAF + 512
CONTENT = os.urandom(SIZE)
SEAL_KEY = os.urandom(frames.SEAL_KEY_BYTES)
GEOMETRY = Geometry(SIZE, LEAF)
LEAVES = [CONTENT[start : start + LEAF] for start in range(0, SIZE, LEAF)]
DIGESTS = b"".join(hashlib.sha256(leaf).digest()[:DIGEST_BYTES] for leaf in LEAVES)
SSH = """#!/bin/sh
while [ "$1" != -l ]; do shift; done
cat "{directory}/$2"
exec cat >/dev/null
"""

forking = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hello(**more: Any) -> bytes:
    rates = {"sha256": 1500.0, "blake2b": 800.0}
    answer = {"version": frames.VERSION, "python": "3.6.1", "path": "/dev/vdb", "codecs": ["none"]}
    return json_frame(frames.HELLO, {**answer, "rates": rates, "cpus": 2, "tls": False, **more})


def data(first: int, count: int) -> bytes:
    payload = b"".join(LEAVES[first : first + count])
    header = Header(frames.DATA, 0, count, first, first * LEAF, len(payload), len(payload))
    digests = DIGESTS[first * DIGEST_BYTES : (first + count) * DIGEST_BYTES]
    return header.pack() + digests + payload


def summary(**more: Any) -> bytes:
    counts = {"scanned": SIZE, "moved": SIZE, "zero": 0, "unchanged": 0, "read": SIZE}
    return json_frame(frames.EOF, {**counts, "root": root(GEOMETRY, "sha256", DIGESTS), **more})


STATUS = json_frame(frames.STATUS, {"scanned": SIZE, "moved": 0, "zero": 0, "unchanged": 0, "read": SIZE})
UNSEALED = hello() + data(0, 4) + STATUS + data(4, 6) + summary()
READER = resealed(UNSEALED, SEAL_KEY)
WRITER = hello() + json_frame(frames.EOF, {})


@dataclass
class Stage:
    directory: Path

    def copy(self, reader: bytes, writer: bytes) -> None:
        """Raises CoriolisError, and nothing else; what is published is whole."""
        (self.directory / "reader").write_bytes(reader)
        (self.directory / "writer").write_bytes(writer)
        manifest = self.directory / "leaves"
        manifest.unlink(missing_ok=True)
        ends = [
            DiskEnd(
                SshLogin("127.0.0.1", role, private_key=Secret("none")), WorkerDisk("disk", "serial", SIZE)
            )
            for role in ("reader", "writer")
        ]
        disk = DiskCopy("disk", SIZE, *ends, generation=1, manifest=manifest)
        job = CopyJob((disk,), "scope", 1, leaf_size=LEAF, connect_timeout=0.0, route="ssh")
        copier = DiskCopier(
            job,
            disk,
            report=lambda _: None,
            note=lambda _: None,
            check=lambda: None,
            limiter=Limiter(Limits()),
            slots=Slots(1),
        )
        try:
            copier.copy()
        finally:
            if manifest.exists():
                LeafList(manifest).close()
            assert not list(self.directory.glob("*.partial"))

    def survives(self, reader: bytes, writer: bytes) -> None:
        with contextlib.suppress(CoriolisError):
            self.copy(reader, writer)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(SSH.format(directory=tmp_path))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    # how long the real ssh may take to say why it ended; the script says nothing
    monkeypatch.setattr(connection, "_ENDING_SECONDS", 0.02)
    monkeypatch.setattr(relay, "REASON_SECONDS", 0.2)
    monkeypatch.setattr(disk_copy, "new_seal_key", lambda: SEAL_KEY)
    return Stage(tmp_path)


def test_the_valid_streams_are_valid(stage: Stage) -> None:
    stage.copy(READER, WRITER)
    with LeafList(stage.directory / "leaves") as leaves:
        assert bytes(leaves.digests) == DIGESTS


@forking
@given(mutations(3), st.booleans())
def test_a_mutated_reader(
    stage: Stage, changes: list[tuple[str, int, int, bytes]], after_sealing: bool
) -> None:
    reader = mutated(READER, changes) if after_sealing else resealed(mutated(UNSEALED, changes), SEAL_KEY)
    stage.survives(reader, WRITER)


@forking
@given(mutations(3))
def test_a_mutated_writer(stage: Stage, changes: list[tuple[str, int, int, bytes]]) -> None:
    stage.survives(READER, mutated(WRITER, changes))


@forking
@given(any_header | near_headers(SIZE, LEAF), st.binary(max_size=5000), st.sampled_from(("reader", "writer")))
def test_frames_out_of_place(stage: Stage, header: Header, payload: bytes, role: str) -> None:
    garbage = resealed(hello() + header.pack() + payload, SEAL_KEY)
    stage.survives(*((garbage, WRITER) if role == "reader" else (READER, garbage)))


@pytest.mark.parametrize("role", ["reader", "writer"])
@pytest.mark.parametrize(
    "answer",
    [
        b"Welcome to this machine!\n",
        json_frame(frames.HELLO, {}),
        hello(version=99),
        hello(rates=None),
        hello(rates={"sha256": "fast", "blake2b": 1}),
        hello(rates={"sha256": 0, "blake2b": 0}),
        hello(rates={}),
        hello(codecs=7),
        hello(path=None, tls="yes"),
        Header(frames.HELLO, 0, 0, 0, 0, 0, 60000).pack() + b"[" * 60000,
        json_frame(frames.ERROR, {}),
        json_frame(frames.ERROR, {"kind": ["verification"], "message": {}, "offset": "?"}),
        json_frame(frames.ERROR, {"kind": "verification", "offset": "?", "length": None}),
    ],
    ids=range(13),
)
def test_strange_introductions(stage: Stage, role: str, answer: bytes) -> None:
    stage.survives(*((answer, WRITER) if role == "reader" else (READER, answer)))


@pytest.mark.parametrize(
    "end",
    [
        json_frame(frames.EOF, {}),
        summary(root="another"),
        summary(scanned="all of it"),
        summary(moved=None),
        summary(zero=[]),
        json_frame(frames.STATUS, {}),
        json_frame(frames.STATUS, {"scanned": "much"}),
        json_frame(frames.STATUS, {"scanned": None}),
    ],
    ids=range(8),
)
def test_strange_summaries(stage: Stage, end: bytes) -> None:
    with pytest.raises(CoriolisError):
        stage.copy(resealed(hello() + data(0, 10) + end, SEAL_KEY), WRITER)
