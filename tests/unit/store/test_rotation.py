"""The key of an installation changes while it is in use; nothing becomes unreadable, whenever it is interrupted."""

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.errors import Conflict, SecretsUnreadable
from coriolis.model.enums import ExecutionType, Scenario, TaskType
from coriolis.model.queue import Claimant
from coriolis.store import reencryption, rotation
from coriolis.store.database import Database, Fence, open_database
from coriolis.store.executions import NewJob, NewTask
from coriolis.store.idempotency import CreationRequest
from coriolis.store.key_file import KeyFile, new_key, read_key_file, replace_key_file
from coriolis.store.keys import KeyRing
from coriolis.store.reencryption import PROTECTED, Census, reencrypt, take_census
from coriolis.store.rotation import Stage, rotate
from coriolis.store.tables import METADATA

SECRET = "tiptop-geheim"


def fill(database: Database) -> tuple[str, Fence]:
    """A secret in each place that can hold one. Returns an endpoint's id and a claim on a job."""
    ends = [
        database.endpoints.create(
            user_id="u",
            project_id="p",
            name=name,
            type="t",
            connection_info={"password": SECRET, "n": name},
            request=CreationRequest("p", name, b"content"),
        ).id
        for name in ("a", "b")
    ]
    environment: dict[str, Any] = {"migr_password_map": {"linux": SECRET}, "list": [{"token": SECRET}]}
    transfer = database.transfers.create(
        user_id="u",
        project_id="p",
        scenario=Scenario.REPLICA,
        instances=["vm"],
        origin_endpoint_id=ends[0],
        destination_endpoint_id=ends[1],
        destination_environment=environment,
        source_environment=environment,
        user_scripts={"global": {"key": SECRET}},
    )
    job = NewJob("vm", "f", 1, {"password": SECRET}, (NewTask("one", TaskType.REPLICATE_DISKS, ()),))

    def submit(connection: sa.Connection) -> str:
        return database.executions.submit(connection, transfer.id, ExecutionType.TRANSFER_EXECUTION, [job])

    database.transact(submit)
    claimed = database.queue.claim_next(Claimant("me", "host"), 300)
    assert claimed is not None
    fence = Fence(claimed.id, claimed.token)
    database.steps.begin(fence, "one", host="h", process_id=1)
    database.steps.set_checkpoint(fence, "one", {"token": SECRET})
    database.steps.finish(fence, "one", {"password": SECRET})
    return ends[0], fence


def require_readable(database: Database, endpoint_id: str, fence: Fence) -> None:
    assert database.endpoints.get(endpoint_id).connection_info["password"] == SECRET
    assert database.steps.get(fence.job_id, "one").result == {"password": SECRET}
    assert database.jobs.get(fence.job_id).plan
    assert database.idempotency.find(CreationRequest("p", "a", b"content")) == endpoint_id


def test_everything_is_encrypted_anew_and_only_then_the_old_key_goes(
    database: Database, settings: Settings
) -> None:
    place = fill(database)
    path = settings.key_file
    old = read_key_file(path)
    assert rotate(database, path, step_by_step=False, settle_seconds=0) is Stage.DONE
    new = read_key_file(path)
    assert (len(new.keys), set(new.keys) & set(old.keys)) == (1, set())
    census = take_census(database, KeyRing(path))
    assert (census.older, census.unreadable) == (0, ())
    assert census.current > 10
    require_readable(database, *place)  # which knew the old key at its start
    again = open_database(settings)
    require_readable(again, *place)
    again.close()


