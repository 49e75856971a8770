"""What a conductor takes, what it keeps, and how it lets go."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from coriolis.engine.board.heartbeat import Heartbeat
from coriolis.engine.claims import Claim
from coriolis.engine.conductor import Conductor
from coriolis.engine.plan import new_job
from coriolis.engine.registry import StepRegistry
from coriolis.errors import LeaseLost
from coriolis.model.enums import ExecutionStatus, ExecutionType
from coriolis.model.queue import Claimant, Demand, Needs, Served
from coriolis.model.records import JobState, Wish
from coriolis.store.tables import JOB
from tests.unit.engine.conftest import World, completed
from tests.unit.engine.paper_cloud import STEPS

DEAD = Claimant("dead", "host")


@dataclass
class Crew:
    """Conductors in this process, each as if it were another."""

    world: World
    running: list[Conductor]

    def start(self, served: Callable[[], Served] = Served, **engine: Any) -> Conductor:
        section = self.world.settings.engine.model_copy(update=engine)
        settings = self.world.settings.model_copy(update={"engine": section})
        conductor = Conductor(self.world.database, settings, StepRegistry(STEPS), served=served)
        conductor.start()
        self.running.append(conductor)
        return conductor


@pytest.fixture
def crew(world: World) -> Iterator[Crew]:
    crew = Crew(world, [])
    yield crew
    for conductor in crew.running:
        conductor.stop()


def test_it_takes_no_more_than_it_has_room_for(world: World, crew: Crew) -> None:
    for name in ("a", "b", "c"):
        world.cloud.rule(f"made-{name}", "slow 60")
    runs = [world.submit(world.make(name)) for name in ("a", "b", "c")]
    crew.start(max_parallel_jobs=2)
    world.began("made-b")
    time.sleep(1)  # many looks
    assert [world.job(run).state for run in runs] == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]


def test_a_cancel_does_not_wait_for_room(world: World, crew: Crew) -> None:
    """The conductor is full, and the job's owner is dead."""
    world.cloud.rule("made-long", "slow 60")
    long, left, queued = (world.submit(world.make(name)) for name in ("long", "left", "queued"))
    assert world.database.queue.claim(world.job(left).id, DEAD, 0.01) is not None
    crew.start(max_parallel_jobs=1, max_jobs=1, max_jobs_per_host=1)
    world.database.jobs.cancel(left, force=False)
    assert world.ended(left).status is ExecutionStatus.CANCELED
    assert not world.execution(long).status.finished
    assert world.job(queued).state is JobState.QUEUED


def test_a_clock_that_is_set_does_not_make_it_begin_its_own_job_again(world: World, crew: Crew) -> None:
    world.cloud.rule("made-worker", "slow 60")
    run = world.submit(world.make("worker"))
    crew.start(lease_seconds=600)
    world.began("made-worker")
    token = world.job(run).token
    with world.database.write() as connection:
        connection.execute(sa.update(JOB).values(lease_until=1.0))
    time.sleep(1)  # many looks
    assert world.job(run).token == token


def test_what_it_gives_back_another_takes_at_once(world: World, crew: Crew) -> None:
    world.cloud.rule("made-worker", "slow 600")
    run = world.submit(world.make("worker"))
    leaving = crew.start(lease_seconds=600)
    world.began("made-worker")
    leaving.stop()
    assert world.job(run).owner is None
    world.cloud.forgive("made-worker")
    crew.start()
    assert completed(world.ended(run))


def test_it_works_for_its_regions_only(world: World, crew: Crew) -> None:
    served = {"regions": frozenset({"us"})}
    needs = Needs(Demand((("eu",),)))
    with world.database.write() as connection:
        job = new_job("vm", "test", 1, [world.make("disk")], world.database.codec, needs=needs)
        kind = ExecutionType.TRANSFER_EXECUTION
        run = world.database.executions.submit(connection, world.transfer_id, kind, [job])
    crew.start(served=lambda: Served(regions=served["regions"]))
    time.sleep(1)
    assert world.job(run).state is JobState.QUEUED
    served["regions"] = frozenset({"us", "eu"})  # as an administrator may say at any time
    assert completed(world.ended(run))


def test_one_that_accepts_nothing_still_undoes(world: World, crew: Crew) -> None:
    queued, left = world.submit(world.make("a")), world.submit(world.make("b"))
    assert world.database.queue.claim(world.job(left).id, DEAD, 0.01) is not None
    crew.start(served=lambda: Served(accepting=False))
    time.sleep(0.5)
    assert world.job(left).token == 1
    world.database.jobs.cancel(left, force=False)
    assert world.ended(left).status is ExecutionStatus.CANCELED
    assert world.job(queued).state is JobState.QUEUED


@pytest.fixture
def heartbeat(world: World) -> Iterator[Heartbeat]:
    heartbeat = Heartbeat(world.database, lease_seconds=4.0, heartbeat_seconds=0.1, watch_seconds=0.05)
    heartbeat.start()
    yield heartbeat
    heartbeat.stop()


def claim(world: World, lease_seconds: float = 4.0) -> Claim:
    world.submit(world.make("disk"))
    began = time.monotonic()
    job = world.database.queue.claim_next(Claimant("me", "host"), lease_seconds)
    assert job is not None
    return Claim(job, valid_until=began + lease_seconds)


def test_a_wish_is_seen_between_two_renewals(world: World) -> None:
    heartbeat = Heartbeat(world.database, lease_seconds=600, heartbeat_seconds=100, watch_seconds=0.05)
    heartbeat.start()
    held = claim(world, 600)
    heartbeat.keep(held)
    world.database.jobs.cancel(held.job.execution_id, force=True)
    world.until(lambda: held.forced)
    heartbeat.stop()


def test_who_leaves_keeps_the_job_until_it_has_left(world: World, heartbeat: Heartbeat) -> None:
    held = claim(world)
    heartbeat.keep(held)
    heartbeat.lose_all()
    with pytest.raises(LeaseLost):
        held.check()
    time.sleep(5)
    assert world.database.queue.left(Served(), 1) == []
    heartbeat.drop(held)
    world.until(lambda: len(world.database.queue.left(Served(), 1)) == 1)


def test_a_claim_outlives_a_database_that_comes_back_in_time(
    world: World, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = claim(world)
    with monkeypatch.context() as patch:
        _take_away(world, patch)
        heartbeat.keep(held)
        time.sleep(0.5)
        held.check()
    time.sleep(5)
    held.check()


def test_a_claim_ends_by_our_own_clock_while_the_database_is_away(
    world: World, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = claim(world)
    _take_away(world, monkeypatch)
    heartbeat.keep(held)
    began = time.monotonic()
    with pytest.raises(LeaseLost):
        held.sleep(60)
    assert time.monotonic() - began < 30
    assert held.lost


def _take_away(world: World, patch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> dict[str, Wish]:
        raise sa.exc.OperationalError("select", {}, Exception("gone away"))

    patch.setattr(world.database.queue, "renew", away)
    patch.setattr(world.database.queue, "wishes", away)
