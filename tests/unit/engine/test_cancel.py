"""Cancel and force-cancel: at any moment, in any state, more than once."""

import threading
import time

import pytest

from coriolis.engine.conductor import Conductor
from coriolis.engine.registry import StepRegistry
from coriolis.errors import Conflict
from coriolis.model.enums import ExecutionStatus, ResourceState, TaskStatus
from coriolis.model.queue import Claimant
from coriolis.model.records import JobState, LedgerEntry, Wish
from coriolis.store.database import Fence
from tests.unit.engine.conftest import World, either_database
from tests.unit.engine.paper_cloud import Make


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    return either_database(request)


def leftovers(world: World) -> list[LedgerEntry]:
    return [entry for entry in world.ledger() if entry.state is ResourceState.LEFTOVER]


def test_a_queued_job_ends_at_once_and_a_second_cancel_is_told_so(world: World) -> None:
    execution_id = world.submit(world.make("disk"))
    world.cancel(execution_id)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELED
    with pytest.raises(Conflict, match="not active"):
        world.cancel(execution_id)
    with pytest.raises(Conflict, match="not active"):
        world.cancel(execution_id, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_step_in_its_back_off_stops_waiting(world: World, force: bool) -> None:
    world.cloud.rule("made-disk", "later 600")
    execution_id = world.submit(world.make("disk"))
    world.conductor()
    world.until(lambda: any(world.execution(execution_id).tasks[0].events))
    world.cancel(execution_id, force=force)
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.cloud.log().count("make-disk") == 1
    assert world.cloud.resources() == []
    status = TaskStatus.FORCE_CANCELED if force else TaskStatus.CANCELED
    assert world.statuses(execution_id) == {"make-disk": status}


def test_two_cancels_in_a_row_are_one_and_force_is_not_taken_back(world: World) -> None:
    world.cloud.rule("made-disk", "slow 60")
    world.cloud.rule("unmake-disk", "slow 1")
    execution_id = world.submit(world.make("disk"))
    world.conductor()
    world.began("made-disk")
    for force in (False, True, False):
        world.cancel(execution_id, force=force)
    assert world.job(execution_id).wish is Wish.FORCE_CANCEL
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.cloud.log().count("unmake-disk") == 1
    assert world.cloud.resources() == []


def test_force_ends_the_retries_of_a_clean_up_that_is_under_way(world: World) -> None:
    """The attempt at work goes on, the wait between two does not, and what is left is told with its reason."""
    world.cloud.rule("unmake-worker", "later 600")
    world.cloud.rule("remove-x", "fail")
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.remove("x", "make-worker")
    )
    world.conductor()
    world.until(lambda: any(world.execution(execution_id).tasks[1].events))
    assert world.job(execution_id).state is JobState.COMPENSATING
    world.cancel(execution_id, force=True)
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.log()[-2:] == ["unmake-worker", "unmake-disk"]
    assert world.cloud.log().count("unmake-worker") == 2
    (left,) = leftovers(world)
    assert "-worker" in left.name
    assert "busy" in (left.reason or "")


@pytest.mark.parametrize("force", [False, True])
def test_a_job_whose_owner_is_dead_is_claimed_to_be_undone(world: World, force: bool) -> None:
    world.cloud.rule("made-disk", "slow 60")
    execution_id = world.submit(world.make("disk"), world.make("worker", "make-disk"))
    process = world.process("shared")
    world.began("made-disk")
    process.kill()
    process.wait()
    world.cancel(execution_id, force=force)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELLING
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.cloud.resources() == []
    assert world.cloud.log().count("make-disk") == 1


def test_a_clean_up_whose_owner_is_dead_can_still_be_forced(world: World) -> None:
    world.cloud.rule("remove-x", "fail")
    world.cloud.rule("unmake-disk", "slow 60")
    execution_id = world.submit(world.make("disk"), world.remove("x", "make-disk"))
    process = world.process("shared")
    world.began("unmake-disk")
    process.kill()
    process.wait()
    world.cloud.rule("unmake-disk", "fail")
    world.cancel(execution_id, force=True)
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.log().count("unmake-disk") == 2
    assert len(leftovers(world)) == 1


def test_claimed_but_not_yet_begun(world: World) -> None:
    """The owner died between its claim and the first step."""
    execution_id = world.submit(world.make("disk"))
    assert world.database.queue.claim_next(Claimant("dead", "host"), 0.01) is not None
    world.cancel(execution_id)
    world.conductor()
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.cloud.log() == []


def test_cancels_that_race_with_completion_leave_every_job_whole(world: World) -> None:
    """Whoever comes first decides: a job is completed, or undone; never half of each."""
    runs = [world.submit(world.make(f"{n}")) for n in range(12)]
    world.conductor()

    def cancel() -> None:
        for run in runs[1::2] + runs[::2]:
            time.sleep(0.02)
            try:
                world.cancel(run)
                world.cancel(run)
            except Conflict:
                continue  # it has ended

    thread = threading.Thread(target=cancel)
    thread.start()
    ends = {run: world.ended(run).status for run in runs}
    thread.join()
    assert set(ends.values()) <= {ExecutionStatus.COMPLETED, ExecutionStatus.CANCELED}
    present = {name.rsplit("-", 1)[1] for name in world.cloud.resources()}
    assert present == {f"{n}" for n, run in enumerate(runs) if ends[run] is ExecutionStatus.COMPLETED}
    assert {run: world.execution(run).status for run in runs} == ends
    assert all(world.job(run).owner is None for run in runs)


def test_a_job_that_needs_an_operator_ends_by_force_and_does_not_shield_the_others(world: World) -> None:
    world.cloud.rule("make-b", "slow 60")
    world.cloud.rule("make-a", "slow 60")
    execution_id = world.submit_each({"one": [world.make("a")], "two": [world.make("b")]})
    stuck, other = world.database.jobs.list(execution_id)
    claim = world.database.queue.claim_next(Claimant("me", "host"), 30)
    assert claim is not None
    assert claim.id == stuck.id
    unready = Conductor(world.database, world.settings, StepRegistry([Make]))
    unready.start()
    world.began("make-b")
    world.database.jobs.needs_operator(Fence(claim.id, claim.token), "of another release.")
    world.cancel(execution_id)
    world.until(lambda: world.database.jobs.get(other.id).state is JobState.CANCELLED)
    assert world.execution(execution_id).status is ExecutionStatus.DEADLOCKED
    with pytest.raises(Conflict, match="of another release"):
        world.cancel(execution_id)
    world.cancel(execution_id, force=True)
    assert world.execution(execution_id).status is ExecutionStatus.CANCELED
    unready.stop()
