"""What we rely on in TaskFlow beyond its public interface: run with every new release of it."""

from pathlib import Path

import pytest
from taskflow import engines, states, task
from taskflow.patterns import linear_flow
from taskflow.persistence.backends import impl_sqlalchemy

from coriolis.engine.job_run import fail_unfinished
from coriolis.engine.plan import load_plan
from coriolis.engine.step_task import StepStoppedError
from coriolis.engine.working_state import FencedBackend, forget_flow, open_flow
from coriolis.errors import LeaseLost
from coriolis.store.database import Database, Fence
from tests.unit.engine.conftest import World


class Noted(task.Task):
    def __init__(self, name: str, notes: list[str], kills: bool = False) -> None:
        super().__init__(name=name)
        self._notes = notes
        self._kills = kills

    def execute(self) -> None:
        self._notes.append(f"execute {self.name}")
        if self._kills:
            raise LeaseLost("as if the process had ended here")

    def revert(self, **_: object) -> None:
        self._notes.append(f"revert {self.name}")


@pytest.fixture
def fence(world: World) -> Fence:
    world.submit(world.make("a"), world.make("b", "make-a"), world.make("c", "make-b"))
    job = world.database.queue.claim_next(Claimant("me", "host"), 30)
    assert job is not None
    return Fence(job.id, job.token)


def load(database: Database, fence: Fence, notes: list[str], killer: str = "") -> engines.base.Engine:  # type: ignore[name-defined]
    backend = FencedBackend(database, fence)
    book, details = open_flow(backend, fence.job_id)
    flow = linear_flow.Flow("f").add(*(Noted(f"make-{x}", notes, killer == x) for x in "abc"))
    engine = engines.load(
        flow, flow_detail=details, book=book, backend=backend, engine="parallel", max_workers=2
    )
    engine.compile()
    engine.prepare()
    engine.validate()
    return engine


def test_the_hooked_methods_are_where_taskflow_writes_state() -> None:
    source = Path(impl_sqlalchemy.__file__).read_text()
    for method in ("_update_atom_details", "_update_flow_details"):
        assert f"def {method}(self, conn, " in source
        assert f"self.{method}(conn, " in source


def test_a_lost_lease_passes_through_the_engine_at_once(world: World, fence: Fence) -> None:
    notes: list[str] = []
    with pytest.raises(LeaseLost):
        load(world.database, fence, notes, killer="b").run()
    assert notes == ["execute make-a", "execute make-b"]


def test_a_stale_engine_cannot_write_its_state(world: World, fence: Fence) -> None:
    notes: list[str] = []
    engine = load(world.database, fence, notes)
    world.database.queue.void_all_claims()
    with pytest.raises(LeaseLost):
        engine.run()
    assert notes == []


def test_a_planted_failure_makes_the_engine_undo_what_was_under_way(world: World, fence: Fence) -> None:
    notes: list[str] = []
    with pytest.raises(LeaseLost):
        load(world.database, fence, notes, killer="b").run()
    engine = load(world.database, fence, notes)
    assert engine.storage.get_atom_state("make-b") == states.RUNNING
    fail_unfinished(engine, load_plan(world.database.jobs.get(fence.job_id).plan))
    with pytest.raises(Exception, match="cancelled") as stopped:
        engine.run()
    assert stopped.type.__name__ == "WrappedFailure" or stopped.errisinstance(StepStoppedError)
    assert notes[2:] == ["revert make-b", "revert make-a"]
    assert engine.storage.get_flow_state() == states.REVERTED


def test_a_finished_job_leaves_no_working_state(world: World, fence: Fence) -> None:
    load(world.database, fence, []).run()
    backend = FencedBackend(world.database, fence)
    forget_flow(backend, fence.job_id)
    forget_flow(backend, fence.job_id)
    with world.database.read() as connection:
        for table in ("logbooks", "flowdetails", "atomdetails"):
            assert connection.exec_driver_sql(f"select count(*) from {table}").scalar() == 0  # noqa: S608
