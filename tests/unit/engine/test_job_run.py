"""What becomes of a job: success, failure, cancel, and what is left."""

import pytest
import sqlalchemy as sa

from coriolis.engine.plan import FlowStep
from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import EventLevel, ExecutionStatus, ResourceState, TaskStatus
from coriolis.model.records import JobState
from coriolis.store.tables import JOB
from tests.unit.engine.conftest import World, completed
from tests.unit.engine.paper_cloud import Copy, MakeLogin, UseLogin


def test_steps_run_in_the_order_of_the_plan_and_leave_nothing(world: World) -> None:
    execution_id = world.submit(
        world.make("disk"),
        world.make("worker", "make-disk"),
        world.remove("worker", "make-worker"),
        world.remove("disk", "remove-worker"),
    )
    world.conductor()
    assert completed(world.ended(execution_id))
    assert [verb for verb in world.cloud.log() if not verb.startswith("made")] == [
        "make-disk",
        "make-worker",
        "remove-worker",
        "remove-disk",
    ]
    assert world.cloud.resources() == []
    assert {entry.state for entry in world.ledger()} == {ResourceState.REMOVED}
    assert set(world.statuses(execution_id).values()) == {TaskStatus.COMPLETED}


def test_independent_steps_run_side_by_side(world: World) -> None:
    for name in ("a", "b"):
        world.cloud.rule(f"make-{name}", "slow 1")
    execution_id = world.submit(world.make("a"), world.make("b"), world.make("c", "make-a", "make-b"))
    world.conductor()
    world.began("make-a")
    world.began("make-b")
    assert "made-a" not in world.cloud.log()
    assert completed(world.ended(execution_id))


def test_a_failing_step_undoes_everything_in_reverse_order(world: World) -> None:
    world.cloud.rule("made-worker", "fail")
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.remove("worker", "make-worker")
    )
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.log()[-2:] == ["unmake-worker", "unmake-disk"]
    assert world.cloud.resources() == []
    assert {entry.state for entry in world.ledger()} == {ResourceState.REMOVED}
    assert world.statuses(execution_id) == {
        "make-disk": TaskStatus.COMPLETED,
        "make-worker": TaskStatus.ERROR,
        "remove-worker": TaskStatus.UNSCHEDULED,
    }
    failed = world.execution(execution_id).tasks[1]
    assert failed.exception_details == "paper: made-worker failed: the rule says so [CORI-2500]"


def test_an_unexpected_error_of_a_step_is_a_failure_too(world: World) -> None:
    world.cloud.rule("made-disk", "bug x")
    execution_id = world.submit(world.make("disk"))
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert "Unexpected KeyError" in (world.execution(execution_id).tasks[0].exception_details or "")
    assert world.cloud.resources() == []


def test_a_passing_fault_is_tried_again_and_told(world: World) -> None:
    world.cloud.rule("made-disk", "busy 2")
    execution_id = world.submit(world.make("disk"))
    world.conductor()
    assert completed(world.ended(execution_id))
    assert world.cloud.log().count("make-disk") == 3
    assert len([e for e in world.execution(execution_id).tasks[0].events if "trying again" in e.message]) == 2


def test_a_fault_that_does_not_pass_ends_the_attempts(world: World) -> None:
    world.cloud.rule("made-disk", "busy 99")
    execution_id = world.submit(world.make("disk"))
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.log().count("make-disk") == 8


def test_a_failing_step_stops_the_one_beside_it(world: World) -> None:
    world.cloud.rule("make-slow", "slow 60")
    world.cloud.rule("make-quick", "slow 0.5")
    world.cloud.rule("made-quick", "fail")
    execution_id = world.submit(world.make("slow"), world.make("quick"))
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.statuses(execution_id) == {"make-slow": TaskStatus.CANCELED, "make-quick": TaskStatus.ERROR}
    assert world.cloud.resources() == []


def test_cancel_of_a_queued_job_needs_no_conductor(world: World) -> None:
    execution_id = world.submit(world.make("disk"))
    assert world.execution(execution_id).status is ExecutionStatus.PENDING
    world.database.jobs.cancel(execution_id, force=False)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELED
    assert world.statuses(execution_id) == {"make-disk": TaskStatus.UNSCHEDULED}
    world.conductor().wake()
    assert world.cloud.log() == []
    with pytest.raises(Conflict):
        world.database.jobs.cancel(execution_id, force=False)


def test_cancel_of_a_running_job_undoes_it(world: World) -> None:
    world.cloud.rule("made-worker", "slow 60")
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.make("x", "make-worker")
    )
    world.conductor()
    world.began("made-worker")
    world.database.jobs.cancel(execution_id, force=False)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELLING
    assert world.statuses(execution_id)["make-worker"] is TaskStatus.CANCELLING
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.statuses(execution_id) == {
        "make-disk": TaskStatus.COMPLETED,
        "make-worker": TaskStatus.CANCELED,
        "make-x": TaskStatus.UNSCHEDULED,
    }
    assert world.cloud.resources() == []
    assert world.job(execution_id).state is JobState.CANCELLED


