"""The store on each database: SQLite in a directory, private MariaDB and PostgreSQL servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coriolis.config import DatabaseSection, Settings, load_settings
from coriolis.model.secret import Secret
from coriolis.store.database import Database, open_database
from tests.services.tables import empty_tables

KINDS = ("sqlite", "mariadb", "postgresql")


def settings_of(state_dir: Path, url: str | None) -> Settings:
    settings = load_settings(state_dir=state_dir)
    section = DatabaseSection(connection=None if url is None else Secret(url))
    return settings.model_copy(update={"database": section})


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The tables are there, and empty."""
    if kind == "sqlite":
        return settings_of(tmp_path, None)
    url = request.getfixturevalue(f"{kind}_with_tables")
    empty_tables(url)
    return settings_of(tmp_path, url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def blank_settings(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """No tables yet."""
    url = None if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    return settings_of(tmp_path, url)
