"""A run that waits says where in the line, and for what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import EngineSection, load_settings
from tests.unit.api.live_server import Clouds, LiveServer, wait_for


@pytest.fixture
def narrow_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """One job at a time on an endpoint."""
    state_dir = tmp_path / "state"
    engine = EngineSection(max_jobs_per_endpoint=1)
    settings = load_settings(None, state_dir=state_dir).model_copy(update={"engine": engine})
    with LiveServer(state_dir, monkeypatch, settings) as live:
        yield live


def place(execution: dict[str, Any]) -> tuple[int | None, str | None]:
    return execution["queue_position"], execution["queue_reason"]


def test_a_run_that_waits_says_where_and_why(narrow_server: LiveServer, clouds: Clouds) -> None:
    server = narrow_server
    hold = server.hold()
    first = server.transfer(clouds, "web")
    made = server.call("GET", f"/transfers/{first}")["transfer"]
    ends = {key: made[key] for key in ("origin_endpoint_id", "destination_endpoint_id")}
    running = server.execute(first)
    first_path = f"/transfers/{first}/executions/{running}"
    wait_for(lambda: server.call("GET", first_path)["execution"]["status"] == "RUNNING")
    waiting = []
    for number in (1, 2):
        transfer = server.transfer(clouds, "db", **ends)
        waiting.append((transfer, server.execute(transfer)))
        path = f"/transfers/{transfer}/executions"
        shown = server.call("GET", f"{path}/{waiting[-1][1]}")["execution"]
        (listed,) = server.call("GET", path)["executions"]
        (nested,) = server.call("GET", f"/transfers/{transfer}")["transfer"]["executions"]
        assert place(shown) == place(listed) == place(nested) == (number, "endpoint limit")
    assert place(server.call("GET", first_path)["execution"]) == (None, None)
    hold.unlink()
    for transfer, execution in [(first, running), *waiting]:
        assert place(server.execution_ended(transfer, execution)) == (None, None)
