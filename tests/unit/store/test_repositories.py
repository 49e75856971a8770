"""Endpoints, transfers and lists: the rules and the paging."""

from pathlib import Path
from typing import Any

import pytest

from coriolis.errors import Conflict, InvalidInput, NotFound
from coriolis.model.enums import (
    ExecutionStatus,
    ExecutionType,
    ResourceKind,
    ResourceState,
    Scenario,
    TaskType,
)
from coriolis.model.queue import Claimant
from coriolis.model.records import Endpoint, JobState, Paging, Transfer, Wish
from coriolis.model.replica import ReplicaDisk
from coriolis.model.status import execution_status
from coriolis.store.database import Database, Fence
from coriolis.store.executions import NewJob, NewTask
from coriolis.store.resources import abandon


def endpoint(database: Database, name: str, **info: Any) -> Endpoint:
    info = info or {"name": name, "password": "tiptop-geheim"}
    return database.endpoints.create(user_id="u", project_id="p", name=name, type="t", connection_info=info)


def transfer(database: Database, **values: Any) -> Transfer:
    ends = {
        "origin_endpoint_id": endpoint(database, "a").id,
        "destination_endpoint_id": endpoint(database, "b").id,
    }
    given = {"scenario": Scenario.REPLICA, "instances": ["vm"], **ends, **values}
    return database.transfers.create(user_id="u", project_id="p", **given)


def submit(database: Database, action_id: str) -> str:
    tasks = (NewTask("one", TaskType.REPLICATE_DISKS, ()), NewTask("two", TaskType.OS_MORPHING, ("one",)))
    with database.write() as connection:
        job = NewJob("vm", "f", 1, {"steps": []}, tasks)
        return database.executions.submit(connection, action_id, ExecutionType.TRANSFER_EXECUTION, [job])


def claim(database: Database) -> Fence:
    job = database.queue.claim_next(Claimant("me", "host"), 30)
    assert job is not None
    return Fence(job.id, job.token)


def test_an_endpoint_keeps_its_secrets_out_of_the_file(database: Database, tmp_path: Path) -> None:
    made = endpoint(database, "a")
    assert database.endpoints.get(made.id) == made
    assert "geheim" not in repr(made)
    changed = database.endpoints.update(made.id, connection_info={"key": "tiptop-geheim-2"}, name="b")
    assert (changed.name, changed.connection_info["key"]) == ("b", "tiptop-geheim-2")
    assert changed.updated_at is not None
    assert not any(b"tiptop-geheim" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_deleted_row_is_gone_but_for_those_who_ask(database: Database) -> None:
    made = endpoint(database, "a")
    database.endpoints.delete(made.id)
    with pytest.raises(NotFound):
        database.endpoints.get(made.id)
    assert database.endpoints.list("p") == []
    (shown,) = database.endpoints.list("p", Paging(show_deleted=True))
    assert shown.deleted == made.id
    assert shown.deleted_at is not None


def test_an_endpoint_in_use_cannot_be_deleted(database: Database) -> None:
    used = transfer(database)
    with pytest.raises(Conflict, match=used.id):
        database.endpoints.delete(used.origin_endpoint_id)
    submit(database, used.id)
    fence = claim(database)
    place = {"endpoint_id": used.origin_endpoint_id, "kind": ResourceKind.SERVER, "name": "left"}
    database.resources.plan(fence, "one", **place)
    database.jobs.finish(fence, JobState.FAILED)
    database.transfers.delete(used.id)
    with pytest.raises(Conflict, match="left"):
        database.endpoints.delete(used.origin_endpoint_id)


def test_pages_follow_each_other_in_any_order(database: Database) -> None:
    for number in range(7):
        endpoint(database, f"{number % 3}")
    for keys, directions in (
        (("created_at", "id"), ("desc", "desc")),
        (("name",), ("asc",)),
        (("updated_at",), ("asc",)),
    ):
        seen: list[str] = []
        marker = None
        while page := database.endpoints.list(
            "p", Paging(marker=marker, limit=2, sort_keys=keys, sort_dirs=directions)
        ):
            seen += [item.id for item in page]
            marker = seen[-1]
        whole = database.endpoints.list("p", Paging(sort_keys=keys, sort_dirs=directions))
        assert seen == [item.id for item in whole]
        assert len(set(seen)) == 7
    names = [
        item.name for item in database.endpoints.list("p", Paging(sort_keys=("name",), sort_dirs=("asc",)))
    ]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "paging",
    [Paging(marker="x"), Paging(sort_keys=("nope",)), Paging(sort_keys=("name",), sort_dirs=("up",))],
)
def test_a_list_that_cannot_be_made_is_bad_input(database: Database, paging: Paging) -> None:
    with pytest.raises(InvalidInput):
        database.endpoints.list("p", paging)


