"""Deadlocks, lost connections, a database that is away: what is done again, what is not, and that nothing hangs."""

import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from coriolis.config import DatabaseSection, Settings
from coriolis.store import connection as connections
from coriolis.store.connection import database_url, open_engine, parse_url
from coriolis.store.database import Database, open_database
from coriolis.store.faults import CommitOutcomeUnknown, is_passing, is_unavailable
from coriolis.store.tables import ENDPOINT
from tests.services.mariadb import MariaDb
from tests.services.tables import make_tables
from tests.unit.store.conftest import settings_of

SERVERS = pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
PATIENCE = 60.0


def endpoints(database: Database, *names: str) -> list[str]:
    return [
        database.endpoints.create(user_id="u", project_id="p", name=n, type="t", connection_info={}).id
        for n in names
    ]


def describe(connection: sa.Connection, endpoint_id: str, text: str) -> None:
    connection.execute(sa.update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(description=text))


@SERVERS
def test_a_deadlock_costs_one_of_the_two_a_second_try(database: Database) -> None:
    ids = endpoints(database, "a", "b")
    meet = threading.Barrier(2)
    attempts = []

    def cross(first: str, second: str, text: str) -> None:
        tries = []

        def work(connection: sa.Connection) -> None:
            tries.append(1)
            describe(connection, first, text)
            if len(tries) == 1:
                meet.wait(PATIENCE)
            describe(connection, second, text)

        database.transact(work)
        attempts.append(len(tries))

    threads = [
        threading.Thread(target=cross, args=(*order, text)) for order, text in ((ids, "x"), (ids[::-1], "y"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(attempts) == [1, 2]
    assert len({e.description for e in database.endpoints.list("p")}) == 1


def kill_session(database: Database, connection: sa.Connection) -> None:
    if database.engine.dialect.name == "mysql":
        number = connection.scalar(sa.text("select connection_id()"))
        statement = f"kill {number}"
    else:
        number = connection.scalar(sa.text("select pg_backend_pid()"))
        statement = f"select pg_terminate_backend({number})"
    with database.engine.connect() as other:
        other.exec_driver_sql(statement)


@SERVERS
def test_a_connection_lost_before_the_commit_is_no_loss(database: Database) -> None:
    (endpoint_id,) = endpoints(database, "a")
    tries = []

    def work(connection: sa.Connection) -> None:
        tries.append(1)
        describe(connection, endpoint_id, f"try {len(tries)}")
        if len(tries) == 1:
            kill_session(database, connection)
            time.sleep(0.2)
            describe(connection, endpoint_id, "never")

    database.transact(work)
    assert database.endpoints.get(endpoint_id).description == "try 2"


@SERVERS
def test_a_commit_of_unknown_outcome_is_never_repeated(database: Database) -> None:
    (endpoint_id,) = endpoints(database, "a")
    tries = []

    def work(connection: sa.Connection) -> None:
        tries.append(1)
        describe(connection, endpoint_id, "?")
        kill_session(database, connection)
        time.sleep(0.2)

    with pytest.raises(CommitOutcomeUnknown) as caught:
        database.transact(work)
    assert (len(tries), is_passing(caught.value), is_unavailable(caught.value)) == (1, False, True)
    assert database.endpoints.list("p")  # the next ones have connections that work


@SERVERS
def test_who_was_stopped_inside_a_transaction_holds_up_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_IDLE_TRANSACTION_SECONDS", 1)
    database = open_database(settings)
    (endpoint_id,) = endpoints(database, "a")
    with pytest.raises(sa.exc.SQLAlchemyError), database.write() as stopped:  # noqa: PT012
        describe(stopped, endpoint_id, "stopped")
        database.endpoints.update(endpoint_id, description="went on")
        describe(stopped, endpoint_id, "too late")
    assert database.endpoints.get(endpoint_id).description == "went on"
    database.close()


@pytest.fixture
def own_server() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


def test_a_database_that_is_away_is_an_error_at_once_and_comes_back(
    own_server: MariaDb, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = own_server.new_database()
    make_tables(url)
    settings = settings_of(tmp_path_factory.mktemp("state"), url)
    section = settings.database.model_copy(update={"read_timeout": 2, "connect_timeout": 2})
    database = open_database(settings.model_copy(update={"database": section}))
    endpoints(database, "a")
    own_server.pause()
    began = time.monotonic()
    for call in (lambda: database.endpoints.list("p"), lambda: endpoints(database, "b")):
        with pytest.raises(sa.exc.SQLAlchemyError) as caught:
            call()
        assert is_unavailable(caught.value)
    assert time.monotonic() - began < PATIENCE
    own_server.resume()
    own_server.kill()
    with pytest.raises(sa.exc.OperationalError) as refused:
        database.endpoints.list("p")
    assert is_unavailable(refused.value)
    own_server.start()
    assert [e.name for e in database.endpoints.list("p")] == ["a"]
    database.close()


def test_no_error_and_no_url_shows_the_password_or_a_value(database: Database, settings: Settings) -> None:
    url = database_url(settings)
    password = url.password or "none"
    for shown in (str(url), repr(url), repr(settings), repr(database.engine)):
        assert password == "none" or password not in shown
    endpoints(database, "a")
    with pytest.raises(sa.exc.IntegrityError) as caught, database.write() as connection:  # noqa: PT012
        row = dict(connection.execute(sa.select(ENDPOINT)).mappings().one())
        connection.execute(sa.insert(ENDPOINT).values(**{**row, "description": "tiptop-geheim"}))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("mysql://u:p@h/d", "mysql+pymysql"),
        ("mariadb://u:p@h/d", "mysql+pymysql"),
        ("mysql+pymysql://u:p@h/d?charset=utf8mb4", "mysql+pymysql"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:////x", "sqlite"),
    ],
)
def test_urls_as_operators_write_them(written: str, driver: str) -> None:
    url = parse_url(written)
    assert url.drivername == driver
    assert url.get_backend_name() != "mysql" or url.query["charset"] == "utf8mb4"


@pytest.mark.parametrize("wrong", ["tiptop geheim", "nosuch://u:geheim@h/d", "mysql+nosuch://u:geheim@h/d"])
def test_a_wrong_url_is_refused_without_showing_it(wrong: str) -> None:
    from coriolis.errors import InvalidInput

    with pytest.raises(InvalidInput, match="connection") as caught:
        open_engine(wrong, DatabaseSection())
    assert "geheim" not in str(caught.value)
