"""Every test runs on every board, and names the guarantee it holds the board to; what a board does not give is
expected to fail, and a test fails that passes there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.jobboard.guarantees import GUARANTEES, UNMET
from tests.conformance.jobboard.kits import Kit, RedisKit, SqlKit, make_tables
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "guarantee(name): what the test holds a jobboard to")


@pytest.fixture(scope="session")
def sqlite_board(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory: Path = tmp_path_factory.mktemp("jobboard")
    return make_tables(f"sqlite:///{directory / 'board.sqlite'}")


@pytest.fixture(scope="session")
def mariadb_board(mariadb: MariaDb) -> str:
    return make_tables(mariadb.new_database())


@pytest.fixture(scope="session")
def postgresql_board(postgresql: PostgreSql) -> str:
    return make_tables(postgresql.new_database())


@pytest.fixture(params=["sqlite", "mariadb", "postgresql", "redis"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    marker = request.node.get_closest_marker("guarantee")
    (guarantee,) = marker.args
    assert guarantee in GUARANTEES
    unmet = UNMET.get(request.param, {})
    if guarantee in unmet:
        request.applymarker(pytest.mark.xfail(reason=unmet[guarantee], strict=True))
    kit = _kit(request)
    yield kit
    kit.close()


def _kit(request: pytest.FixtureRequest) -> Kit:
    if request.param == "redis":
        return RedisKit(request.getfixturevalue("redis_url"))
    return SqlKit(request.getfixturevalue(f"{request.param}_board"))
