"""Runs that are cut off: nothing lingers, nothing false is published, the next run mends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from coriolis import handover
from coriolis.errors import (
    Cancelled,
    TransferError,
    TransferInterrupted,
    VerificationFailed,
    WorkerUnreachable,
)
from coriolis.model.progress import DiskProgress
from coriolis.transfer.process import run_copy_job
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.children import run_first
from tests.unit.transfer.copying import Pair
from tests.unit.transfer.disturbances import Disturbance, KillChild, run_disturbed
from tests.unit.transfer.processes import agents, children, processes, written

MIB = 1 << 20
SIZE = 192 * MIB


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Pair:
    pair = Pair(sshd, tmp_path, SIZE)
    pair.source.write_bytes(os.urandom(SIZE))
    return pair


def assert_quiet(pair: Pair) -> None:
    """Within seconds no ssh of ours and no agent is left, and the destination is no longer written to."""
    end = time.monotonic() + 15
    while children("coriolis.transfer.child") or children(f"-p\0{pair.sshd.port}\0") or agents(pair):
        assert time.monotonic() < end
        time.sleep(0.1)
    before = pair.destination.stat().st_mtime_ns
    time.sleep(0.5)
    assert pair.destination.stat().st_mtime_ns == before
    assert not pair.manifest(1).exists()


class KillSsh(Disturbance):
    def act(self) -> None:
        os.kill(children(f"-p\0{self.pair.sshd.port}\0")[-1], signal.SIGKILL)


class KillAgent(Disturbance):
    def act(self) -> None:
        os.kill(max(agents(self.pair)), signal.SIGKILL)


def test_cancel(pair: Pair) -> None:
    with pytest.raises(Cancelled):
        run_disturbed(pair.job(1), Disturbance(pair))
    assert_quiet(pair)


@pytest.mark.parametrize("kind", [KillChild, KillSsh, KillAgent])
def test_a_killed_part_interrupts_and_the_next_run_goes_on(pair: Pair, kind: type[Disturbance]) -> None:
    disturbance = kind(pair)
    with pytest.raises(TransferInterrupted):
        run_disturbed(pair.job(1), disturbance)
    assert disturbance.done
    assert_quiet(pair)
    result = pair.copy(1, compare_destination=True)
    assert pair.identical()
    assert 0 < result.unchanged < SIZE
    assert result.moved == SIZE - result.unchanged


def test_a_report_that_raises_ends_the_run(pair: Pair) -> None:
    def report(progress: DiskProgress) -> None:
        raise RuntimeError("database is gone")

    with pytest.raises(RuntimeError, match="database is gone"):
        run_copy_job(pair.job(1), report=report, check=lambda: None)
    assert_quiet(pair)


def child_environment_names(pid: int, marker: str) -> bool:
    try:
        return marker.encode() in Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return False


def test_the_child_dies_with_its_parent(pair: Pair) -> None:
    """The parent is killed, so nobody but the kernel and the end of stdin can tell the child."""
    starter = (
        "from coriolis import handover; from coriolis.transfer import job, process\n"
        "job = handover.receive(0, job.CopyJob)\n"
        "process.run_copy_job(job, report=lambda p: None, check=lambda: None)\n"
    )
    marker = f"CORIOLIS_TEST_MARKER={pair.directory}"
    environment = dict([marker.split("=", 1)], **os.environ)
    parent = subprocess.Popen([sys.executable, "-c", starter], stdin=subprocess.PIPE, env=environment)
    assert parent.stdin
    parent.stdin.write(handover.pack(pair.job(1)))
    parent.stdin.flush()
    end = time.monotonic() + 60
    while written(pair) < SIZE // 16:
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 15
    while any(child_environment_names(pid, marker) for pid in processes("coriolis.transfer.child")):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert_quiet(pair)


def test_a_bit_flipped_in_flight_fails_the_run(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The relay's splice is replaced, in the child, by one that flips a bit of the 100th payload."""
    run_first(
        "import os\n"
        "real, seen = os.splice, [0]\n"
        "def splice(source, destination, count):\n"
        "    seen[0] += 1\n"
        "    if seen[0] != 100:\n"
        "        return real(source, destination, count)\n"
        "    data = bytearray(os.read(source, count))\n"
        "    data[len(data) // 2] ^= 1\n"
        "    return os.write(destination, data)\n"
        "os.splice = splice\n",
        tmp_path,
        monkeypatch,
    )
    with pytest.raises(VerificationFailed, match="disk-1"):
        pair.copy(1)
    assert_quiet(pair)


def test_an_offset_flipped_in_the_relay_fails_the_run(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A good leaf for another place: the child's writev moves the 50th frame of data by a leaf."""
    run_first(
        "import os\n"
        "real, seen = os.writev, [0]\n"
        "def writev(descriptor, parts):\n"
        "    if bytes(parts[0][:5]) == b'DPA1' + bytes([2]):\n"
        "        seen[0] += 1\n"
        "        if seen[0] == 50:\n"
        "            header = bytearray(parts[0])\n"
        "            header[12 + 5] ^= 1\n"
        "            parts = [header, *parts[1:]]\n"
        "    return real(descriptor, parts)\n"
        "os.writev = writev\n",
        tmp_path,
        monkeypatch,
    )
    with pytest.raises(TransferError, match=r"the writer on worker .* changed on its way"):
        pair.copy(1)
    assert_quiet(pair)
    with pair.source.open("rb") as source, pair.destination.open("rb") as destination:
        while wanted := source.read(65536):
            assert destination.read(65536) in (wanted, bytes(len(wanted)))


def test_no_secret_in_any_argument_or_environment(pair: Pair) -> None:
    key = pair.sshd.login().private_key
    assert key is not None
    needle = key.reveal().split("\n")[2].encode()
    seen = threading.Event()

    class Look(Disturbance):
        def act(self) -> None:
            for pid in children(""):
                for name in ("cmdline", "environ"):
                    assert needle not in Path("/proc", str(pid), name).read_bytes()
            seen.set()

    run_disturbed(pair.job(1), Look(pair))
    assert seen.is_set()


def test_an_unreachable_worker(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair.sshd, "port", 1)
    job = replace(pair.job(1), connect_timeout=1.0)
    with pytest.raises(WorkerUnreachable, match="Connection refused"):
        run_copy_job(job, report=lambda progress: None, check=lambda: None)


class KillFirstSsh:
    """As soon as there is one: before its agent has introduced itself."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.killed = 0

    def watch(self) -> None:
        end = time.monotonic() + 60
        while not self.killed and time.monotonic() < end:
            for pid in children(f"-p\0{self.pair.sshd.port}\0")[:1]:
                os.kill(pid, signal.SIGKILL)
                self.killed = pid
            time.sleep(0.001)


def test_an_ssh_that_is_killed_while_it_connects_is_replaced(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    killer = KillFirstSsh(pair)
    thread = threading.Thread(target=killer.watch)
    thread.start()
    pair.copy(1)
    thread.join()
    assert killer.killed
    assert pair.identical()


class EndAgainAndAgain(Disturbance):
    """As when the parent's death, the end of stdin and an impatient parent all tell it."""

    def act(self) -> None:
        child = children("coriolis.transfer.child")[-1]
        for _ in range(200):
            os.kill(child, signal.SIGTERM)
        raise Cancelled


def test_a_child_that_is_told_many_times_to_end_does_end(pair: Pair) -> None:
    with pytest.raises(Cancelled):
        run_disturbed(pair.job(1), EndAgainAndAgain(pair))
    assert_quiet(pair)
