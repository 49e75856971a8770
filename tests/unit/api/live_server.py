"""The server that the tests speak to, and what they say to it."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import requests
import uvicorn

from coriolis.api.app import create_app
from coriolis.config import Settings, load_settings
from coriolis.engine.service import Engine
from tests.unit.api.directory_cloud import PLATFORM, DirectoryProvider, connection, find_provider
from tests.unit.api.stand_ins import HOLD, StandIns

PROJECT = "p1"


@dataclass(frozen=True)
class Clouds:
    source: Path
    destination: Path


class LiveServer:
    """`url` is the base with the project. Bulk copies run as file copies in this process, and morphing does
    nothing, since the workers of a directory cloud are no machines."""

    def __init__(
        self, state_dir: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings | None = None
    ) -> None:
        state_dir.mkdir()
        self.state_dir = state_dir
        self.settings = settings or load_settings(None, state_dir=state_dir)
        self.root_url = ""
        self.url = ""
        self._resources = ExitStack()
        stand_ins = StandIns(state_dir)
        monkeypatch.setattr("coriolis.steps.replicate_disks.run_copy_job", stand_ins.copy)
        monkeypatch.setattr("coriolis.steps.morph_os.run_morph_job", stand_ins.morph)

    def __enter__(self) -> Self:
        engine = Engine(
            self.settings,
            find_provider=find_provider,
            all_providers=lambda: {PLATFORM: DirectoryProvider()},
        )
        self.engine = self._resources.enter_context(engine)
        app = create_app(engine.frontdoor, engine.database, self.settings)
        server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        self._resources.callback(thread.join, 10)
        self._resources.callback(setattr, server, "should_exit", True)
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.root_url = f"http://127.0.0.1:{port}"
        self.url = f"{self.root_url}/v1/{PROJECT}"
        return self

    def __exit__(self, *failure: Any) -> None:
        self._resources.close()

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **query: Any) -> Any:
        """The answer's JSON; fails unless the status is `expect`."""
        answer = requests.request(method, self.url + path, json=body, params=query, timeout=30)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def endpoint(self, name: str, cloud: Path) -> str:
        body = {"name": name, "type": PLATFORM, "description": None, "connection_info": connection(cloud)}
        made: str = self.call("POST", "/endpoints", {"endpoint": body})["endpoint"]["id"]
        return made

    def transfer(self, clouds: Clouds, *instances: str, **more: Any) -> str:
        body = {
            "scenario": "replica",
            "origin_endpoint_id": self.endpoint("here", clouds.source),
            "destination_endpoint_id": self.endpoint("there", clouds.destination),
            "instances": list(instances) or ["web"],
            "network_map": {"blue": "net-2"},
            "destination_environment": {"network": "net-1"},
            **more,
        }
        made: str = self.call("POST", "/transfers", {"transfer": body})["transfer"]["id"]
        return made

    def execute(self, transfer: str) -> str:
        path = f"/transfers/{transfer}/executions"
        execution: str = self.call(
            "POST", path, {"execution": {"shutdown_instances": False, "auto_deploy": False}}
        )["execution"]["id"]
        return execution

    def execution_ended(self, transfer: str, execution: str) -> dict[str, Any]:
        return self._ended(f"/transfers/{transfer}/executions/{execution}", "execution", "status")

    def deployment_ended(self, deployment: str) -> dict[str, Any]:
        return self._ended(f"/deployments/{deployment}", "deployment", "last_execution_status")

    def _ended(self, path: str, name: str, status: str) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def ended() -> bool:
            last.update(self.call("GET", path)[name])
            return last[status] in ("COMPLETED", "ERROR", "CANCELED", "DEADLOCKED")

        wait_for(ended)
        return last

    def hold(self) -> Path:
        """Copies and morphings go on until this file is removed."""
        path = self.state_dir / HOLD
        path.touch()
        return path


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)
