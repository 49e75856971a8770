"""Jobs of one release in the hands of another: run as they were planned, or handed to an operator, never guessed
at."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from coriolis.engine.conductor import Conductor
from coriolis.engine.context import StepContext
from coriolis.engine.plan import FlowStep, new_job
from coriolis.engine.registry import StepRegistry
from coriolis.engine.step import Step
from coriolis.errors import Conflict
from coriolis.model.enums import ExecutionStatus, ExecutionType, ResourceState, TaskType
from coriolis.model.records import JobState
from coriolis.store.executions import NewJob
from tests.unit.engine.conftest import World, completed
from tests.unit.engine.paper_cloud import Copy, Make, PaperCloud, Remove


@dataclass(frozen=True)
class MakeDifferently(Make):
    """What the next release makes of `Make`."""

    version = 2

    def execute(self, op: StepContext) -> str:
        PaperCloud(self.directory).begin("differently")
        return super().execute(op)


@dataclass(frozen=True)
class MakeWithSize(Make):
    """A release that changed parameters and forgot to raise the version."""

    size: int

    def execute(self, op: StepContext) -> str:
        return super().execute(op)


@dataclass(frozen=True)
class Quiesce(Step):
    """A step that the next release puts between two of the flow."""

    key = "quiesce"
    task_type = TaskType.SHUTDOWN_INSTANCE

    def execute(self, op: StepContext) -> None: ...


def release(world: World, *steps: type[Step]) -> Conductor:
    conductor = Conductor(world.database, world.settings, StepRegistry(steps))
    conductor.start()
    return conductor


def submit(world: World, job: NewJob) -> str:
    with world.database.write() as connection:
        kind = ExecutionType.TRANSFER_EXECUTION
        return world.database.executions.submit(connection, world.transfer_id, kind, [job])


def altered(world: World, step: FlowStep, **changes: Any) -> NewJob:
    job = new_job("vm", "test", 1, [step], world.database.codec)
    return replace(job, plan={**job.plan, "steps": [{**job.plan["steps"][0], **changes}]})


def interrupted_in_the_worker(world: World) -> str:
    """A job whose second step of three was at work when its conductor stopped."""
    world.cloud.rule("made-worker", "slow 60")
    execution_id = world.submit(
        world.make("disk"),
        world.make("worker", "make-disk"),
        FlowStep("copy", Copy(world.cloud.directory), ("make-worker",)),
    )
    first = release(world, Make, Remove, Copy)
    world.began("made-worker")
    first.stop()
    world.cloud.forgive("made-worker")
    return execution_id


def test_an_upgrade_runs_the_jobs_in_flight_as_they_were_planned(world: World) -> None:
    """The new release has another version of a step and another step in its flows: this job has neither."""
    execution_id = interrupted_in_the_worker(world)
    upgraded = release(world, Make, MakeDifferently, Quiesce, Remove, Copy)
    assert completed(world.ended(execution_id))
    upgraded.stop()
    log = world.cloud.log()
    assert "differently" not in log
    assert (log.count("make-disk"), log.count("make-worker")) == (1, 2)
    assert log[-3:] == ["copy-0", "copy-1", "copy-2"]


def test_a_release_without_a_step_hands_the_job_over_and_the_right_one_goes_on(world: World) -> None:
    execution_id = interrupted_in_the_worker(world)
    wrong = release(world, MakeDifferently, Remove, Copy)
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    wrong.stop()
    job = world.job(execution_id)
    assert (job.state, job.owner) == (JobState.NEEDS_OPERATOR, None)
    assert "step 'make' in version 1" in (job.reason or "")
    assert "Start the version of Coriolis that queued the job" in (job.reason or "")
    assert job.reason in [e.message for t in world.execution(execution_id).tasks for e in t.events]
    world.database.jobs.retry_stuck()
    right = release(world, Make, Remove, Copy)
    assert completed(world.ended(execution_id))
    right.stop()
    assert world.cloud.log().count("make-disk") == 1


def test_to_undo_a_job_only_what_it_began_need_be_known(world: World) -> None:
    execution_id = interrupted_in_the_worker(world)
    world.cancel(execution_id)
    release_without_copy = release(world, Make, Remove)
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    release_without_copy.stop()
    assert world.cloud.resources() == []


def test_a_forced_end_says_what_was_left_and_the_right_release_removes_it(world: World) -> None:
    execution_id = interrupted_in_the_worker(world)
    wrong = release(world, Copy)
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    wrong.stop()
    with pytest.raises(Conflict, match="step 'make' in version 1"):
        world.cancel(execution_id)
    world.cancel(execution_id, force=True)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELED
    assert {entry.state for entry in world.ledger()} == {ResourceState.LEFTOVER}
    world.database.jobs.reopen_for_cleanup(world.job(execution_id).id)
    right = release(world, Make)
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    right.stop()
    assert world.cloud.resources() == []
    assert {entry.state for entry in world.ledger()} == {ResourceState.REMOVED}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 7}, "step 'make' in version 7"),
        ({"key": "conjure"}, "step 'conjure' in version 1"),
        ({"parameters": {"what": "disk"}}, "parameters of 'make-disk', step 'make' in version 1"),
    ],
)
def test_what_cannot_be_run_is_named(world: World, changes: dict[str, Any], told: str) -> None:
    execution_id = submit(world, altered(world, world.make("disk"), **changes))
    conductor = release(world, Make)
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    conductor.stop()
    assert told in (world.job(execution_id).reason or "")
    assert world.cloud.log() == []


def test_a_step_whose_parameters_changed_under_its_version_is_not_run(world: World) -> None:
    execution_id = world.submit(world.make("disk"))
    conductor = release(world, MakeWithSize)
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    conductor.stop()
    assert "size: Field required" in (world.job(execution_id).reason or "")


def test_a_plan_of_another_format_is_not_read(world: World) -> None:
    job = new_job("vm", "test", 1, [world.make("disk")], world.database.codec)
    execution_id = submit(world, replace(job, plan={"format": 2, "graph": {}}))
    conductor = release(world, Make)
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    conductor.stop()
    assert "format 2; this installation reads format 1" in (world.job(execution_id).reason or "")
