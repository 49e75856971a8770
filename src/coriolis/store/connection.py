"""Connections to SQLite, MariaDB/MySQL and PostgreSQL that behave alike: READ COMMITTED where writers can meet,
UTC, strict values, nothing that waits for ever, and no value of a statement in any error's text."""

import time
from functools import partial
from typing import Any

import sqlalchemy as sa

from coriolis.config import DatabaseSection, Settings
from coriolis.errors import InvalidInput

_BUSY_MILLISECONDS = 30_000  # one writer at a time: a slow disk's fsync must not turn into an error
# Whoever waits for a row does so longer than a stopped process can hold it: a conductor that was paused in the
# middle of a transaction must not stop all others with it.
_LOCK_WAIT_SECONDS = 20
_IDLE_TRANSACTION_SECONDS = 10
_IMMEDIATE = "coriolis_immediate"
# Of a connection that rested no longer nobody asks whether it lives: no server restarts in that time, and the
# question is one in three of all that a busy conductor would send.
_TRUSTED_SECONDS = 1.0
_RESTS_SINCE = "coriolis_rests_since"
_ENDED = "coriolis_ended"
# As operators write them, to the drivers that Coriolis brings along.
_DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def database_url(settings: Settings) -> sa.URL:
    """Shows its password neither as str() nor as repr(). Raises InvalidInput, which does not quote the setting."""
    if settings.database.connection is None:
        return sa.URL.create("sqlite", database=str(settings.state_dir / "coriolis.sqlite"))
    return parse_url(settings.database.connection.reveal())


def parse_url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise InvalidInput(
            message="[database] connection: not a URL such as mysql+pymysql://user:password@host/coriolis."
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() == "mysql" and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def open_engine(
    url: sa.URL | str, section: DatabaseSection | None = None, *, patient: bool = False
) -> sa.Engine:
    """Connects to nothing yet. `patient`: statements may take as long as they take, as those of a migration do.

    Raises InvalidInput where the URL names a database or driver that is not there.
    """
    url = parse_url(url) if isinstance(url, str) else url
    section = section or DatabaseSection()
    try:
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(url)
        return _open_server(url, section, patient=patient)
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise InvalidInput(message=f"[database] connection: {error}.") from None


def writing(engine: sa.Engine) -> sa.Engine:
    """The same engine, whose transactions take SQLite's write lock when they begin: one that began by reading
    cannot wait for it later (SQLITE_BUSY_SNAPSHOT)."""
    return engine.execution_options(**{_IMMEDIATE: True})


def ended(connection: sa.Connection) -> None:
    """Its transaction was committed: when the pool takes it back there is nothing to be undone, which costs a busy
    conductor a statement in six."""
    connection.info[_ENDED] = True


def _open_sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=20, max_overflow=20, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_server(url: sa.URL, section: DatabaseSection, *, patient: bool) -> sa.Engine:
    mysql = url.get_backend_name() == "mysql"
    arguments = _mysql_arguments(section, patient) if mysql else _postgresql_arguments(section, patient)
    engine = sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_reset_on_return=None,  # _reset undoes what has not ended
        pool_size=section.max_pool_size,
        max_overflow=section.max_overflow,
        pool_timeout=section.pool_timeout,
        pool_recycle=section.connection_recycle_time,
        hide_parameters=True,
        connect_args=arguments,
    )
    if mysql:
        sa.event.listen(engine, "connect", _prepare_mysql)
    sa.event.listen(engine, "reset", _reset)
    sa.event.listen(engine, "checkin", _rest)
    sa.event.listen(engine, "checkout", partial(_require_alive, engine.dialect))
    return engine


def _reset(connection: Any, record: Any, _state: Any) -> None:
    if not record.info.pop(_ENDED, False):
        connection.rollback()


def _rest(_connection: Any, record: Any) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def _require_alive(dialect: sa.Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    """A restart of the server costs no transaction that has not begun."""
    rests_since = record.info.get(_RESTS_SINCE)
    if rests_since is None or time.monotonic() - rests_since < _TRUSTED_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.InvalidatePoolError from error


def _mysql_arguments(section: DatabaseSection, patient: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {"connect_timeout": section.connect_timeout}
    if not patient:
        arguments |= {"read_timeout": section.read_timeout, "write_timeout": section.read_timeout}
    return arguments


def _postgresql_arguments(section: DatabaseSection, patient: bool) -> dict[str, Any]:
    milliseconds = {
        "lock_timeout": _LOCK_WAIT_SECONDS * 1000,
        "statement_timeout": 0 if patient else section.read_timeout * 1000,
        "idle_in_transaction_session_timeout": 0 if patient else _IDLE_TRANSACTION_SECONDS * 1000,
    }
    options = [f"-c {key}={value}" for key, value in milliseconds.items()]
    return {
        "connect_timeout": section.connect_timeout,
        "options": " ".join([*options, "-c TimeZone=UTC"]),
        # a host that vanished does not answer even with a reset
        "keepalives_idle": section.read_timeout,
        "tcp_user_timeout": section.read_timeout * 1000,
    }


def _prepare_mysql(connection: Any, _record: Any) -> None:
    settings = {
        "time_zone": "'+00:00'",  # leases are read off the clock, which summer time sets back an hour elsewhere
        "sql_mode": "'TRADITIONAL'",  # a value that does not fit is an error rather than cut off
        "innodb_lock_wait_timeout": _LOCK_WAIT_SECONDS,
    }
    if "MariaDB" in connection.get_server_info():
        # not idle_write_...: one that has only locked rows so far, as every fenced write begins, counts as reading
        settings["idle_transaction_timeout"] = _IDLE_TRANSACTION_SECONDS
    with connection.cursor() as cursor:
        cursor.execute("set " + ", ".join(f"session {key} = {value}" for key, value in settings.items()))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: _begin_sqlite does
    for pragma in (
        f"busy_timeout={_BUSY_MILLISECONDS}",
        "journal_mode=wal",
        "synchronous=full",  # a committed ledger row must survive the power cut that the create call survived
        "foreign_keys=on",
    ):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
