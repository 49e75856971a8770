"""kill -9, SIGSTOP, a lost lease: finished steps never run again, and nobody writes with a stale token."""

import signal
import time
from collections.abc import Callable

import pytest

from coriolis.engine.lock import StateDirectoryLock
from coriolis.engine.plan import FlowStep
from coriolis.errors import LeaseLost, StateDirectoryLocked
from coriolis.model.enums import EventLevel, ExecutionStatus, ResourceKind, ResourceState, TaskStatus
from coriolis.model.queue import Claimant
from coriolis.model.records import JobState
from coriolis.model.replica import ReplicaDisk
from coriolis.store.database import Fence
from tests.unit.engine.conftest import World, completed, either_database
from tests.unit.engine.paper_cloud import Adopt, Copy


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    return either_database(request)


def test_after_kill_9_only_the_interrupted_step_runs_again(world: World) -> None:
    world.cloud.rule("made-worker", "slow 60")
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.remove("worker", "make-worker")
    )
    process = world.process()
    world.began("made-worker")
    process.kill()
    process.wait()
    assert world.statuses(execution_id)["make-worker"] is TaskStatus.RUNNING
    world.cloud.forgive("made-worker")
    world.process()
    assert completed(world.ended(execution_id))
    assert world.cloud.log().count("make-disk") == 1
    assert world.cloud.log().count("make-worker") == 2
    assert world.job(execution_id).token == 3  # claimed, fenced off, claimed
    (left,) = world.cloud.resources()
    assert "-disk" in left


def test_after_kill_9_a_wish_to_cancel_is_carried_out_without_running_the_step_again(world: World) -> None:
    world.cloud.rule("made-worker", "slow 60")
    execution_id = world.submit(world.make("disk"), world.make("worker", "make-disk"))
    process = world.process()
    world.began("made-worker")
    process.kill()
    process.wait()
    world.database.jobs.cancel(execution_id, force=False)
    world.process()
    assert world.ended(execution_id).status is ExecutionStatus.CANCELED
    assert world.cloud.log()[-2:] == ["unmake-worker", "unmake-disk"]
    assert world.cloud.log().count("make-worker") == 1
    assert world.cloud.resources() == []
    assert {entry.state for entry in world.ledger()} == {ResourceState.REMOVED}
    assert world.statuses(execution_id) == {
        "make-disk": TaskStatus.COMPLETED,
        "make-worker": TaskStatus.CANCELED,
    }


def test_kill_9_in_the_clean_up_goes_on_with_it(world: World) -> None:
    """What was undone before is left alone; only the interrupted one is undone again, and what is left."""
    world.cloud.rule("remove-net", "fail")
    world.cloud.rule("unmake-worker", "slow 60")
    execution_id = world.submit(
        world.make("disk"),
        world.make("worker", "make-disk"),
        world.make("net", "make-worker"),
        world.remove("net", "make-net"),
    )
    process = world.process()
    world.began("unmake-worker")
    process.kill()
    process.wait()
    assert world.job(execution_id).state is JobState.COMPENSATING
    world.cloud.forgive("unmake-worker")
    world.process()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.resources() == []
    log = world.cloud.log()
    assert log[log.index("unmake-net") :] == ["unmake-net", "unmake-worker", "unmake-worker", "unmake-disk"]
    assert log.count("make-worker") == log.count("remove-net") == 1


def test_the_interrupted_step_is_given_its_checkpoint(world: World) -> None:
    world.cloud.rule("copy-1", "slow 60")
    execution_id = world.submit(FlowStep("copy", Copy(world.cloud.directory)))
    process = world.process()
    world.began("copy-1")
    process.kill()
    process.wait()
    world.cloud.forgive("copy-1")
    world.process()
    assert completed(world.ended(execution_id))
    assert world.cloud.log() == ["copy-0", "copy-1", "copy-1", "copy-2"]


def test_the_interrupted_step_probes_before_it_does_its_work_again(world: World) -> None:
    world.cloud.rule("worked", "slow 60")
    execution_id = world.submit(FlowStep("adopt", Adopt(world.cloud.directory)))
    process = world.process()
    world.began("worked")
    process.kill()
    process.wait()
    world.process()
    assert completed(world.ended(execution_id))
    assert world.cloud.log() == ["work", "worked", "probe"]
    assert world.database.steps.get(world.job(execution_id).id, "adopt").result == "found"


def test_kill_9_while_one_step_fails_and_another_runs(world: World) -> None:
    """The one that failed is undone, and so is the one that was at work, without starting it again."""
    world.cloud.rule("made-stuck", "slow 60")
    world.cloud.rule("make-bad", "slow 0.5")
    execution_id = world.submit(world.make("stuck"), world.make("bad"))
    process = world.process()
    world.began("made-stuck")
    fence = Fence(world.job(execution_id).id, world.job(execution_id).token)
    process.kill()
    process.wait()
    # the last it did, as its fence still holds; SQLite's lock may be held by a process that is only stopped
    world.database.jobs.begin_compensation(fence, JobState.FAILED)
    world.process()
    assert world.ended(execution_id).status is ExecutionStatus.ERROR
    assert world.cloud.resources() == []
    assert world.cloud.log().count("make-stuck") == 1


