"""Migrations and the moments of steps, on each database."""

import threading

import pytest
import sqlalchemy as sa

from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import ExecutionStatus, ExecutionType, Scenario, TaskType
from coriolis.model.migration import Downtime, Migration, MigrationLimits, MigrationPass, MigrationPhase
from coriolis.model.queue import Claimant
from coriolis.model.records import JobState, Wish
from coriolis.store.database import Database, Fence
from coriolis.store.executions import NewJob, NewTask
from coriolis.store.live_migrations import NewMigration
from coriolis.store.tables import EXECUTION
from coriolis.store.transfers import refuse_while_active

JOB = NewJob("vm", "flow", 1, {}, (NewTask("only", TaskType.REPLICATE_DISKS, ()),))


@pytest.fixture
def transfer_id(database: Database) -> str:
    owner = {"user_id": "u", "project_id": "p"}
    ends = [
        database.endpoints.create(**owner, name=name, type="paper", connection_info={"name": name}).id
        for name in ("source", "destination")
    ]
    return database.transfers.create(
        **owner,
        scenario=Scenario.LIVE_MIGRATION,
        instances=["vm"],
        origin_endpoint_id=ends[0],
        destination_endpoint_id=ends[1],
    ).id


def submit(database: Database, connection: sa.Connection, transfer_id: str) -> str:
    return database.executions.submit(connection, transfer_id, ExecutionType.TRANSFER_EXECUTION, [JOB])


def begun(database: Database, transfer_id: str) -> Migration:
    def work(connection: sa.Connection) -> str:
        new = NewMigration(
            transfer_id=transfer_id,
            user_id="u",
            project_id="p",
            execution_id=submit(database, connection, transfer_id),
            limits=MigrationLimits(3, 2**40, 0.25),
            restart_source_on_failure=True,
            deployment_wishes={"user_id": "u", "user_scripts": {"global": {"password": "geheim"}}},
        )
        return database.live_migrations.begin(connection, new)

    return database.live_migrations.get(database.transact(work))


def end_run(database: Database, migration: Migration) -> None:
    """Its one job is claimed and completes."""
    (job,) = database.jobs.list(migration.execution_id)
    claimed = database.queue.claim(job.id, Claimant("me", "host"), 30)
    assert claimed is not None
    database.jobs.finish(Fence(job.id, claimed.token), JobState.COMPLETED)


def test_what_goes_in_comes_back(database: Database, transfer_id: str) -> None:
    migrations = database.live_migrations
    seen = begun(database, transfer_id)
    assert (seen.number, seen.status, seen.phase) == (1, ExecutionStatus.RUNNING, MigrationPhase.COPYING)
    assert seen.limits == MigrationLimits(3, 2**40, 0.25)
    assert seen.deployment_wishes["user_scripts"] == {"global": {"password": "geheim"}}
    assert migrations.last(transfer_id) == seen
    assert list(migrations.list(transfer_id)) == [seen]
    made = (MigrationPass("e", 2**41, 1.5), MigrationPass("f", 0, 0.0, cutover=True))
    downtime = {"vm": Downtime(1.25, 2.0, 3.0, 4.0, 5.0, 6.0)}
    database.transact(
        lambda connection: migrations.move(
            connection,
            seen,
            status=ExecutionStatus.COMPLETED,
            passes=made,
            downtime=downtime,
            deployment_id="d",
        )
    )
    after = migrations.get(seen.id)
    assert (after.passes, after.downtime) == (made, downtime)
    assert downtime["vm"].total_seconds == 21.25
    assert migrations.of_deployment("d") == after
    assert migrations.of_deployment("other") is None
    with pytest.raises(NotFound):
        migrations.get("nowhere")


