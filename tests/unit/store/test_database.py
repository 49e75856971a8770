"""Opening, upgrading, the clock, the key."""

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from coriolis.config import Settings
from coriolis.errors import DatabaseBehind, DatabaseTooNew, SecretsUnreadable
from coriolis.store.clock import clock
from coriolis.store.connection import database_url, open_engine
from coriolis.store.database import Database, open_database
from coriolis.store.keys import open_codec, protect, reveal
from coriolis.store.migrate import VERSION_TABLE, Standing, revisions, upgrade
from coriolis.store.tables import METADATA


def test_migrations_from_empty_give_the_tables_of_the_code(blank_settings: Settings) -> None:
    engine = open_engine(database_url(blank_settings), patient=True)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []
    upgrade(engine)  # again: nothing to do
    engine.dispose()


def test_two_upgrades_at_once_do_no_harm(blank_settings: Settings) -> None:
    def once() -> None:
        engine = open_engine(database_url(blank_settings), patient=True)
        upgrade(engine)
        engine.dispose()

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(once) for _ in range(3)]:
            done.result()
    engine = open_engine(database_url(blank_settings))
    with engine.connect() as connection:
        assert revisions(connection).standing is Standing.CURRENT
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(settings: Settings, kind: str) -> None:
    database = open_database(settings)
    present = set_revision(database, "9999")
    try:
        with pytest.raises(DatabaseTooNew, match="9999"):
            open_database(settings)
        with pytest.raises(DatabaseTooNew, match="9999"):
            upgrade(database.engine)
    finally:
        set_revision(database, present)
    database.close()


def test_only_an_embedded_server_upgrades_by_itself(
    blank_settings: Settings, kind: str, tmp_path: Path
) -> None:
    if kind == "sqlite":
        open_database(blank_settings).close()
        return
    with pytest.raises(DatabaseBehind, match="coriolis-manage db upgrade"):
        open_database(blank_settings)
    engine = open_engine(database_url(blank_settings), patient=True)
    upgrade(engine)
    open_database(blank_settings).close()
    engine.dispose()


def set_revision(database: Database, revision: str) -> str:
    """Returns what it was."""
    with database.write() as connection:
        present = str(connection.scalar(sa.text(f"select version_num from {VERSION_TABLE}")))  # noqa: S608
        connection.exec_driver_sql(f"update {VERSION_TABLE} set version_num = '{revision}'")  # noqa: S608
    return present


@pytest.mark.parametrize("dialect", ["mysql", "postgresql", "sqlite"])
def test_the_tables_can_be_written_in_each_dialect(dialect: str) -> None:
    from sqlalchemy.dialects import registry
    from sqlalchemy.schema import CreateTable

    chosen = registry.load(dialect)()
    for table in METADATA.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=chosen))


@pytest.mark.parametrize("kind", ["sqlite"])
def test_sqlite_is_durable_and_checks_foreign_keys(database: Database) -> None:
    with database.read() as connection:
        found = [
            connection.exec_driver_sql(f"pragma {p}").scalar()
            for p in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


def test_the_databases_clock_has_fractions_and_is_right(database: Database) -> None:
    with database.read() as connection:
        seen = {connection.scalar(sa.select(clock(database.engine.dialect.name))) for _ in range(3)}
    first = min(seen)
    assert first is not None
    assert abs(first - time.time()) < 5
    assert any(value != int(value) for value in seen)


def test_writers_wait_for_each_other(database: Database) -> None:
    database.endpoints.create(user_id="u", project_id="p", name="n", type="t", connection_info={})

    def write(number: int) -> None:
        for _ in range(10):
            database.endpoints.create(
                user_id="u", project_id="p", name=f"{number}", type="t", connection_info={}
            )

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database.endpoints.list("p")) == 41


def test_the_key_file_is_private_and_lasts(tmp_path: Path) -> None:
    codec = open_codec(tmp_path)
    mode = stat.S_IMODE((tmp_path / "secrets.key").stat().st_mode)
    assert mode == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secrets.key"]
    assert open_codec(tmp_path).decrypt(codec.encrypt("x")) == "x"
    ciphertext = codec.encrypt("x")
    (tmp_path / "secrets.key").unlink()
    with pytest.raises(SecretsUnreadable, match="another key"):
        open_codec(tmp_path).decrypt(ciphertext)
    (tmp_path / "secrets.key").write_text("not a key")
    with pytest.raises(SecretsUnreadable, match="does not hold a key"):
        open_codec(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        {"password": "p", "user": "u"},
        {"ceph": {"keyring_text": "k", "pool": "x"}, "list": [{"api_token": "t"}, 3, None]},
        {"passwords": {"linux": "p", "windows": "q"}, "keys": ["a", "b"]},
        {"secret": "s"},
        {"secret": {"secret": "s", "a": "b"}},
        {"x": {"secret": {"secret": {"secret": "s"}}}},
        {"password": None, "key": 7, "token": ""},
    ],
)
def test_secrets_of_any_shape_go_in_and_come_back(tmp_path: Path, value: dict[str, object]) -> None:
    codec = open_codec(tmp_path)
    stored = protect(value, codec)
    assert reveal(stored, codec) == value
    assert '"p"' not in repr(stored).replace("'", '"')


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_database_that_is_busy_is_waited_for(settings: Settings, database: Database) -> None:
    done = threading.Event()

    def hold() -> None:
        with database.write():
            done.wait(1)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.2)
    with open_database(settings).write() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
    done.set()
    holder.join()