def test_a_transfers_maps_are_in_its_destination_environment(database: Database) -> None:
    made = transfer(
        database, network_map={"a": "b"}, destination_environment={"migr_password_map": {"linux": "pw"}}
    )
    expected = {"migr_password_map": {"linux": "pw"}, "network_map": {"a": "b"}, "storage_mappings": {}}
    assert made.destination_environment == expected
    changed = database.transfers.update(made.id, network_map={"a": "c"}, notes="n")
    assert changed.destination_environment["network_map"] == {"a": "c"}
    assert changed.destination_environment["migr_password_map"] == {"linux": "pw"}
    with pytest.raises(InvalidInput, match="instances"):
        database.transfers.update(made.id, instances=["other"])


def test_a_transfer_needs_two_clouds_and_an_instance(database: Database) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        transfer(database, instances=[])
    twice = endpoint(database, "a", url="x"), endpoint(database, "b", url="x")
    with pytest.raises(InvalidInput, match="same cloud"):
        transfer(database, origin_endpoint_id=twice[0].id, destination_endpoint_id=twice[1].id)
    with pytest.raises(NotFound):
        transfer(database, origin_endpoint_id="nowhere")


def test_a_transfer_shows_its_executions_and_can_be_found_by_their_status(database: Database) -> None:
    made = transfer(database)
    assert [t.id for t in database.transfers.list("p", Paging(status="UNEXECUTED"))] == [made.id]
    execution_id = submit(database, made.id)
    with pytest.raises(Conflict, match=execution_id):
        database.transfers.delete(made.id)
    with pytest.raises(Conflict):
        database.executions.delete(execution_id)
    assert [t.id for t in database.transfers.list("p", Paging(status="PENDING"))] == [made.id]
    database.jobs.finish(claim(database), JobState.COMPLETED)
    shown = database.transfers.get(made.id, with_executions=True)
    assert shown.last_execution_status is ExecutionStatus.COMPLETED
    (execution,) = shown.executions
    assert (execution.number, execution.id) == (1, execution_id)
    first, second = execution.tasks
    assert (first.depends_on, second.depends_on) == ((), (first.id,))
    again = submit(database, made.id)
    assert database.executions.get(again).number == 2


def test_jobs_are_taken_in_the_order_they_came_and_only_once(database: Database) -> None:
    made = transfer(database)
    first, second = submit(database, made.id), submit(database, made.id)
    taken = [database.queue.claim_next(Claimant("me", "host"), 30) for _ in range(3)]
    assert [job and job.execution_id for job in taken] == [first, second, None]


def test_ledger_rows_come_and_go(database: Database) -> None:
    made = transfer(database)
    submit(database, made.id)
    fence = claim(database)
    place = {"endpoint_id": made.origin_endpoint_id, "kind": ResourceKind.DISK, "name": "n"}
    resources = database.resources
    assert resources.plan(fence, "one", **place)[1] is False
    assert resources.plan(fence, "one", **place)[1] is True
    resources.set_state(fence, **place, state=ResourceState.PRESENT, cloud_id="c")
    found = resources.find(**place)
    assert found is not None
    assert (found.state, found.cloud_id, found.step) == (ResourceState.PRESENT, "c", "one")
    resources.set_state(fence, **place, state=ResourceState.REMOVED)
    assert resources.find(**place) is None
    entry, attempted = resources.plan(fence, "two", **place)
    assert (attempted, entry.cloud_id, entry.step) == (False, None, "two")
    resources.set_state(fence, **{**place, "name": "never seen"}, state=ResourceState.REMOVED)
    with database.fenced(fence) as connection:
        assert [row.name for row in abandon(connection, fence.job_id, "two", "because")] == ["n"]
    (left,) = resources.list(states=[ResourceState.LEFTOVER])
    assert left.reason == "because"


