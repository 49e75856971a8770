"""What others are told of a run."""

import json
from collections.abc import Callable
from typing import Any

from coriolis.engine.announcements import Announcements, Event
from tests.unit.api.conftest import clouds, server
from tests.unit.api.directory_cloud import PASSWORD
from tests.unit.api.live_server import Clouds, LiveServer

__all__ = ["clouds", "server"]


class _Told:
    """Composes at once, as if it were the messenger's thread."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], bool]] = []

    def notify(self, compose: Callable[[], Event], *, error: bool = False) -> None:
        event_type, payload = compose()
        self.events.append((event_type, dict(payload), error))


def _listening(server: LiveServer) -> _Told:
    told = _Told()
    server.engine.database.listeners.append(Announcements(server.engine.database, told).status_changed)
    return told


def test_a_run_begins_and_ends(server: LiveServer, clouds: Clouds) -> None:
    told = _listening(server)
    transfer = server.transfer(clouds)
    execution = server.execute(transfer)
    server.execution_ended(transfer, execution)
    body = {"deployment": {"transfer_id": transfer}}
    deployment = server.call("POST", "/deployments", body)["deployment"]["id"]
    server.deployment_ended(deployment)
    assert [(kind, error) for kind, _, error in told.events] == [
        ("transfer.execution.start", False),
        ("transfer.execution.end", False),
        ("deployment.start", False),
        ("deployment.end", False),
    ]
    payload = told.events[1][1]
    assert (payload["execution_id"], payload["transfer_id"]) == (execution, transfer)
    assert (payload["status"], payload["instances"], payload["project_id"]) == ("COMPLETED", ["web"], "p1")
    assert told.events[3][1]["deployment_id"] == deployment
    assert PASSWORD not in json.dumps(told.events)


def test_a_failure_is_an_error_and_a_cancel_an_end(server: LiveServer, clouds: Clouds) -> None:
    told = _listening(server)
    transfer = server.transfer(clouds)
    hold = server.hold()
    execution = server.execute(transfer)
    server.call("POST", f"/transfers/{transfer}/executions/{execution}/actions", {"cancel": None}, expect=204)
    server.execution_ended(transfer, execution)
    hold.unlink()
    assert (told.events[-1][0], told.events[-1][1]["status"]) == ("transfer.execution.end", "CANCELED")
    (clouds.source / "password").write_text("another")
    execution = server.execute(transfer)
    server.execution_ended(transfer, execution)
    assert told.events[-1][0] == "transfer.execution.error"
    assert told.events[-1][2] is True
