"""The server of the API's tests, and the command line before it."""

from collections.abc import Callable

import pytest

from coriolis.cli.main import main
from tests.unit.api.conftest import clouds, server
from tests.unit.api.live_server import LiveServer

__all__ = ["clouds", "server"]

Coriolis = Callable[..., str]


@pytest.fixture
def coriolis(
    server: LiveServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Coriolis:
    """Runs a command and returns what it printed: standard output after a success, else standard error."""
    for name in ("OS_AUTH_URL", "OS_AUTH_TOKEN", "OS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CORIOLIS_ENDPOINT", server.url)
    monkeypatch.setattr("coriolis.cli.watch.POLL_SECONDS", 0.1)

    def run(*args: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = main(args)
        out, err = capsys.readouterr()
        assert ended == code, f"coriolis {' '.join(args)}: {ended}\n{out}{err}"
        return out if code == 0 else err

    return run