def test_replicas_are_known_by_disk_in_the_instances_order(database: Database) -> None:
    made = transfer(database)
    submit(database, made.id)
    fence = claim(database)
    disks = [ReplicaDisk("vdb", "2", "two", 2), ReplicaDisk("vda", "1", "one", 1, 3, True, "m")]
    database.replicas.save(fence, made.id, "vm", disks)
    assert database.replicas.disks(made.id, "vm") == tuple(disks)
    database.replicas.save(fence, made.id, "vm", [ReplicaDisk("vda", "9", "one", 1)])
    assert {r.volume_id for r in database.replicas.list(made.id)} == {"2", "9"}
    database.replicas.forget(fence, made.id, "vm", ["vdb"])
    assert [r.disk_id for r in database.replicas.list(made.id)] == ["vda"]
    database.replicas.save(fence, made.id, "vm", [ReplicaDisk("vdb", "3", "three", 2)])
    assert len(database.replicas.list(made.id, "vm")) == 2


@pytest.mark.parametrize(
    ("jobs", "status"),
    [
        ("queued", "PENDING"),
        ("queued running", "RUNNING"),
        ("completed queued", "RUNNING"),
        ("completed failed running", "RUNNING"),
        ("completed failed", "ERROR"),
        ("failed cancelled", "ERROR"),
        ("completed cancelled", "CANCELED"),
        ("completed", "COMPLETED"),
        ("needs_operator", "DEADLOCKED"),
        ("needs_operator running", "RUNNING"),
    ],
)
def test_the_status_of_an_execution_follows_from_its_jobs(jobs: str, status: str) -> None:
    states = [(JobState(state), Wish.NONE, None) for state in jobs.split()]
    assert execution_status(states) == status


def test_a_cancelled_job_shows_until_it_failed_anyway() -> None:
    assert execution_status([(JobState.RUNNING, Wish.CANCEL, None)]) == "CANCELLING"
    assert execution_status([(JobState.COMPENSATING, Wish.CANCEL, JobState.CANCELLED)]) == "CANCELLING"
    assert execution_status([(JobState.COMPENSATING, Wish.CANCEL, JobState.FAILED)]) == "RUNNING"


def test_the_bandwidth_limits_of_a_run_are_those_of_its_transfer_and_endpoints(database: Database) -> None:
    here = endpoint(database, "here").id
    there = endpoint(database, "there").id
    endpoint(database, "elsewhere")
    between = transfer(
        database, origin_endpoint_id=here, destination_endpoint_id=there, bandwidth_limit="5 MiB/s"
    )
    database.endpoints.update(there, bandwidth_limit="7 MiB/s")
    limits = database.transfers.bandwidth_limits(between.id)
    assert (limits.transfer, limits.endpoints) == ("5 MiB/s", {here: None, there: "7 MiB/s"})
    with pytest.raises(NotFound):
        database.transfers.bandwidth_limits("nothing")


def test_the_token_of_a_later_run_is_higher(database: Database) -> None:
    """What keeps older writers out may outlive a run."""
    crossing, another = transfer(database), transfer(database)
    submit(database, crossing.id)
    last = 0
    for _ in range(3):
        fence = claim(database)
        assert fence.token > last
        last = fence.token
        database.queue.release(fence)
    fence = claim(database)
    database.jobs.finish(fence, JobState.FAILED)
    submit(database, crossing.id)
    assert claim(database).token == fence.token + 1
    submit(database, another.id)
    assert claim(database).token == 1
