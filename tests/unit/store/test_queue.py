"""The queue's queries cost the same with ten thousand jobs behind it, and read no plan that they do not need."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from coriolis.model.enums import ExecutionType, Scenario
from coriolis.model.queue import Claimant, Demand, Limits, Needs, Served
from coriolis.model.records import Job, JobState, Wish
from coriolis.store.database import Database, Fence
from coriolis.store.executions import NewJob
from coriolis.store.tables import JOB

LIMITS = Limits(total=100, per_endpoint=100, per_host=100)
SERVED = Served(frozenset({"eu"}), frozenset({"ovirt/transfer_import"}))
ME = Claimant("me", "host", LIMITS, SERVED)
NEEDS = Needs(Demand((("eu",),), ("ovirt/transfer_import",)), "here", "there")


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "sqlite"))


def submit(database: Database, *names: str) -> str:
    ends = [
        database.endpoints.create(
            user_id="u", project_id="p", name=name, type="t", connection_info={"name": name}
        ).id
        for name in ("here", "there")
    ]
    transfer = database.transfers.create(
        user_id="u",
        project_id="p",
        scenario=Scenario.REPLICA,
        instances=list(names),
        origin_endpoint_id=ends[0],
        destination_endpoint_id=ends[1],
    )
    jobs = [NewJob(name, "flow", 1, {"steps": ["x" * 10_000]}, (), NEEDS) for name in names]
    with database.write() as connection:
        return database.executions.submit(connection, transfer.id, ExecutionType.TRANSFER_EXECUTION, jobs)


def finish_many(database: Database, count: int) -> None:
    """As they stand after years of work."""
    execution_id = submit(database, "old")
    claimed = database.queue.claim_next(ME, 30)
    assert claimed is not None
    database.jobs.finish(Fence(claimed.id, claimed.token))
    with database.write() as connection:
        old = connection.execute(sa.select(JOB).where(JOB.c.execution_id == execution_id)).mappings().one()
        rows = [{**old, "id": f"{number:036}", "position": -number} for number in range(1, count)]
        for first in range(0, count, 500):
            connection.execute(sa.insert(JOB), rows[first : first + 500])
    with database.engine.connect() as connection:
        if database.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("analyze")
        else:
            connection.exec_driver_sql("analyze table job")


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Those that are executed inside, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        seen.append((text, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", note)


def explain_sqlite(connection: sa.Connection, text: str, parameters: Any) -> list[str]:
    """What reads more than it needs."""
    plan = connection.exec_driver_sql(f"explain query plan {text}", parameters)
    steps = [row[3] for row in plan]
    return [step for step in steps if step.startswith("SCAN job")]


def explain_mariadb(connection: sa.Connection, text: str, parameters: Any) -> list[str]:
    plan = connection.exec_driver_sql(f"explain {text}", parameters).mappings().all()
    return [str(dict(row)) for row in plan if row["table"] == "job" and _rows(row) > 100]


def _rows(row: sa.RowMapping) -> int:
    """MariaDB's estimate: "12", or "12 (3%)" where it filters by a second index."""
    return int(str(row["rows"] or 0).split()[0])


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"], indirect=True)
def test_no_query_of_the_queue_reads_the_jobs_that_ended(database: Database, kind: str) -> None:
    finish_many(database, 10_000)
    execution_id = submit(database, "a", "b", "c")
    with statements(database) as seen:
        look(database, execution_id)
    explain = explain_sqlite if kind == "sqlite" else explain_mariadb
    with database.engine.connect() as connection:
        about_jobs = [(text, parameters) for text, parameters in seen if "FROM job" in text]
        assert len(about_jobs) > 10
        found = {text: explain(connection, text, parameters) for text, parameters in about_jobs}
    assert {text: plan for text, plan in found.items() if plan} == {}


def look(database: Database, execution_id: str) -> None:
    """Everything that a conductor and a user ask of the queue, over and over."""
    queue = database.queue
    assert [job.instance for job in queue.waiting(ME, 16)] == ["a", "b", "c"]
    assert queue.left(SERVED, 16) == []
    job = queue.claim_next(ME, 30)
    assert job is not None
    assert [waiting.instance for waiting in queue.waiting(ME, 16)] == ["b", "c"]
    assert queue.renew({job.id: job.token}, -1) == {job.id: Wish.NONE}
    assert [left.instance for left in queue.left(SERVED, 16)] == ["a"]
    assert queue.wishes({job.id: job.token}) == {job.id: Wish.NONE}
    assert queue.places([execution_id], LIMITS)[execution_id].position == 1
    assert queue.count() == 3
    assert [posting.instance for posting in queue.postings(16)] == ["a", "b", "c"]
    assert queue.release(Fence(job.id, job.token))