def test_cancel_while_compensating_does_not_stop_the_clean_up(world: World) -> None:
    world.cloud.rule("made-worker", "fail")
    world.cloud.rule("unmake-worker", "slow 1")
    execution_id = world.submit(world.make("disk"), world.make("worker", "make-disk"))
    world.conductor()
    world.began("unmake-worker")
    world.database.jobs.cancel(execution_id, force=False)
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.resources() == []


def test_what_cannot_be_removed_is_reported_and_the_rest_still_undone(world: World) -> None:
    world.cloud.rule("made-worker", "fail")
    world.cloud.rule("unmake-worker", "fail")
    execution_id = world.submit(world.make("disk"), world.make("worker", "make-disk"))
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.log().count("unmake-worker") == 5
    assert len(world.cloud.resources()) == 1
    (left,) = [entry for entry in world.ledger() if entry.state is ResourceState.LEFTOVER]
    assert "the rule says so" in (left.reason or "")
    assert left.name in world.execution(execution_id).tasks[1].events[-1].message


def test_leftovers_go_at_the_next_try(world: World) -> None:
    world.cloud.rule("made-worker", "fail")
    world.cloud.rule("unmake-worker", "bug in_the_cleanup")
    execution_id = world.submit(world.make("disk"), world.make("worker", "make-disk"))
    conductor = world.conductor()
    world.ended(execution_id)
    job_id = world.job(execution_id).id
    world.cloud.forgive("unmake-worker")
    world.database.jobs.reopen_for_cleanup(job_id)
    conductor.wake()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.resources() == []
    assert {entry.state for entry in world.ledger()} == {ResourceState.REMOVED}
    with pytest.raises(NotFound):
        world.database.jobs.reopen_for_cleanup(job_id)


def test_a_forced_cancel_cleans_up_without_retries(world: World) -> None:
    world.cloud.rule("made-worker", "slow 60")
    world.cloud.rule("unmake-worker", "fail")
    execution_id = world.submit(world.make("worker"))
    world.conductor()
    world.began("made-worker")
    world.database.jobs.cancel(execution_id, force=True)
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.statuses(execution_id) == {"make-worker": TaskStatus.FORCE_CANCELED}
    assert world.cloud.log().count("unmake-worker") == 1


def test_one_instance_failing_does_not_stop_the_others(world: World) -> None:
    world.cloud.rule("made-bad", "fail")
    world.cloud.rule("made-slow", "slow 1")
    execution_id = world.submit_each({"one": [world.make("slow")], "two": [world.make("bad")]})
    world.conductor()
    world.until(lambda: world.database.jobs.list(execution_id)[1].state is JobState.FAILED)
    assert world.execution(execution_id).status is ExecutionStatus.RUNNING
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    states = {job.instance: job.state for job in world.database.jobs.list(execution_id)}
    assert states == {"one": JobState.COMPLETED, "two": JobState.FAILED}
    (kept,) = world.cloud.resources()
    assert "-slow" in kept


def test_of_a_completed_job_only_what_was_left_over_is_cleaned_up(world: World) -> None:
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.remove("disk", "make-worker")
    )
    conductor = world.conductor()
    assert completed(world.ended(execution_id))
    (left,) = [entry for entry in world.ledger() if entry.state is ResourceState.LEFTOVER]
    assert left.step == "make-worker"
    world.database.jobs.reopen_for_cleanup(left.job_id)
    assert world.execution(execution_id).status is ExecutionStatus.RUNNING
    conductor.wake()
    assert completed(world.ended(execution_id))
    assert world.cloud.log()[-1] == "unmake-worker"
    assert "unmake-disk" not in world.cloud.log()
    assert world.cloud.resources() == []


def test_a_step_that_stands_still_is_told_once_and_goes_on(world: World) -> None:
    world.cloud.rule("copy-1", "slow 2")
    execution_id = world.submit(FlowStep("copy", Copy(world.cloud.directory)))
    world.conductor()
    assert completed(world.ended(execution_id))
    warnings = [e for e in world.execution(execution_id).tasks[0].events if e.level is EventLevel.WARNING]
    assert len(warnings) >= 1
    assert "No progress for" in warnings[0].message


def test_a_fault_of_the_engine_itself_is_shown_and_not_repeated_for_ever(world: World) -> None:
    execution_id = world.submit(world.make("disk"))
    job = world.job(execution_id)
    broken = {**job.plan, "steps": [{**job.plan["steps"][0], "after": ["nobody"]}]}
    with world.database.write() as connection:
        connection.execute(sa.update(JOB).where(JOB.c.id == job.id).values(plan=broken))
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.DEADLOCKED
    assert "Unexpected KeyError in the engine: 'nobody'" in (world.job(execution_id).reason or "")


def test_results_pass_typed_and_no_secret_reaches_the_file_in_clear(world: World) -> None:
    world.database.endpoints.update(world.endpoint_id, connection_info={"password": "tiptop-geheim-endpoint"})
    execution_id = world.submit(
        FlowStep("login", MakeLogin("root")), FlowStep("use", UseLogin(), after=("login",))
    )
    world.conductor()
    assert completed(world.ended(execution_id))
    assert world.database.steps.get(world.job(execution_id).id, "use").result == len("tiptop-geheim-result")
    for path in world.settings.state_dir.iterdir():
        assert b"tiptop-geheim" not in path.read_bytes(), path
