"""Secrets go in and never come out: not in answers, not in the database, not in the log."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.unit.api.directory_cloud import PASSWORD, PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer

TEMPLATE_PASSWORD = "another secret of the template"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every answer that the server gives."""
    seen: list[str] = []
    plain = requests.request

    def recorded(*args: Any, **kwargs: Any) -> requests.Response:
        answer = plain(*args, **kwargs)
        seen.append(answer.text + repr(answer.headers))
        return answer

    monkeypatch.setattr(requests, "request", recorded)
    return seen


def test_secrets_never_come_out(
    server: LiveServer, clouds: Clouds, answers: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transfer = server.transfer(
        clouds,
        destination_environment={
            "network": "net-1",
            "migr_template_password_map": {"linux": TEMPLATE_PASSWORD, "windows": ""},
        },
    )
    endpoint = server.call("GET", "/endpoints")["endpoints"][0]
    assert endpoint["connection_info"]["password"] == "***"
    assert endpoint["connection_info"]["username"] == "tester"
    server.call("GET", f"/endpoints/{endpoint['id']}")
    server.call("POST", f"/endpoints/{endpoint['id']}/actions", {"validate-connection": None})
    ended = server.execution_ended(transfer, server.execute(transfer))
    assert ended["status"] == "COMPLETED"
    deployment = server.call("POST", "/deployments", {"deployment": {"transfer_id": transfer}})["deployment"]
    done = server.deployment_ended(deployment["id"])
    assert done["destination_environment"]["migr_template_password_map"] == {"linux": "***", "windows": ""}
    for listing in ("/transfers/detail?include_task_info=true", "/deployments/detail", "/resources?all=true"):
        server.call("GET", listing)
    server.call(
        "POST",
        "/endpoints",
        {"endpoint": {"name": 1, "connection_info": connection(clouds.source)}},
        expect=400,
    )

    everything = "\n".join(answers) + caplog.text
    assert "***" in everything
    for secret in (PASSWORD, TEMPLATE_PASSWORD, "worker password"):
        assert secret not in everything
        _assert_not_stored(server.state_dir, secret)


def _assert_not_stored(state_dir: Path, secret: str) -> None:
    for path in state_dir.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_a_mask_that_comes_back_keeps_the_secret(server: LiveServer, clouds: Clouds) -> None:
    endpoint = server.endpoint("e", clouds.source)
    path = f"/endpoints/{endpoint}"
    shown = server.call("GET", path)["endpoint"]
    shown["connection_info"]["username"] = "somebody else"
    sent = {
        name: shown[name] for name in ("name", "type", "description", "connection_info", "mapped_regions")
    }
    server.call("PUT", path, {"endpoint": sent})
    stored = server.engine.database.endpoints.get(endpoint).connection_info
    assert stored == {"directory": str(clouds.source), "username": "somebody else", "password": PASSWORD}
    valid = server.call("POST", f"{path}/actions", {"validate-connection": None})["validate-connection"][
        "valid"
    ]
    assert valid is True

    server.call("PUT", path, {"endpoint": {"connection_info": connection(clouds.source, "new one")}})
    assert server.engine.database.endpoints.get(endpoint).connection_info["password"] == "new one"


def test_a_masked_environment_that_comes_back_keeps_the_secret(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds, destination_environment={"template_password": TEMPLATE_PASSWORD})
    shown = server.call("GET", f"/transfers/{transfer}")["transfer"]["destination_environment"]
    assert shown["template_password"] == "***"
    body = {"destination_environment": {**shown, "network": "net-2"}}
    server.call("PUT", f"/transfers/{transfer}", {"transfer": body})
    stored = server.engine.database.transfers.get(transfer).destination_environment
    assert stored["template_password"] == TEMPLATE_PASSWORD
    assert stored["network"] == "net-2"


def test_a_refused_body_is_not_quoted(server: LiveServer) -> None:
    body = {"endpoint": {"name": "e", "type": PLATFORM, "connection_info": [PASSWORD], "password": PASSWORD}}
    assert PASSWORD not in json.dumps(server.call("POST", "/endpoints", body, expect=400))
