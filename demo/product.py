"""Coriolis as its user sees it: `coriolis serve` in the background and the command line in front of it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from demo.console import Console

BIN = Path(sys.executable).parent
PROJECT = "demo"


@dataclass(frozen=True)
class Figures:
    """Bytes of one execution, over all disks, and the seconds of the copy alone."""

    size: int
    moved: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.size / self.seconds if self.seconds else 0.0


def tied(args: list[str]) -> list[str]:
    """A command that ends with the demo, also when that is killed."""
    return ["setpriv", "--pdeathsig", "TERM", *args]


class Product:
    def __init__(self, console: Console, state_dir: Path, port: int, config: Path | None) -> None:
        self._console = console
        self._state_dir = state_dir
        self._port = port
        self._config = config
        self.url = f"http://127.0.0.1:{port}/v1/{PROJECT}"
        self.pid_file = state_dir / "serve.pid"

    def serve(self) -> None:
        """Starts the process and waits until it answers; it stays when the demo ends."""
        args = [
            str(BIN / "coriolis"),
            "serve",
            "--state-dir",
            str(self._state_dir),
            "--port",
            str(self._port),
        ]
        if self._config:
            args += ["--config-file", str(self._config)]
        self._console.command(args)
        with (self._state_dir / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid_file.write_text(str(process.pid))
        for _ in range(300):
            if process.poll() is not None:
                sys.exit(
                    f"demo: coriolis serve ended ({process.returncode}), see {self._state_dir}/serve.log"
                )
            try:
                if requests.get(f"http://127.0.0.1:{self._port}/healthz", timeout=2).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.2)
        sys.exit(f"demo: coriolis serve does not answer, see {self._state_dir}/serve.log")

    def stop(self) -> None:
        """Stops the process of an earlier demo, if it is one."""
        if not self.pid_file.exists():
            return
        pid = int(self.pid_file.read_text())
        cmdline = Path(f"/proc/{pid}/cmdline")
        if cmdline.exists() and b"coriolis" in cmdline.read_bytes():
            os.kill(pid, signal.SIGTERM)
            for _ in range(150):
                if not cmdline.exists() or not cmdline.read_bytes():
                    break
                time.sleep(0.2)
        self.pid_file.unlink()

    def cli(self, *args: str, show: bool = True) -> None:
        """Runs a command in front of the reader; its failure ends the demo."""
        if show:
            self._console.command(["coriolis", *args])
        code = subprocess.run(
            tied(self._args(*args)),
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
        if code:
            sys.exit(
                f"demo: the command failed with code {code}; the server's log is {self._state_dir}/serve.log"
            )

    def cli_json(self, *args: str, show: bool = True) -> Any:
        if show:
            self._console.command(["coriolis", *args])
        done = subprocess.run(
            tied(self._args(*args, "-f", "json")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            sys.exit(f"demo: the command failed with code {done.returncode}")
        return json.loads(done.stdout)

    def _args(self, *args: str) -> list[str]:
        return [str(BIN / "coriolis"), "--no-auth", "--endpoint", self.url, *args]

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def figures(self, transfer: str, execution: str) -> Figures:
        tasks = self.get(f"transfers/{transfer}/executions/{execution}")["execution"]["tasks"]
        copy = next(task for task in tasks if task["task_type"] == "REPLICATE_DISKS")
        disks = {p["disk_id"]: p for p in copy["progress_updates"] if p.get("disk_id")}
        began = min(datetime.fromisoformat(p["created_at"]) for p in disks.values())
        ended = max(datetime.fromisoformat(p["updated_at"]) for p in disks.values())
        return Figures(
            size=sum(p["total_bytes"] for p in disks.values()),
            moved=sum(p["moved_bytes"] for p in disks.values()),
            seconds=(ended - began).total_seconds(),
        )