@pytest.mark.parametrize("moment", ["make-disk", "made-disk", "make-worker", "remove-worker", "unmake-disk"])
def test_kill_9_before_and_after_each_cloud_call(world: World, moment: str) -> None:
    world.cloud.rule(moment, "slow 60")
    if moment == "unmake-disk":
        world.cloud.rule("remove-worker", "fail")
    execution_id = world.submit(
        world.make("disk"), world.make("worker", "make-disk"), world.remove("worker", "make-worker")
    )
    process = world.process()
    world.began(moment)
    process.kill()
    process.wait()
    world.cloud.forgive(moment)
    world.process()
    world.ended(execution_id)
    assert not [name for name in world.cloud.resources() if "-worker" in name]
    states = {entry.state for entry in world.ledger() if "worker" in entry.name}
    assert states == {ResourceState.REMOVED}
    assert world.cloud.log().count(moment) == 2


def test_a_cancel_after_the_last_step_comes_too_late(world: World) -> None:
    execution_id = world.submit(world.make("disk"), world.remove("disk", "make-disk"))
    job = world.database.queue.claim_next(Claimant("dead", "host"), 0.01)
    assert job is not None
    fence = Fence(job.id, job.token)
    world.database.jobs.begin(fence)
    for step in ("make-disk", "remove-disk"):
        world.database.steps.begin(fence, step, host="dead", process_id=1)
        world.database.steps.finish(fence, step, None)
    world.database.jobs.cancel(execution_id, force=False)
    world.conductor()
    assert completed(world.ended(execution_id))
    assert world.cloud.log() == []


def test_a_stopped_conductor_leaves_its_jobs_to_the_next_one(world: World) -> None:
    world.cloud.rule("made-worker", "slow 60")
    execution_id = world.submit(world.make("worker"))
    process = world.process()
    world.began("made-worker")
    process.terminate()
    assert process.wait(60) == 0
    assert world.statuses(execution_id)["make-worker"] is TaskStatus.RUNNING
    world.cloud.forgive("made-worker")
    world.process("shared")
    assert completed(world.ended(execution_id))


def test_a_paused_conductor_finds_its_job_taken_and_touches_nothing(world: World) -> None:
    world.cloud.rule("made-worker", "slow 3")
    execution_id = world.submit(world.make("worker"), world.make("after", "make-worker"))
    paused = world.process("shared")
    world.began("made-worker")
    world.pause(paused)
    world.cloud.forgive("made-worker")
    other = world.process("shared")
    assert completed(world.ended(execution_id))
    writers = {
        line.split()[1]
        for line in (world.cloud.directory / "log").read_text().splitlines()
        if "after" in line
    }
    assert writers == {str(other.pid)}
    rows = (world.job(execution_id), world.execution(execution_id), world.ledger())
    paused.send_signal(signal.SIGCONT)
    time.sleep(4)  # longer than the slow step and the heartbeat: enough for it to go on if it would
    assert (world.job(execution_id), world.execution(execution_id), world.ledger()) == rows
    assert world.cloud.log().count("make-after") == 1


def test_every_write_in_a_jobs_name_is_refused_to_a_stale_owner(world: World) -> None:
    execution_id = world.submit(world.make("disk"))
    database = world.database
    first = database.queue.claim_next(Claimant("one", "host"), 0.05)
    assert first is not None
    stale = Fence(first.id, first.token)
    time.sleep(0.1)
    second = database.queue.claim_next(Claimant("two", "host"), 30)
    assert second is not None
    assert second.token == first.token + 1
    before = (world.job(execution_id), world.execution(execution_id), world.ledger())
    replica = ReplicaDisk("d", "v", "n", 1)
    writes: list[Callable[[], object]] = [
        lambda: database.jobs.begin(stale),
        lambda: database.jobs.begin_compensation(stale, JobState.FAILED),
        lambda: database.jobs.finish(stale, JobState.COMPLETED),
        lambda: database.jobs.needs_operator(stale, "no"),
        lambda: database.steps.begin(stale, "make-disk", host="h", process_id=1),
        lambda: database.steps.finish(stale, "make-disk", None),
        lambda: database.steps.set_checkpoint(stale, "make-disk", {}),
        lambda: database.steps.fail(stale, "make-disk", "no"),
        lambda: database.steps.reverted(stale, "make-disk"),
        lambda: database.steps.left_behind(stale, "make-disk", "no"),
        lambda: database.tasks.add_event(stale, "make-disk", EventLevel.INFO, "no"),
        lambda: database.tasks.set_progress(stale, "make-disk", {"x": {"message": "no"}}),
        lambda: database.resources.plan(
            stale, "make-disk", endpoint_id=world.endpoint_id, kind=ResourceKind.DISK, name="n"
        ),
        lambda: database.replicas.save(stale, world.transfer_id, "vm", [replica]),
        lambda: database.replicas.forget(stale, world.transfer_id, "vm", ["d"]),
        lambda: database.deployments.set_result(stale, "vm", {}),
    ]
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert database.queue.renew({stale.job_id: stale.token}, 30) == {}
    assert not database.queue.release(stale)
    assert (world.job(execution_id), world.execution(execution_id), world.ledger()) == before
    assert database.replicas.list(world.transfer_id) == []


def test_only_one_process_holds_a_state_directory(world: World) -> None:
    lock = StateDirectoryLock(world.settings.state_dir)
    with pytest.raises(StateDirectoryLocked) as refused:
        StateDirectoryLock(world.settings.state_dir)
    assert str(world.settings.state_dir) in str(refused.value)
    lock.release()
    StateDirectoryLock(world.settings.state_dir).release()