@pytest.mark.parametrize("kind", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_two_jobs_of_a_run_that_end_at_once_end_the_run(database: Database) -> None:
    """Each sees the other's end: the execution is not left running for ever."""
    for _ in range(5):
        execution_id = submit(database, "a", "b")
        held: list[Job] = []
        for _ in range(2):
            job = database.queue.claim_next(ME, 30)
            assert job is not None
            held.append(job)
        start = threading.Barrier(2)

        def end(job: Job, start: threading.Barrier = start) -> None:
            start.wait()
            database.jobs.finish(Fence(job.id, job.token))

        threads = [threading.Thread(target=end, args=(job,)) for job in held]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert database.executions.get(execution_id).status.finished


@pytest.mark.parametrize("kind", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_positions_are_given_out_once_and_in_order(database: Database) -> None:
    threads = [threading.Thread(target=submit, args=(database, "a", "b", "c")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    positions = [posting.position for posting in database.queue.postings(100)]
    assert len(positions) == 12
    assert positions == sorted(set(positions))


@pytest.mark.parametrize("kind", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_claims_are_renewed_in_one_statement_and_told_what_is_wished(database: Database) -> None:
    execution_id = submit(database, "a", "b", "c")
    held = {}
    for _ in range(3):
        job = database.queue.claim_next(ME, 30)
        assert job is not None
        held[job.id] = job.token
    lost = next(iter(held))
    with database.write() as connection:
        connection.execute(sa.update(JOB).where(JOB.c.id == lost).values(token=JOB.c.token + 1))
    database.jobs.cancel(execution_id, force=False)
    before = {job.id: job.lease_until for job in database.jobs.list(execution_id)}
    time.sleep(0.01)
    with statements(database) as seen:
        wishes = database.queue.renew(held, 60)
    assert wishes == dict.fromkeys(held.keys() - {lost}, Wish.CANCEL)
    assert [verb for text, _ in seen if (verb := text.split()[0]) != "BEGIN"] == ["UPDATE", "SELECT"]
    after = {job.id: job.lease_until for job in database.jobs.list(execution_id)}
    assert {job_id for job_id in after if after[job_id] > before[job_id]} == set(wishes)


def test_a_claim_begins_a_job_and_a_void_one_goes_on(database: Database) -> None:
    execution_id = submit(database, "a")
    job = database.queue.claim_next(ME, 30)
    assert job is not None
    assert (job.state, job.token, job.owner) == (JobState.RUNNING, 1, "me")
    database.queue.void_all_claims()
    again = database.queue.claim_next(ME, 30)
    assert again is not None
    assert (again.id, again.token, again.execution_id) == (job.id, 3, execution_id)


def test_a_job_that_is_being_undone_is_claimed_as_one(database: Database) -> None:
    """Run forward again it would make anew what was removed: the engine asks `state is COMPENSATING`."""
    submit(database, "a")
    job = database.queue.claim_next(ME, 30)
    assert job is not None
    database.jobs.begin_compensation(Fence(job.id, job.token), JobState.FAILED)
    database.queue.void_all_claims()
    again = database.queue.claim_next(ME, 30)
    assert again is not None
    assert again.state is JobState.COMPENSATING
    assert again.outcome is JobState.FAILED


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"], indirect=True)
def test_a_cancel_that_waits_for_another_finds_the_jobs_again(database: Database) -> None:
    """What the other changes is in the index of executions: its entry moves while we wait for it."""
    execution_id = submit(database, "a", "b")
    submit(database, *(str(number) for number in range(300)))  # fewer are read without the index
    for _ in range(2):
        assert database.queue.claim_next(ME, 30) is not None
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            mine = JOB.c.execution_id == execution_id
            connection.execute(sa.select(JOB.c.id).where(mine).with_for_update())
            cancelling = pool.submit(database.jobs.cancel, execution_id, force=True)
            time.sleep(1.0)  # it has come to the lock; were it slower, it would only have less to wait for
            assert not cancelling.done()
            connection.execute(
                sa.update(JOB).where(mine).values(state=JobState.COMPENSATING, wish=Wish.CANCEL)
            )
        cancelling.result(60)
    assert {job.wish for job in database.jobs.list(execution_id)} == {Wish.FORCE_CANCEL}
