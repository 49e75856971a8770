"""Brings the tables of a database to this version."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from taskflow.persistence.backends.impl_sqlalchemy import SQLAlchemyBackend

from coriolis.errors import DatabaseTooNew

# Not Alembic's own default: TaskFlow's migrations keep theirs in the same database under that name.
VERSION_TABLE = "coriolis_alembic_version"
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: sa.Engine) -> None:
    """Applies the migrations that are missing. Raises DatabaseTooNew when it holds one that this version
    lacks."""
    config = alembic_config()
    with engine.begin() as connection:
        present = current_revision(connection)
        if present is not None:
            try:
                ScriptDirectory.from_config(config).get_revision(present)
            except CommandError as error:
                raise DatabaseTooNew(revision=present) from error
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    SQLAlchemyBackend({}, engine=engine).get_connection().upgrade()


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def current_revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()
