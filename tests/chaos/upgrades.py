"""Jobs in flight meet another release of the product."""

import signal

from coriolis.engine.plan import FlowStep, new_job
from coriolis.flows import transfer_execution
from coriolis.model.enums import ExecutionType
from coriolis.model.records import JobState
from tests.chaos import releases
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks
from tests.chaos.file_cloud import AFTER
from tests.chaos.lane import SQLITE, Lane, Run, Subject
from tests.chaos.linger import Linger


@scenario("upgrade: a step has a new version", quick=(SQLITE,))
def step_has_new_version(lane: Lane) -> list[str]:
    """The stored plan names the old one, which the new release still knows."""
    checks, run = Checks(lane), _interrupted(lane)
    lane.restart_conductors(releases.NEXT)
    job = lane.ended(run)
    lane.restart_conductors()
    found = checks.violations([run])
    return found if job.state is JobState.COMPLETED else [*found, f"ended {job.state}: {job.reason}"]


@scenario("upgrade: a step is gone, then back", quick=(SQLITE,))
def step_is_gone(lane: Lane) -> list[str]:
    """The job waits for an operator and says why; the old release takes it up again."""
    checks, run = Checks(lane), _interrupted(lane)
    found = _waits_for_operator(lane, run)
    lane.restart_conductors()
    job = lane.ended(run)
    found += checks.violations([run])
    return found if job.state is JobState.COMPLETED else [*found, f"ended {job.state}: {job.reason}"]


@scenario("upgrade: a step is gone, forced cancel")
def step_is_gone_for_good(lane: Lane) -> list[str]:
    checks, run = Checks(lane), _interrupted(lane)
    found = _waits_for_operator(lane, run)
    lane.frontdoor.cancel_execution(run.execution_id, force=True)
    job = lane.ended(run)
    found += checks.violations([run], leftovers=True)
    lane.restart_conductors()
    return found if job.state is JobState.CANCELLED else [*found, f"ended {job.state}: {job.reason}"]


@scenario("upgrade: the flow was edited")
def flow_edited(lane: Lane) -> list[str]:
    """A job in flight keeps to its stored plan; one that is queued afterwards has the new step, in its place."""
    checks, first = Checks(lane), _interrupted(lane)
    edited = _queue_edited(lane, lane.subject())
    lane.ensure_conductors()
    found = []
    for run in (first, edited):
        job = lane.ended(run)
        if job.state is not JobState.COMPLETED:
            found.append(f"ended {job.state}: {job.reason}")
    if "quiesce" in {step["name"] for step in lane.job(first).plan["steps"]}:
        found.append("the plan of a job in flight changed")
    calls = [call.verb for call in lane.source.journal() if call.job == lane.job(edited).id]
    if not calls or calls.index("linger") > calls.index("create-snapshot"):
        found.append(f"the new step did not run in its place: {calls}")
    return found + checks.violations([first, edited])


def _interrupted(lane: Lane) -> Run:
    """A run whose conductors died after it had made its first volume."""
    lane.destination.gate("create-volume", AFTER)
    run = lane.execute(lane.subject())
    lane.wait_at(lane.destination, "create-volume", AFTER)
    for conductor in lane.conductors:
        conductor.end(signal.SIGKILL)
    lane.destination.open_gate("create-volume", AFTER)
    return run


def _waits_for_operator(lane: Lane, run: Run) -> list[str]:
    lane.restart_conductors(releases.DROPPED)
    lane.until(lambda: lane.job(run).state is JobState.NEEDS_OPERATOR, "it waits for an operator")
    reason = lane.job(run).reason or ""
    return [] if "replicate_disks" in reason else [f"the reason does not name the step: {reason}"]


def _queue_edited(lane: Lane, subject: Subject) -> Run:
    """By a flow in which a step was inserted before the snapshots."""
    what = transfer_execution.TransferExecution(
        transfer_id=subject.transfer_id,
        instance_name=subject.instance,
        source_id=lane.endpoint_ids[0],
        source={},
        destination_id=lane.endpoint_ids[1],
        destination={"network_map": {"net": "net-1"}},
    )
    steps = []
    for step in transfer_execution.steps(what):
        if step.name == "deploy_source_resources":
            quiesce = Linger(lane.source.directory, 0.1, subject.instance)
            steps.append(FlowStep("quiesce", quiesce, step.after))
            steps.append(FlowStep(step.name, step.step, ("quiesce",)))
        else:
            steps.append(step)
    version = transfer_execution.VERSION + 1
    job = new_job(subject.instance, transfer_execution.NAME, version, steps, lane.database.codec)
    with lane.database.write() as connection:
        kind = ExecutionType.TRANSFER_EXECUTION
        execution_id = lane.database.executions.submit(connection, subject.transfer_id, kind, [job])
    return Run(subject, execution_id)
