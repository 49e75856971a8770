"""Brings the tables of a database to this version, and tells how far they are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from coriolis.errors import DatabaseBehind, DatabaseTooNew, EngineError
from coriolis.store.connection import writing

# Not Alembic's own default, which TaskFlow took in databases of the first version.
VERSION_TABLE = "coriolis_alembic_version"
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = "coriolis-db-upgrade"
_LOCK_NUMBER = 7667_0001  # PostgreSQL's advisory locks have numbers
_LOCK_ROUNDS, _LOCK_ROUND_SECONDS = 180, 10
_ALEMBIC = threading.Lock()  # its `op` and `context` are one for the whole process


class Standing(StrEnum):
    EMPTY = "empty"
    BEHIND = "behind"
    CURRENT = "up to date"
    TOO_NEW = "too new"


@dataclass(frozen=True, slots=True)
class Revisions:
    """`present` is the database's (None: no tables yet), `wanted` this version's."""

    standing: Standing
    present: str | None
    wanted: str


def upgrade(engine: sa.Engine) -> None:
    """Applies the migrations that are missing; of several at once the first does it. Raises DatabaseTooNew when
    the database holds one that this version lacks."""
    config = alembic_config()
    with writing(engine).begin() as connection, _alone(connection):
        found = revisions(connection)
        if found.standing is Standing.TOO_NEW:
            raise DatabaseTooNew(revision=found.present)
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, "head")


def require_current(engine: sa.Engine) -> None:
    """Raises DatabaseBehind or DatabaseTooNew."""
    with engine.connect() as connection:
        found = revisions(connection)
    if found.standing is Standing.TOO_NEW:
        raise DatabaseTooNew(revision=found.present)
    if found.standing is not Standing.CURRENT:
        raise DatabaseBehind(revision=found.present or "none", wanted=found.wanted)


def revisions(connection: sa.Connection) -> Revisions:
    scripts = ScriptDirectory.from_config(alembic_config())
    wanted = scripts.get_current_head() or ""
    present = current_revision(connection)
    if present is None:
        return Revisions(Standing.EMPTY, None, wanted)
    try:
        scripts.get_revision(present)
    except CommandError:
        return Revisions(Standing.TOO_NEW, present, wanted)
    standing = Standing.CURRENT if present == wanted else Standing.BEHIND
    return Revisions(standing, present, wanted)


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def current_revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """SQLite's transaction has the write lock already. MariaDB commits at each table it makes, so the lock has to
    be one of the session."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.exec_driver_sql(
            f"set local lock_timeout = 0; select pg_advisory_xact_lock({_LOCK_NUMBER})"
        )
    if dialect != "mysql":
        yield
        return
    name = connection.scalar(sa.select(sa.func.concat(_LOCK, ":", sa.func.database())))
    take = sa.select(sa.func.get_lock(sa.func.sha1(name), _LOCK_ROUND_SECONDS))
    if not any(connection.scalar(take) == 1 for _ in range(_LOCK_ROUNDS)):
        raise EngineError(message="Another upgrade of this database did not end within half an hour.")
    try:
        yield
    finally:
        connection.scalar(sa.select(sa.func.release_lock(sa.func.sha1(name))))
