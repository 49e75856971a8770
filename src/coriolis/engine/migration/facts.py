"""What came of a migration's runs: read from what their steps have written, whoever ran them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from coriolis.engine.step import load_value
from coriolis.flows import deployment as deployment_flow
from coriolis.flows import start_source as start_flow
from coriolis.flows import transfer_execution as transfer_flow
from coriolis.model.enums import ResourceState, TaskStatus
from coriolis.model.instance import Instance
from coriolis.model.migration import Downtime, Migration, MigrationPass
from coriolis.model.records import Job
from coriolis.store.database import Database
from coriolis.store.steps import StepState


def pass_of(database: Database, execution_id: str, *, cutover: bool) -> MigrationPass:
    """Of a run that has completed. A conductor that died right after a copy took its figures along."""
    jobs = database.jobs.list(execution_id)
    copies = [database.steps.get(job.id, transfer_flow.COPY_STEP) for job in jobs]
    seconds = max((_seconds(copy.began_at, copy.finished_at) or 0.0 for copy in copies), default=0.0)
    figures = [copy.checkpoint or {} for copy in copies]
    return MigrationPass(
        execution_id,
        moved_bytes=sum(found.get("moved_bytes", 0) for found in figures),
        copy_seconds=round(seconds, 3),
        cutover=cutover,
        interrupted=any(copy.attempts > 1 for copy in copies)
        or any(found.get("resumed", True) for found in figures),
    )


def failure_of(database: Database, execution_id: str) -> str:
    """Why the run failed, as its tasks tell it: "web REPLICATE_DISKS: …"; empty where none does."""
    for task in database.tasks.list(execution_id):
        if task.status is TaskStatus.ERROR and task.exception_details:
            return f"{task.instance} {task.task_type}: {task.exception_details}"
    return ""


def instances_to_start(database: Database, migration: Migration) -> tuple[list[str], list[str]]:
    """Those that this migration shut down, by their names: such as can be started again, and such as have a VM on
    the destination, or may have one because it could not be removed. The two must never run side by side."""
    if migration.cutover_execution_id is None:
        return [], []
    shut_down = [
        job.instance
        for job in database.jobs.list(migration.cutover_execution_id)
        if database.steps.get(job.id, transfer_flow.SHUTDOWN_STEP).attempts and _ran(database, job)
    ]
    beyond = _with_a_final_vm(database, migration)
    return [n for n in shut_down if n not in beyond], [n for n in shut_down if n in beyond]


def downtime_of(database: Database, migration: Migration) -> Mapping[str, Downtime]:
    """By instance, of a migration whose deployment has completed. An instance that was off before, or whose VM was
    left off, has none."""
    if migration.cutover_execution_id is None or migration.deployment_id is None:
        return {}
    deployment = database.deployments.of_migration(migration.deployment_id)
    results = deployment.transfer_result or {}
    shutdowns = {job.instance: job for job in database.jobs.list(migration.cutover_execution_id)}
    found = {}
    for job in database.jobs.list(deployment.execution.id):
        on = bool(results.get(job.instance, {}).get("powered_on"))
        cutover = shutdowns.get(job.instance)
        if on and cutover is not None and _ran(database, cutover):
            downtime = _downtime(database.steps.of_job(cutover.id), database.steps.of_job(job.id))
            if downtime is not None:
                found[job.instance] = downtime
    return found


def outage_of(database: Database, migration: Migration) -> Mapping[str, float]:
    """By instance that was started again: seconds from the request to shut it down to its being powered on."""
    if migration.cutover_execution_id is None:
        return {}
    shutdowns = {job.instance: job.id for job in database.jobs.list(migration.cutover_execution_id)}
    found = {}
    for job in database.jobs.list(migration.execution_id):
        began = database.steps.get(shutdowns[job.instance], transfer_flow.SHUTDOWN_STEP).began_at
        seconds = _seconds(began, database.steps.get(job.id, start_flow.START_STEP).finished_at)
        if seconds is not None:
            found[job.instance] = seconds
    return found


def _downtime(cutover: Mapping[str, StepState], deployment: Mapping[str, StepState]) -> Downtime | None:
    nothing = StepState()
    shutdown = cutover.get(transfer_flow.SHUTDOWN_STEP, nothing)
    final = deployment.get(deployment_flow.FINAL_STEP, nothing)
    moments = (
        shutdown.began_at,
        shutdown.finished_at,
        deployment.get(deployment_flow.FIRST_STEP, nothing).began_at,
        deployment.get(deployment_flow.CLONE_STEP, nothing).finished_at,
        deployment.get(deployment_flow.VERIFY_STEP, nothing).finished_at,
        final.began_at,
        final.reached_at or final.finished_at,
    )
    parts = [_seconds(*ends) for ends in pairwise(moments)]
    known = [round(part, 3) for part in parts if part is not None]
    return Downtime(*known) if len(known) == len(parts) else None


def _ran(database: Database, cutover: Job) -> bool:
    """Whether the instance was on when the run that shut it down looked at it."""
    state = database.steps.get(cutover.id, transfer_flow.INSTANCE_STEP)
    if not state.finished:
        return False
    instance: Instance = load_value(Instance, state.result, database.codec)
    return instance.running


def _with_a_final_vm(database: Database, migration: Migration) -> set[str]:
    if migration.deployment_id is None:
        return set()
    deployment = database.deployments.of_migration(migration.deployment_id)
    return {job.instance for job in database.jobs.list(deployment.execution.id) if _left_a_vm(database, job)}


def _left_a_vm(database: Database, deployment: Job) -> bool:
    there: Sequence[ResourceState] = [state for state in ResourceState if state is not ResourceState.REMOVED]
    entries = database.resources.list(job_id=deployment.id, states=there)
    return any(entry.step == deployment_flow.FINAL_STEP for entry in entries)


def _seconds(began: float | None, ended: float | None) -> float | None:
    """Not below zero, where the database's clock was set meanwhile."""
    return None if began is None or ended is None else max(ended - began, 0.0)
