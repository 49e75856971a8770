"""`coriolis serve` as a process that a test can kill; driven through the REST API as a client would."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

FINISHED = ("COMPLETED", "ERROR", "CANCELED", "DEADLOCKED")
# seconds: bounds against hanging, far above what TCG needs, on a machine with much else to do too
START, COPY, DEPLOY = 600.0, 2700.0, 2700.0


class RefusedError(Exception):
    """An answer of 400 and above; `status`, `code` (CORI-…) and the message with its hint."""

    def __init__(self, answer: requests.Response) -> None:
        error = answer.json()["error"]
        self.status = answer.status_code
        self.code = error.get("error_code")
        super().__init__(f"{error['message']} {error.get('hint') or ''}")


class Product:
    def __init__(self, state_dir: Path, config: Path, port: int) -> None:
        self.state_dir = state_dir
        self._config = config
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.log = state_dir / "serve.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1/e2e"

    def start(self) -> None:
        args = [str(Path(sys.executable).parent / "coriolis"), "serve", "--config-file", str(self._config)]
        args += ["--state-dir", str(self.state_dir), "--port", str(self._port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            try:
                if requests.get(f"http://127.0.0.1:{self._port}/healthz", timeout=10).ok:
                    return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.2)
        raise AssertionError(f"coriolis serve does not answer: {self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """As a power cut would: no handler runs."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.url}/{path}", json=body, timeout=120)
        if answer.status_code >= 400:
            raise RefusedError(answer)
        return answer.json() if answer.content else None

    def endpoint(self, name: str, platform: str, connection_info: dict[str, Any]) -> str:
        body = {
            "endpoint": {
                "name": name,
                "type": platform,
                "connection_info": connection_info,
                "mapped_regions": [],
            }
        }
        return str(self.call("POST", "endpoints", body)["endpoint"]["id"])

    def execute(self, transfer: str, shutdown: bool = False) -> str:
        body = {"execution": {"shutdown_instances": shutdown, "auto_deploy": False}}
        return str(self.call("POST", f"transfers/{transfer}/executions", body)["execution"]["id"])

    def execution(self, transfer: str, execution: str) -> dict[str, Any]:
        return dict(self.call("GET", f"transfers/{transfer}/executions/{execution}")["execution"])

    def wait_execution(self, transfer: str, execution: str, status: str = "COMPLETED") -> dict[str, Any]:
        return self._wait(lambda: self.execution(transfer, execution), "status", status, COPY)

    def deployment(self, deployment: str) -> dict[str, Any]:
        return dict(self.call("GET", f"deployments/{deployment}")["deployment"])

    def wait_deployment(self, deployment: str, status: str = "COMPLETED") -> dict[str, Any]:
        return self._wait(lambda: self.deployment(deployment), "last_execution_status", status, DEPLOY)

    def _wait(
        self, read: Callable[[], dict[str, Any]], key: str, wanted: str, seconds: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            found = read()
            if found[key] in FINISHED:
                assert found[key] == wanted, explain(found)
                return found
            assert time.monotonic() < deadline, f"still {found[key]}: {explain(found)}"
            time.sleep(0.5)

    def wait_moved(self, transfer: str, execution: str, count: int) -> None:
        """Until more than `count` bytes of payload went over."""
        deadline = time.monotonic() + COPY
        while moved(self.execution(transfer, execution)) <= count:
            assert time.monotonic() < deadline
            found = self.execution(transfer, execution)
            assert found["status"] not in FINISHED, explain(found)
            time.sleep(0.2)

    def leftovers(self) -> list[dict[str, Any]]:
        """What the ledger holds besides what is kept on purpose."""
        return [
            r for r in self.call("GET", "resources")["resources"] if r["state"] not in ("kept", "removed")
        ]


@contextmanager
def served(directory: Path, packages_dir: str, more_settings: str = "") -> Iterator[Product]:
    """With its state and its coriolis.conf in `directory`; a server that does not come up is stopped too."""
    state, config = directory / "state", directory / "coriolis.conf"
    state.mkdir()
    config.write_text(f"{more_settings}[osmorphing]\noffline_packages_dir = {packages_dir}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Product(state, config, port)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def progress(execution: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for task in execution["tasks"] for p in task["progress_updates"] if p.get("disk_id")]


def moved(execution: dict[str, Any]) -> int:
    return sum(p["moved_bytes"] or 0 for p in progress(execution))


def explain(action: dict[str, Any]) -> str:
    """The failed tasks with what they said."""
    told = [
        {
            "task": t["task_type"],
            "status": t["status"],
            "error": t["exception_details"],
            "events": [e["message"] for e in t["events"]],
        }
        for t in action.get("tasks", [])
        if t["status"] != "COMPLETED"
    ]
    return json.dumps(told, indent=1)
