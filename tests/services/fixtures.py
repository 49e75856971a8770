"""The servers as fixtures: one of each kind for a session, started by the first test that asks."""

from collections.abc import Iterator

import pytest

from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql
from tests.services.rabbitmq import RabbitMq
from tests.services.redis import Redis
from tests.services.tables import make_tables


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    with RabbitMq() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDb) -> str:
    """An empty database."""
    return mariadb.new_database()


@pytest.fixture
def postgresql_url(postgresql: PostgreSql) -> str:
    """An empty database."""
    return postgresql.new_database()


@pytest.fixture
def redis_url(redis: Redis) -> str:
    """An empty database."""
    return redis.new_database()


@pytest.fixture(scope="session")
def mariadb_with_tables(mariadb: MariaDb) -> str:
    """One database with Coriolis' tables; whoever uses it empties it first (`tests.services.tables`)."""
    return _with_tables(mariadb.new_database())


@pytest.fixture(scope="session")
def postgresql_with_tables(postgresql: PostgreSql) -> str:
    """As `mariadb_with_tables`."""
    return _with_tables(postgresql.new_database())


def _with_tables(url: str) -> str:
    make_tables(url)
    return url