def test_no_other_place_holds_ciphertext(database: Database) -> None:
    fill(database)
    known = {(table.name, column) for table, columns in PROTECTED for column in columns}
    with database.read() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(sa.select(table)).mappings():
                for name, value in row.items():
                    assert SECRET not in str(value)
                    assert "gAAAA" not in str(value) or (table.name, name) in known, (table.name, name)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_several_hosts_follow_step_by_step(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Each with a copy of the key file that is one step late."""
    place = fill(database)
    path, other_path = settings.key_file, tmp_path / "other.key"
    other_path.write_text(path.read_text())
    other_path.chmod(0o600)
    other = Database(database.engine, KeyRing(other_path).codec)
    stages = []
    while not stages or stages[-1] is not Stage.DONE:
        stages.append(rotate(database, path, step_by_step=True, settle_seconds=0))
        for writer, reader in ((database, other), (other, database)):
            if stages[-1] is Stage.DONE and writer is other:
                continue  # what it wrote now, it would have to write with the key file that is to be copied
            writer.endpoints.update(place[0], connection_info={"password": SECRET})
            require_readable(reader, *place)
        replace_key_file(other_path, read_key_file(path))
    assert stages == [Stage.KNOWN, Stage.IN_USE, Stage.DONE]
    require_readable(other, *place)


def test_a_rotation_that_was_interrupted_goes_on(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fill(database)
    calls = []

    def interrupted(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return reencryption_rewrite(*arguments)

    reencryption_rewrite = reencryption._rewrite
    with monkeypatch.context() as patch:
        patch.setattr(reencryption, "_rewrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotate(database, settings.key_file, step_by_step=False, settle_seconds=0)
    require_readable(database, *place)
    census = take_census(database, KeyRing(settings.key_file))
    assert census.older > 0
    assert census.unreadable == ()
    rotate(database, settings.key_file, step_by_step=False, settle_seconds=0)
    assert len(read_key_file(settings.key_file).keys) == 1
    require_readable(database, *place)


def test_writers_at_work_are_not_disturbed(database: Database, settings: Settings) -> None:
    endpoint_id, fence = fill(database)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                database.steps.set_checkpoint(fence, "one", {"token": f"{SECRET} {number}"})
                assert str(number) in str(database.steps.get(fence.job_id, "one").checkpoint)
        except BaseException as error:  # noqa: BLE001 -- told by the main thread
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(2):
        rotate(database, settings.key_file, step_by_step=False, settle_seconds=0.2)
    stop.set()
    worker.join()
    assert failures == []
    assert take_census(database, KeyRing(settings.key_file)).older == 0
    require_readable(database, endpoint_id, fence)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_service_that_keeps_the_old_key_keeps_the_old_key(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endpoint_id, _ = fill(database)
    stale_path = tmp_path / "stale.key"
    stale_path.write_text(settings.key_file.read_text())
    stale = Database(database.engine, KeyRing(stale_path).codec)
    monkeypatch.setattr(
        rotation.time,
        "sleep",
        lambda _: stale.endpoints.update(endpoint_id, connection_info={"password": SECRET}),
    )
    with pytest.raises(Conflict, match="old key"):
        rotate(database, settings.key_file, step_by_step=False)
    assert len(read_key_file(settings.key_file).keys) == 2


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_another_key_is_told_at_the_start(database: Database, settings: Settings) -> None:
    fill(database)
    path = settings.key_file
    right = path.read_text()
    replace_key_file(path, KeyFile((new_key(),)))
    with pytest.raises(SecretsUnreadable, match="another key"):
        open_database(settings)
    path.unlink()
    with pytest.raises(SecretsUnreadable, match="not there"):
        open_database(settings)
    path.write_text(right)
    open_database(settings).close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_rows_that_no_key_reads_are_named(database: Database, settings: Settings, tmp_path: Path) -> None:
    endpoint_id, _ = fill(database)
    foreign = tmp_path / "foreign.key"
    foreign.write_text(new_key())
    other = Database(database.engine, KeyRing(foreign).codec)
    other.endpoints.update(endpoint_id, connection_info={"password": SECRET})
    census = take_census(database, KeyRing(settings.key_file))
    assert census == Census(census.current, 0, (f"endpoint {endpoint_id}",))
    with pytest.raises(SecretsUnreadable):
        reencrypt(database, KeyRing(settings.key_file))
    with pytest.raises(SecretsUnreadable):
        rotate(database, settings.key_file, step_by_step=False, settle_seconds=0)
    assert len(read_key_file(settings.key_file).keys) == 2