def test_it_waits_for_the_end_of_its_run_even_when_that_is_forgotten(
    database: Database, transfer_id: str
) -> None:
    seen = begun(database, transfer_id)
    assert database.live_migrations.to_be_moved() == []
    assert not database.live_migrations.has_ended(seen.execution_id)
    end_run(database, seen)
    database.executions.delete(seen.execution_id)
    ((found, ended),) = database.live_migrations.to_be_moved()
    assert (found.id, ended) == (seen.id, ExecutionStatus.COMPLETED)


def test_one_that_needs_an_operator_is_waited_for(database: Database, transfer_id: str) -> None:
    seen = begun(database, transfer_id)
    deadlocked = sa.update(EXECUTION).values(status=ExecutionStatus.DEADLOCKED)
    database.transact(lambda connection: connection.execute(deadlocked))
    assert database.live_migrations.to_be_moved() == []
    assert not database.live_migrations.has_ended(seen.execution_id)


def test_of_many_that_saw_the_same_one_moves_it(database: Database, transfer_id: str) -> None:
    seen = begun(database, transfer_id)
    end_run(database, seen)
    start = threading.Barrier(4)
    moved: list[str] = []

    def mover() -> None:
        def work(connection: sa.Connection) -> str | None:
            refuse_while_active(connection, transfer_id, migration_id=seen.id)
            if not database.live_migrations.still(connection, seen):
                return None
            execution_id = submit(database, connection, transfer_id)
            database.live_migrations.move(connection, seen, execution_id=execution_id)
            return execution_id

        start.wait()
        try:
            made = database.transact(work)
        except Conflict:  # the run that another has just submitted
            return
        if made is not None:
            moved.append(made)

    threads = [threading.Thread(target=mover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved == [database.live_migrations.get(seen.id).execution_id]
    assert len(database.executions.list(transfer_id)) == 2


def test_a_wish_stops_every_move_that_did_not_see_it(database: Database, transfer_id: str) -> None:
    seen = begun(database, transfer_id)
    assert database.live_migrations.wish_away(seen.id, force=True) == seen.execution_id
    assert not database.transact(lambda connection: database.live_migrations.still(connection, seen))
    database.live_migrations.wish_away(seen.id, force=False)
    wished = database.live_migrations.get(seen.id)
    assert wished.wish is Wish.FORCE_CANCEL
    database.transact(
        lambda connection: database.live_migrations.move(connection, wished, status=ExecutionStatus.CANCELED)
    )
    with pytest.raises(Conflict, match="not active"):
        database.live_migrations.wish_away(seen.id, force=True)


def test_the_transfer_is_in_use_until_the_migration_has_ended(database: Database, transfer_id: str) -> None:
    seen = begun(database, transfer_id)
    end_run(database, seen)
    with pytest.raises(Conflict, match=f"in use by migration {seen.id}"):
        database.transfers.update(transfer_id, notes="n")
    database.transact(
        lambda connection: database.live_migrations.move(connection, seen, status=ExecutionStatus.ERROR)
    )
    assert database.transfers.update(transfer_id, notes="n").notes == "n"


def test_the_moments_of_a_step_are_the_databases(database: Database, transfer_id: str) -> None:
    seen = begun(database, transfer_id)
    (job,) = database.jobs.list(seen.execution_id)
    claimed = database.queue.claim(job.id, Claimant("me", "host"), 30)
    assert claimed is not None
    fence, steps = Fence(job.id, claimed.token), database.steps
    steps.begin(fence, "only", host="h", process_id=1)
    first = steps.get(job.id, "only")
    assert first.began_at is not None
    assert (first.reached_at, first.finished_at) == (None, None)
    assert abs(claimed.lease_until - 30 - first.began_at) < 20
    steps.begin(fence, "only", host="h", process_id=1, attempt=2)
    steps.reach(fence, "only")
    reached = steps.get(job.id, "only").reached_at
    assert reached is not None
    steps.reach(fence, "only")
    steps.finish(fence, "only", {"a": 1})
    last = steps.get(job.id, "only")
    assert last.finished_at is not None
    assert (last.began_at, last.reached_at) == (first.began_at, reached)
    assert first.began_at <= reached <= last.finished_at
