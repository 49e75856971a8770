"""kill -9 and SIGSTOP of the conductor that has the job, at each call to a cloud, and in the middle of a copy."""

import signal
import time

from coriolis.model.records import JobState
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks, replica_digests, wait_for_strays_to_go
from tests.chaos.file_cloud import AFTER, BEFORE, FileCloud
from tests.chaos.lane import (
    LEASE_SECONDS,
    MARIADB_2,
    MARIADB_3,
    MODES,
    SQLITE,
    Conductor,
    Lane,
    Mode,
    Run,
    Subject,
    paused,
)

EXECUTION, DEPLOYMENT, DELETION = "execution", "deployment", "deletion"
# The calls of each flow, in its order; where two clouds are at work at once either may come first.
CALLS = {
    EXECUTION: (
        ("source", "get-instance"),
        ("source", "validate-source"),
        ("destination", "validate-destination"),
        ("destination", "create-volume"),
        ("source", "shutdown"),
        ("source", "create-snapshot"),
        ("source", "create-server-export"),
        ("source", "attach-export"),
        ("destination", "create-server-copy"),
        ("destination", "attach-copy"),
        ("source", "delete-server-export"),
        ("source", "delete-snapshot"),
        ("destination", "delete-server-copy"),
    ),
    DEPLOYMENT: (
        ("destination", "validate-deployment"),
        ("destination", "create-volume-clone"),
        ("destination", "create-server-morph"),
        ("destination", "attach-morph"),
        ("destination", "morph"),
        ("destination", "delete-server-morph"),
        ("destination", "create-vm"),
    ),
    DELETION: (("destination", "delete-volume"),),
}
COPY_MEBIBYTES = 24  # long enough to be met in the middle, short enough to be repeated


def prepare(lane: Lane, flow: str) -> Subject:
    """A subject for which the flow can be started."""
    subject = lane.subject()
    if flow != EXECUTION:
        first = lane.execute(subject)
        assert lane.ended(first).state is JobState.COMPLETED, lane.job(first)
    return subject


def start(lane: Lane, flow: str, subject: Subject) -> Run:
    if flow == EXECUTION:
        return lane.execute(subject, shutdown=True)
    if flow == DEPLOYMENT:
        return lane.deploy(subject)
    return Run(subject, lane.frontdoor.delete_disks(subject.transfer_id).id)


def side(lane: Lane, name: str) -> FileCloud:
    return lane.source if name == "source" else lane.destination


def kill_at(lane: Lane, flow: str, cloud_name: str, verb: str, moment: str) -> list[str]:
    """The conductor dies in the call; the job goes on, elsewhere or after the restart, and completes."""
    checks, subject = Checks(lane), prepare(lane, flow)
    before = replica_digests(lane, subject)
    cloud = side(lane, cloud_name)
    cloud.gate(verb, moment)
    run = start(lane, flow, subject)
    conductor = lane.wait_at(cloud, verb, moment)
    conductor.end(signal.SIGKILL)
    cloud.open_gate(verb, moment)
    if lane.mode.embedded:
        lane.ensure_conductors()
    return _completed(lane, run, checks, before)


def stop_at(lane: Lane, flow: str, cloud_name: str, verb: str, moment: str) -> list[str]:
    """The conductor is paused in the call for longer than its lease; the job is done by another. Continued, the
    first one comes out of its call into a world that has gone on."""
    checks, subject = Checks(lane), prepare(lane, flow)
    before = replica_digests(lane, subject)
    cloud = side(lane, cloud_name)
    cloud.gate(verb, moment)
    run = start(lane, flow, subject)
    conductor = lane.wait_at(cloud, verb, moment)
    token = lane.job(run).token
    with paused(conductor):
        time.sleep(LEASE_SECONDS + 0.5)
        cloud.open_gate(verb, moment)
        if not lane.mode.embedded:
            lane.until(lambda: lane.job(run).token > token or lane.job(run).state.finished, "taken over")
    lane.ended(run)
    wait_for_strays_to_go(lane)
    found = _completed(lane, run, checks, before)
    return found + _stays_as_it_is(lane, run, checks)


def _completed(lane: Lane, run: Run, checks: Checks, before: dict[str, str]) -> list[str]:
    job = lane.ended(run)
    lane.ensure_conductors()
    found = checks.violations([run])
    if job.state is not JobState.COMPLETED:
        found.append(f"the job ended {job.state}: {job.reason} {_errors(lane, run)}")
    if run.deployment_id is not None and replica_digests(lane, run.subject) != before:
        found.append("the deployment changed the replica")
    return found


