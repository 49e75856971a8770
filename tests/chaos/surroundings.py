"""What the conductors stand on gives way: clouds, the transfer child, the database, the broker, disks, the clock."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from coriolis.model.records import JobState
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks
from tests.chaos.file_cloud import AFTER
from tests.chaos.interruptions import COPY_MEBIBYTES, copying
from tests.chaos.lane import LEASE_SECONDS, MARIADB_2, MARIADB_3, MODES, SQLITE, Lane, LaneWishes, Run

_DOWN_SECONDS = 20.0
_DISTRIBUTED = (MARIADB_2, MARIADB_3)
_LIBFAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@scenario("clouds that are busy and lose answers", quick=(SQLITE,))
def misbehaving_clouds(lane: Lane) -> list[str]:
    checks = Checks(lane)
    lane.destination.rule("create-volume", "busy 2")
    lane.destination.rule("create-server-copy", "lost 1")
    lane.destination.rule("attach-copy", "busy 1")
    lane.destination.rule("delete-server-copy", "lost 1")
    lane.source.rule("create-snapshot", "lost 1")
    lane.source.rule("delete-snapshot", "busy 2")
    return _completed(lane, lane.execute(lane.subject()), checks)


@scenario("kill of the transfer child", quick=(SQLITE, MARIADB_2))
def kill_transfer_child(lane: Lane) -> list[str]:
    checks = Checks(lane)
    _, run, conductor = copying(lane)
    for pid in _transfer_children(conductor.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return _completed(lane, run, checks)


@scenario("kill of the writer on the worker")
def kill_writer(lane: Lane) -> list[str]:
    checks = Checks(lane)
    subject, run, _ = copying(lane)
    for replica in lane.replicas(subject):
        for pid in lane.destination.writers(replica.volume_id):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return _completed(lane, run, checks)


@scenario("database down 20 s, in a call", modes=_DISTRIBUTED, quick=(MARIADB_2,))
def database_down_in_call(lane: Lane) -> list[str]:
    checks = Checks(lane)
    lane.destination.gate("create-volume", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-volume", AFTER)
    with _database_down(lane):
        lane.destination.open_gate("create-volume", AFTER)
    return _completed(lane, run, checks)


@scenario("database down 20 s, in the copy", modes=_DISTRIBUTED)
def database_down_in_copy(lane: Lane) -> list[str]:
    """Nobody may write any more once the lease has run out without a word from the database."""
    checks, found = Checks(lane), []
    subject, run, _ = copying(lane)
    volumes = [replica.volume_id for replica in lane.replicas(subject)]
    with _database_down(lane):
        time.sleep(LEASE_SECONDS + 3)
        left = [pid for volume in volumes for pid in lane.destination.writers(volume)]
        if left:
            found.append(f"writers {left} are at work long after the lease")
    return found + _completed(lane, run, checks)


@scenario("database answers nothing for 20 s", modes=_DISTRIBUTED)
def database_paused(lane: Lane) -> list[str]:
    """Its connections stay open."""
    checks = Checks(lane)
    _, run, _ = copying(lane)
    assert lane.mariadb is not None
    lane.mariadb.pause()
    try:
        time.sleep(_DOWN_SECONDS)
    finally:
        lane.mariadb.resume()
    return _completed(lane, run, checks)


@scenario("database locked 20 s", modes=(SQLITE,))
def database_locked(lane: Lane) -> list[str]:
    checks = Checks(lane)
    _, run, _ = copying(lane)
    with closing(sqlite3.connect(lane.directory / "state" / "coriolis.sqlite", timeout=30)) as other:
        other.execute("begin immediate")
        time.sleep(_DOWN_SECONDS)
        other.rollback()
    return _completed(lane, run, checks)


@scenario("broker down and up", modes=_DISTRIBUTED, quick=(MARIADB_2,))
def broker_down(lane: Lane) -> list[str]:
    """Jobs are queued, run and cancelled meanwhile, and the messages come again."""
    checks = Checks(lane)
    assert lane.rabbitmq is not None
    lane.destination.gate("create-volume", AFTER)
    first = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-volume", AFTER)
    lane.rabbitmq.kill()
    try:
        lane.destination.open_gate("create-volume", AFTER)
        second = lane.execute(lane.subject())
        for run in (first, second):  # what is at work is in the clouds, and no leftover
            lane.ended(run)
        found = _completed(lane, first, checks) + _completed(lane, second, checks)
        lane.destination.gate("create-volume", AFTER)
        third = lane.execute(lane.subject())
        lane.wait_at(lane.destination, "create-volume", AFTER)
        lane.frontdoor.cancel_execution(third.execution_id)
        lane.destination.open_gate("create-volume", AFTER)
        if lane.ended(third).state is not JobState.CANCELLED:
            found.append(f"the cancelled job ended {lane.job(third).state}")
    finally:
        lane.destination.open_all_gates()
        lane.rabbitmq.start()
    return found + _completed(lane, lane.execute(lane.subject()), checks) + checks.violations([third])


@scenario("replica store full", own_lane=LaneWishes(volumes_mebibytes=COPY_MEBIBYTES))
def store_full(lane: Lane) -> list[str]:
    """The execution fails and says so; with more room the next one completes."""
    checks = Checks(lane)
    subject = lane.subject(mebibytes=COPY_MEBIBYTES)
    run = lane.execute(subject)
    job = lane.ended(run)
    found = checks.violations([run])
    if job.state is not JobState.FAILED:
        found.append(f"the job ended {job.state}")
    tasks = lane.database.executions.get(run.execution_id).tasks
    if not any("No space left" in (task.exception_details or "") for task in tasks):
        found.append("nothing says that the store is full")
    lane.resize(lane.destination.directory / "volumes", COPY_MEBIBYTES * 4)
    return found + _completed(lane, lane.execute(subject), checks)


@scenario("state directory full", own_lane=LaneWishes(state_mebibytes=24))
def state_full(lane: Lane) -> list[str]:
    """Of every process. What could not be written is done when there is room again."""
    checks = Checks(lane)
    lane.destination.gate("create-volume", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-volume", AFTER)
    ballast = [_fill(conductor.settings_file.with_suffix("")) for conductor in lane.conductors]
    lane.destination.open_gate("create-volume", AFTER)
    time.sleep(LEASE_SECONDS + 2)
    for path in ballast:
        path.unlink(missing_ok=True)
    if not lane.mode.embedded and lane.ended(run).state is JobState.FAILED:
        # The list of what the replica holds is written there: an execution that cannot keep it fails.
        return checks.violations([run]) + _completed(lane, lane.execute(run.subject), checks)
    return _completed(lane, run, checks)


@scenario("clock stepped by two hours, to and fro", modes=MODES)
def clock_step(lane: Lane) -> list[str]:
    """Of one host. Leases are told by the database's clock: nobody loses a job by it."""
    checks = Checks(lane)
    clock = lane.directory / "clock"
    clock.write_text("+0\n")
    for conductor in lane.conductors:
        conductor.end(signal.SIGTERM)
        conductor.environment = {}
    lane.conductors[0].environment = {
        "LD_PRELOAD": str(_LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    stepped = lane.conductors[0]
    stepped.start()
    stepped.ready()
    try:
        _, run, _ = copying(lane)
        token = lane.job(run).token
        lane.ensure_conductors()
        for offset in ("+7200\n", "-7200\n", "+0\n"):
            clock.write_text(offset)
            time.sleep(LEASE_SECONDS / 2)
        found = _completed(lane, run, checks)
        if lane.job(run).token != token:
            found.append(f"the job was claimed again: token {lane.job(run).token}, it was {token}")
    finally:
        stepped.end(signal.SIGTERM)
        stepped.environment = {}
        lane.ensure_conductors()
    return found


@contextmanager
def _database_down(lane: Lane) -> Iterator[None]:
    """For 20 s, and longer where the body takes longer."""
    assert lane.mariadb is not None
    lane.mariadb.kill()
    until = time.monotonic() + _DOWN_SECONDS
    try:
        yield
        time.sleep(max(until - time.monotonic(), 0.0))
    finally:
        lane.mariadb.start()


def _completed(lane: Lane, run: Run, checks: Checks) -> list[str]:
    job = lane.ended(run)
    found = checks.violations([run])
    if job.state is not JobState.COMPLETED:
        tasks = lane.database.executions.get(run.execution_id).tasks
        reasons = "; ".join(task.exception_details for task in tasks if task.exception_details)
        found.append(f"the job ended {job.state}: {job.reason} {reasons}")
    return found


def _transfer_children(parent: int) -> list[int]:
    command = ["pgrep", "-P", str(parent), "-f", "coriolis.transfer.child"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def _fill(directory: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = directory / "ballast"
    with (
        suppress(OSError),
        ballast.open("wb") as file,
    ):  # another may have filled the same file system already
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return ballast
