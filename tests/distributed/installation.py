"""An installation of several processes: coriolis-api, and conductors of regions, on MariaDB and RabbitMQ."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

from coriolis.store.connection import open_engine
from coriolis.store.migrate import upgrade
from tests.services.mariadb import MariaDb
from tests.services.rabbitmq import RabbitMq
from tests.unit.api.directory_cloud import PLATFORM, connection, make_cloud

ROOT = Path(__file__).parents[2]
PROJECT = "p1"
TOPIC = "coriolis_notifications"
READY_SECONDS = 120
NEVER = 100_000.0  # seconds between looks for jobs: only a wake-up starts one


@dataclass
class Daemon:
    host: str
    process: "subprocess.Popen[str]"
    first_line: str
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


class Installation:
    """`daemons` by host. The broker is not started yet."""

    def __init__(self, directory: Path, mariadb: MariaDb) -> None:
        self.directory = directory
        self.database_url = mariadb.new_database()
        self.daemons: dict[str, Daemon] = {}
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        self.broker = RabbitMq()
        self._resources.callback(self.broker.close)
        engine = open_engine(self.database_url)
        upgrade(engine)
        engine.dispose()
        return self

    def __exit__(self, *failure: Any) -> None:
        for daemon in self.daemons.values():
            daemon.kill()
        self._resources.close()

    def settings(self, host: str, **more: dict[str, object]) -> Path:
        sections: dict[str, dict[str, object]] = {
            "DEFAULT": {"state_dir": self.directory / "state", "host": host},
            "api": {"port": 0},
            "database": {"connection": self.database_url},
            "service": {"heartbeat_seconds": 0.5, "down_seconds": 4},
            "messaging": {
                "transport_url": self.broker.url,
                "call_timeout": 30,
                "notification_topics": TOPIC,
            },
        }
        for section, values in more.items():
            sections.setdefault(section, {}).update(values)
        path = self.directory / f"{host}.conf"
        path.write_text(
            "".join(
                f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
                for section, values in sections.items()
            )
        )
        return path

    def start(self, which: str, host: str, **more: dict[str, object]) -> Daemon:
        """`which`: api or conductor. Returns when it is ready."""
        log = self.directory / f"{host}.log"
        command = [sys.executable, "-m", "tests.distributed.daemon", which]
        with log.open("a") as file:
            process = subprocess.Popen(
                [*command, "--config-file", str(self.settings(host, **more))],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        daemon = Daemon(host, process, line, log)
        self.daemons[host] = daemon
        assert line, log.read_text()
        return daemon

    @property
    def url(self) -> str:
        return f"{self.daemons['api1'].first_line.split()[-1]}/v1/{PROJECT}"

    def call(self, method: str, path: str, body: Any = None, *, expect: int | None = 200) -> Any:
        """The answer's JSON; fails unless the status is `expect` (None: whatever it is)."""
        answer = requests.request(method, self.url + path, json=body, timeout=120)
        told = f"{method} {path}: {answer.status_code} {answer.text}"
        assert expect is None or answer.status_code == expect, told
        return answer.json() if answer.content else None

    def statuses(self) -> dict[str, str]:
        return {item["host"]: item["status"] for item in self.call("GET", "/services")["services"]}

    def service(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            item for item in self.call("GET", "/services")["services"] if item["host"] == host
        )
        return found

    def region(self, name: str) -> str:
        return next(
            str(item["id"]) for item in self.call("GET", "/regions")["regions"] if item["name"] == name
        )

    def endpoint(self, name: str, *regions: str) -> str:
        """Over a cloud of its own, with one instance, `web`."""
        cloud = make_cloud(self.directory / "clouds" / name, {"web": bytes(range(256)) * 1024})
        body = {
            "name": name,
            "type": PLATFORM,
            "connection_info": connection(cloud),
            "mapped_regions": [self.region(region) for region in regions],
        }
        return str(self.call("POST", "/endpoints", {"endpoint": body})["endpoint"]["id"])

    def asked_by(self, name: str) -> set[str]:
        """Hosts that have asked this cloud."""
        path = self.directory / "clouds" / name / "asked_by"
        return set(path.read_text().split()) if path.exists() else set()

    def transfer(self, source: str, destination: str) -> str:
        body = {
            "scenario": "replica",
            "origin_endpoint_id": source,
            "destination_endpoint_id": destination,
            "instances": ["web"],
            "network_map": {"blue": "net-2"},
            "destination_environment": {"network": "net-1"},
        }
        return str(self.call("POST", "/transfers", {"transfer": body})["transfer"]["id"])

    def execute(self, transfer: str) -> str:
        body = {"execution": {"shutdown_instances": False, "auto_deploy": False}}
        return str(self.call("POST", f"/transfers/{transfer}/executions", body)["execution"]["id"])

    def execution(self, transfer: str, execution: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/transfers/{transfer}/executions/{execution}")["execution"]
        return found

    def completed(self, transfer: str, execution: str) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def ended() -> bool:
            last.update(self.execution(transfer, execution))
            return last["status"] in ("COMPLETED", "ERROR", "CANCELED", "DEADLOCKED")

        until(ended)
        assert last["status"] == "COMPLETED", last
        return last


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.2)