def _stays_as_it_is(lane: Lane, run: Run, checks: Checks) -> list[str]:
    """Nothing more is done in the job's name once it has ended."""
    rows = (lane.job(run), lane.database.executions.get(run.execution_id))
    time.sleep(1.5)  # several heartbeats of the one that was paused
    found = (
        [] if (lane.job(run), lane.database.executions.get(run.execution_id)) == rows else ["rows changed"]
    )
    return found + checks.violations([run])


def _errors(lane: Lane, run: Run) -> str:
    tasks = lane.database.executions.get(run.execution_id).tasks
    return "; ".join(task.exception_details for task in tasks if task.exception_details)


# Paused alone, a conductor finds its job as it left it: a few calls show that.
_PAUSED_ALONE = ("create-volume", "attach-copy", "morph", "create-vm")


def _modes_of_kill(moment: str) -> tuple[Mode, ...]:
    """A third conductor changes little where one dies: every second moment is enough."""
    return MODES if moment == AFTER else (SQLITE, MARIADB_2)


def _modes_of_pause(verb: str, moment: str) -> tuple[Mode, ...]:
    alone = (SQLITE,) if verb in _PAUSED_ALONE else ()
    return (*alone, MARIADB_2, *((MARIADB_3,) if moment == BEFORE else ()))


_QUICK_KILLS = {("create-volume", AFTER), ("attach-copy", BEFORE), ("create-vm", AFTER)}
# Once where one step is at work alone, once where another runs beside the gated one.
_QUICK_PAUSES = {("create-volume-clone", AFTER), ("create-server-copy", AFTER)}


def _enter_all() -> None:
    for flow, calls in CALLS.items():
        for cloud, verb in calls:
            for moment in (BEFORE, AFTER):
                where = (flow, cloud, verb, moment)
                kill_quick = (SQLITE, MARIADB_2) if (verb, moment) in _QUICK_KILLS else ()
                name = f"kill -9 {moment} {verb}"
                scenario(name, *where, modes=_modes_of_kill(moment), quick=kill_quick)(kill_at)
                pause_quick = (MARIADB_2,) if (verb, moment) in _QUICK_PAUSES else ()
                name = f"pause {moment} {verb}"
                scenario(name, *where, modes=_modes_of_pause(verb, moment), quick=pause_quick)(stop_at)


_enter_all()


def copying(lane: Lane) -> tuple[Subject, Run, Conductor]:
    """A run that is in the middle of its copy, and who runs it."""
    subject = lane.subject(mebibytes=COPY_MEBIBYTES)
    run = lane.execute(subject)
    lane.until(lambda: written(lane, subject) > COPY_MEBIBYTES << 16, "a sixteenth was copied")
    conductor = lane.holder(run)
    assert conductor is not None, lane.job(run)
    return subject, run, conductor


def written(lane: Lane, subject: Subject) -> int:
    places = (lane.destination.volume(replica.volume_id) for replica in lane.replicas(subject))
    return sum(place.stat().st_blocks * 512 for place in places)


@scenario("kill -9 in the copy", quick=(SQLITE, MARIADB_2))
def kill_in_copy(lane: Lane) -> list[str]:
    checks = Checks(lane)
    _, run, conductor = copying(lane)
    conductor.end(signal.SIGKILL)
    if lane.mode.embedded:
        lane.ensure_conductors()
    return _completed(lane, run, checks, {})


@scenario("pause in the copy", modes=MODES, quick=(MARIADB_2,))
def stop_in_copy(lane: Lane) -> list[str]:
    """The transfer child is not paused: it writes on while another conductor takes over."""
    checks, found = Checks(lane), []
    subject, run, conductor = copying(lane)
    token = lane.job(run).token
    with paused(conductor):
        deadline = time.monotonic() + LEASE_SECONDS + 6
        while time.monotonic() < deadline and not lane.job(run).state.finished:
            for replica in lane.replicas(subject):
                pids = lane.destination.writers(replica.volume_id)
                if len(pids) > 1:
                    found.append(f"two writers of {replica.disk_id}: {pids}")
            time.sleep(0.1)
    if not lane.mode.embedded and lane.job(run).token == token:
        found.append("nobody took the job over")
    found += _completed(lane, run, checks, {})
    return found + _stays_as_it_is(lane, run, checks)
