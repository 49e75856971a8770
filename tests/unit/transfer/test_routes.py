"""The ways a disk's bytes may take: equal bytes on each, refusals, the right culprit, nothing left running."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coriolis.errors import Cancelled, RouteFailed, TransferError, TransferInterrupted
from coriolis.transfer.job import CopyJob
from coriolis.transfer.limits import Limits
from coriolis.transfer.process import run_copy_job
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.children import run_first
from tests.unit.transfer.copying import LEAF, Pair, run, touch_leaves
from tests.unit.transfer.disturbances import Disturbance, KillChild, run_disturbed
from tests.unit.transfer.processes import agents, children, holders

MIB = 1 << 20
SIZE = 96 * MIB


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Pair:
    pair = Pair(sshd, tmp_path, SIZE)
    pair.source.write_bytes(os.urandom(SIZE))
    return pair


def job_over(route: str, pair: Pair, generation: int = 1, **changes: Any) -> CopyJob:
    return replace(pair.job(generation, **changes), route=route)


@pytest.mark.parametrize("route", ["auto", "tls", "direct", "ssh"])
def test_the_same_bytes_on_every_route(sshd: PrivateSshd, tmp_path: Path, route: str) -> None:
    pair = Pair(sshd, tmp_path, 70 * MIB + 512)
    (first,) = run(job_over(route, pair, destination_zeroed=True))
    assert pair.identical()
    assert first.route == {"auto": "tls"}.get(route, route)
    assert first.moved + first.zero == pair.size
    assert 0 < first.wire <= first.moved * 1.003 + 8192

    changed = touch_leaves(pair.source, 0.01)
    (second,) = run(job_over(route, pair, 2, previous=pair.manifest(1)))
    assert pair.identical()
    assert second.moved == changed
    assert second.wire <= changed * 1.02 + 0.0005 * pair.size


@pytest.mark.parametrize("size", [512, LEAF + 1, 32 * MIB, 32 * MIB + 1])
def test_odd_sizes_end_to_end(sshd: PrivateSshd, tmp_path: Path, size: int) -> None:
    pair = Pair(sshd, tmp_path, size)
    pair.source.write_bytes(os.urandom(size))
    (result,) = run(job_over("tls", pair))
    assert pair.identical()
    assert (result.moved, result.route) == (size, "tls")
    assert result.wire > size


@contextmanager
def only_ssh(pair: Pair, job: CopyJob) -> Iterator[CopyJob]:
    """The workers are known at an address where nothing but their SSH answers, as behind a port forwarding."""
    with socket.create_server(("127.0.0.2", 0)) as listener:

        def forward() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", pair.sshd.port))
                    for ends in ((client, server), (server, client)):
                        threading.Thread(target=pump, args=ends, daemon=True).start()

        threading.Thread(target=forward, daemon=True).start()
        copies = []
        for copy in job.copies:
            source, destination = (
                replace(end, login=replace(end.login, address="127.0.0.2", port=listener.getsockname()[1]))
                for end in (copy.source, copy.destination)
            )
            copies.append(replace(copy, source=source, destination=destination))
        yield replace(job, copies=tuple(copies))


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_where_only_ssh_is_reached_ssh_it_is(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 3 * MIB)
    with only_ssh(pair, job_over("auto", pair)) as job:
        (result,) = run(job)
    assert pair.identical()
    assert result.route == "ssh"
    assert "of 127.0.0.2 cannot be reached from here: Connection refused" in result.why_not
    with (
        only_ssh(pair, job_over("tls", pair, 2)) as job,
        pytest.raises(RouteFailed, match=r"route is tls, and port \d+ of 127.0.0.2 cannot be reached"),
    ):
        run(job)


def test_a_range_without_a_free_port(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (result,) = run(replace(job_over("auto", pair), agent_ports=(port, port)))
    assert result.route == "ssh"
    assert f"no port of {port} to {port} is free" in result.why_not
    assert pair.identical()


def test_limited_bytes_pass_the_conductor(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    (result,) = run(replace(job_over("direct", pair), limits=Limits(wire=1e9)))
    assert result.route == "tls"


class KillTheChild(KillChild):
    culprit = "transfer process was ended"


class KillReader(Disturbance):
    culprit = "the reader on worker 127.0.0.1 is gone"

    def act(self) -> None:
        os.kill(max(holders(self.pair.source)), signal.SIGKILL)


class KillWriter(Disturbance):
    culprit = "the writer on worker 127.0.0.1 is gone"

    def act(self) -> None:
        os.kill(max(holders(self.pair.destination)), signal.SIGKILL)


def assert_quiet(pair: Pair) -> None:
    end = time.monotonic() + 30
    while children("coriolis.transfer.child") or children(f"-p\0{pair.sshd.port}\0") or agents(pair):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert not pair.manifest(1).exists()


@pytest.mark.parametrize("kind", [KillTheChild, KillReader, KillWriter])
@pytest.mark.parametrize("route", ["tls", "direct"])
def test_a_killed_part_is_named_and_the_next_run_goes_on(
    pair: Pair, route: str, kind: type[KillTheChild | KillReader | KillWriter]
) -> None:
    journal = pair.directory / "journal"
    job = job_over(route, pair, destination_zeroed=True, journal=journal)
    with pytest.raises(TransferInterrupted, match=kind.culprit):
        run_disturbed(job, kind(pair))
    assert_quiet(pair)
    (result,) = run(job_over(route, pair, compare_destination=True, journal=journal))
    assert pair.identical()
    assert result.resumed


def test_cancel(pair: Pair) -> None:
    with pytest.raises(Cancelled):
        run_disturbed(job_over("tls", pair), Disturbance(pair))
    assert_quiet(pair)


class TruncateSource(Disturbance):
    def act(self) -> None:
        os.truncate(self.pair.source, SIZE // 2)


def test_a_failing_reader_is_named(pair: Pair) -> None:
    with pytest.raises(TransferError, match=r"the reader on worker 127.0.0.1: the disk ends at byte"):
        run_disturbed(job_over("tls", pair), TruncateSource(pair))
    assert_quiet(pair)


def test_flipped_ciphertext_fails_the_run(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The child's splice is replaced by one that flips a bit after 20 MiB."""
    run_first(
        "import os\n"
        "real, seen = os.splice, [0]\n"
        "def splice(source, destination, count):\n"
        "    if seen[0] < 20 << 20:\n"
        "        done = real(source, destination, count)\n"
        "        seen[0] += done\n"
        "        return done\n"
        "    seen[0] = -1 << 60\n"
        "    data = bytearray(os.read(source, min(count, 4096)))\n"
        "    data[len(data) // 2] ^= 1\n"
        "    return os.write(destination, data)\n"
        "os.splice = splice\n",
        tmp_path,
        monkeypatch,
    )
    with pytest.raises(RouteFailed, match=r"the writer on worker 127.0.0.1: TLS: .*"):
        run_copy_job(job_over("tls", pair), report=lambda progress: None, check=lambda: None)
    assert_quiet(pair)
    with pair.source.open("rb") as source, pair.destination.open("rb") as destination:
        while wanted := source.read(LEAF):
            assert destination.read(LEAF) in (wanted, bytes(len(wanted)))


class Lift:
    """A limit that would take minutes, and is lifted once it is seen to hold a run up."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.asked = 0

    def __call__(self) -> Limits:
        self.asked += 1
        return Limits(wire=65536.0) if self.asked < 3 else Limits()


@pytest.mark.parametrize("route", ["tls", "ssh"])
def test_a_limit_is_lifted_while_the_run_goes(sshd: PrivateSshd, tmp_path: Path, route: str) -> None:
    pair = Pair(sshd, tmp_path, 64 * MIB)
    pair.source.write_bytes(os.urandom(pair.size))
    job = replace(job_over(route, pair), limits=Limits(wire=65536.0))
    lift = Lift(pair)
    (result,) = run_copy_job(job, report=lambda progress: None, check=lambda: None, limits=lift)
    assert result.moved == pair.size
    assert pair.identical()
    assert lift.asked >= 3
