"""Every test runs on every board, and names the guarantee it holds the board to; what a board does not give is
expected to fail, and a test fails that passes there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.jobboard.guarantees import GUARANTEES, UNMET
from tests.conformance.jobboard.kits import Kit, RedisKit, SqlKit
from tests.services.tables import empty_tables, make_tables


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "guarantee(name): what the test holds a jobboard to")


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory: Path = tmp_path_factory.mktemp("jobboard")
    url = f"sqlite:///{directory / 'board.sqlite'}"
    make_tables(url)
    return url


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
    url = request.getfixturevalue(f"{request.param}_with_tables")
    empty_tables(url)
    return SqlKit(url)
