"""Cancelling, at every stage of a job's life, with and without somebody who runs it."""

import signal
from concurrent.futures import ThreadPoolExecutor

from coriolis.errors import Conflict
from coriolis.model.enums import ResourceKind, ResourceState
from coriolis.model.records import JobState
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks
from tests.chaos.file_cloud import AFTER, BEFORE
from tests.chaos.interruptions import copying
from tests.chaos.lane import MARIADB_2, SQLITE, Lane, Run, paused

_QUICK = (SQLITE, MARIADB_2)


@scenario("cancel a queued job", quick=_QUICK)
def cancel_queued(lane: Lane) -> list[str]:
    """With nobody there who could run it; and nobody runs it afterwards."""
    checks = Checks(lane)
    for conductor in lane.conductors:
        conductor.end(signal.SIGTERM)
    run = lane.execute(lane.subject())
    lane.frontdoor.cancel_execution(run.execution_id)
    found = _ended_as(lane, run, checks, JobState.CANCELLED)
    lane.ensure_conductors()
    job_id = lane.job(run).id
    if any(call.job == job_id for cloud in (lane.source, lane.destination) for call in cloud.journal()):
        found.append("a cancelled job that had not begun did something")
    return found


@scenario("cancel in a cloud call", quick=_QUICK)
def cancel_in_call(lane: Lane) -> list[str]:
    checks = Checks(lane)
    lane.destination.gate("create-server-copy", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-server-copy", AFTER)
    lane.frontdoor.cancel_execution(run.execution_id)
    lane.destination.open_gate("create-server-copy", AFTER)
    return _ended_as(lane, run, checks, JobState.CANCELLED)


@scenario("cancel in the copy", quick=_QUICK)
def cancel_in_copy(lane: Lane) -> list[str]:
    """The next execution mends the replica that this one leaves half-written."""
    checks = Checks(lane)
    subject, run, _ = copying(lane)
    lane.frontdoor.cancel_execution(run.execution_id)
    found = _ended_as(lane, run, checks, JobState.CANCELLED)
    again = lane.execute(subject)
    return found + _ended_as(lane, again, checks, JobState.COMPLETED)


@scenario("cancel in a deployment")
def cancel_deployment(lane: Lane) -> list[str]:
    checks, subject = Checks(lane), lane.subject()
    assert lane.ended(lane.execute(subject)).state is JobState.COMPLETED
    lane.destination.gate("create-vm", BEFORE)
    run = lane.deploy(subject)
    lane.wait_at(lane.destination, "create-vm", BEFORE)
    assert run.deployment_id is not None
    lane.frontdoor.cancel_deployment(run.deployment_id)
    lane.destination.open_gate("create-vm", BEFORE)
    job = lane.ended(run)
    # The wish may have come after the last step had looked for one: then the VM is there, and that is the truth.
    expected = (JobState.CANCELLED, JobState.COMPLETED)
    found = [] if job.state in expected else [f"ended {job.state}"]
    return found + checks.violations([run])


@scenario("cancel while the job is being undone")
def cancel_compensating(lane: Lane) -> list[str]:
    """It was undone because it failed, and that is what it says in the end."""
    checks, run = Checks(lane), _undoing(lane)
    lane.frontdoor.cancel_execution(run.execution_id)
    lane.source.open_gate("delete-snapshot", BEFORE)
    return _ended_as(lane, run, checks, JobState.FAILED)


@scenario("kill -9 while the job is being undone", quick=_QUICK)
def kill_compensating(lane: Lane) -> list[str]:
    checks, run = Checks(lane), _undoing(lane)
    lane.wait_at(lane.source, "delete-snapshot", BEFORE).end(signal.SIGKILL)
    lane.source.open_gate("delete-snapshot", BEFORE)
    if lane.mode.embedded:
        lane.ensure_conductors()
    found = _ended_as(lane, run, checks, JobState.FAILED)
    lane.ensure_conductors()
    return found


@scenario("pause while the job is being undone", modes=(MARIADB_2,))
def pause_compensating(lane: Lane) -> list[str]:
    checks, run = Checks(lane), _undoing(lane)
    token = lane.job(run).token
    with paused(lane.wait_at(lane.source, "delete-snapshot", BEFORE)):
        lane.until(lambda: lane.job(run).token > token, "taken over")
        lane.source.open_gate("delete-snapshot", BEFORE)
        found = _ended_as(lane, run, checks, JobState.FAILED)
    return found + checks.violations([run])


@scenario("cancel a job whose owner is dead", quick=_QUICK)
def cancel_ownerless(lane: Lane) -> list[str]:
    checks = Checks(lane)
    lane.destination.gate("create-server-copy", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-server-copy", AFTER)
    for conductor in lane.conductors:
        conductor.end(signal.SIGKILL)
    lane.frontdoor.cancel_execution(run.execution_id)
    lane.destination.open_gate("create-server-copy", AFTER)
    lane.ensure_conductors()
    return _ended_as(lane, run, checks, JobState.CANCELLED)


@scenario("two cancels at once")
def cancel_twice(lane: Lane) -> list[str]:
    checks = Checks(lane)
    lane.destination.gate("attach-copy", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "attach-copy", AFTER)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(_cancel, lane, run, force=force) for force in (False, True)]:
            future.result()
    lane.destination.open_gate("attach-copy", AFTER)
    return _ended_as(lane, run, checks, JobState.CANCELLED)


@scenario("forced cancel with a clean-up that fails", quick=(SQLITE,))
def force_cancel(lane: Lane) -> list[str]:
    """What is left is listed with its reason, and goes when it is asked for again."""
    checks = Checks(lane)
    lane.destination.rule("delete-server-copy", "fail")
    lane.destination.gate("attach-copy", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "attach-copy", AFTER)
    lane.frontdoor.cancel_execution(run.execution_id, force=True)
    lane.destination.open_gate("attach-copy", AFTER)
    assert lane.ended(run).state is JobState.CANCELLED, lane.job(run)
    found = checks.violations([run], leftovers=True)
    job_id = lane.job(run).id
    left = lane.database.resources.list(job_id=job_id, states=[ResourceState.LEFTOVER])
    if not left or not all(entry.reason for entry in left):
        found.append(f"left behind is {left}")
    lane.destination.rule("delete-server-copy", None)
    lane.frontdoor.retry_cleanup(job_id)
    lane.until(lambda: lane.job(run).state.finished and not lane.frontdoor.leftovers(), "it was cleaned up")
    return found + checks.violations([run])


def _undoing(lane: Lane) -> Run:
    """A run that failed and hangs in the removal of a snapshot."""
    lane.destination.rule("attach-copy", "fail")
    lane.destination.gate("attach-copy", BEFORE)
    lane.source.gate("delete-snapshot", BEFORE)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "attach-copy", BEFORE)
    lane.until(lambda: lane.source.names(ResourceKind.SNAPSHOT), "there is a snapshot to be removed")
    lane.destination.open_gate("attach-copy", BEFORE)
    lane.wait_at(lane.source, "delete-snapshot", BEFORE)
    lane.destination.rule("attach-copy", None)
    return run


def _cancel(lane: Lane, run: Run, *, force: bool) -> None:
    try:
        lane.frontdoor.cancel_execution(run.execution_id, force=force)
    except Conflict as refusal:
        if not lane.job(run).state.finished:
            raise AssertionError(f"{refusal}, but {lane.job(run)}") from refusal


def _ended_as(lane: Lane, run: Run, checks: Checks, state: JobState) -> list[str]:
    job = lane.ended(run)
    found = checks.violations([run])
    return found if job.state is state else [*found, f"the job ended {job.state}, not {state}: {job.reason}"]
