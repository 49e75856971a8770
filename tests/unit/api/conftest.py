"""A server on a free loopback port: application, real SQLite store, engine, directories for clouds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.directory_cloud import make_cloud
from tests.unit.api.live_server import Clouds, LiveServer


@pytest.fixture
def clouds(tmp_path: Path) -> Clouds:
    """A source with two instances of 1 MiB, and an empty destination."""
    content = bytes(range(256)) * 4096
    source = make_cloud(tmp_path / "source", {"web": content, "db": content[::-1]})
    return Clouds(source, make_cloud(tmp_path / "destination"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "state", monkeypatch) as live:
        yield live
