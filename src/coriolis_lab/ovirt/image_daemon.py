"""The host's image I/O daemon: the real ovirt-imageio, in a process of its own.

It is a separate program under another licence (GPL 2 or later): the lab runs it and talks to its control socket,
and never imports it. Tickets tell it what a client may do with which image.

    PUT /tickets/ID {uuid, size, url, timeout, ops, …}   GET …   PATCH … {timeout}   DELETE …
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coriolis_lab.hypervisor.process import Spawner
from coriolis_lab.ovirt.certificates import CertificateFiles

PROGRAM = "ovirt-imageio"
_START_SECONDS = 30.0
_CONTROL_SECONDS = 70.0  # a removed ticket is waited for, up to the daemon's own remove_timeout of 60 s
_CONFIGURATION = """\
[daemon]
drop_privileges = false
systemd_enable = false
run_dir = {directory}
[tls]
enable = true
key_file = {key}
cert_file = {certificate}
ca_file = {ca}
[remote]
host = 127.0.0.1
port = {port}
[local]
enable = false
[control]
transport = unix
socket = {control}
[handlers]
keys = stderr
[logger_root]
level = WARNING
handlers = stderr
"""


class ImageDaemonError(Exception):
    """The daemon is not there, or refused."""


def find_program() -> str | None:
    """Beside this Python, or anywhere in the path."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return str(beside) if beside.exists() else shutil.which(PROGRAM)


class ImageDaemon:
    """Started by the first one who needs it. Configuration and log are in `directory`."""

    def __init__(self, directory: Path, certificates: CertificateFiles) -> None:
        self._directory = directory
        self._control_dir: Path | None = None
        self._certificates = certificates
        self._lock = threading.Lock()
        self._spawner: Spawner | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def _control(self) -> Path:
        """The control socket, not below the lab's root: a unix socket's path must be short. The directory's name is
        what the hypervisor clears away after a lab that was killed.
        """
        if self._control_dir is None:
            self._control_dir = Path(tempfile.mkdtemp(prefix=f"colab-{os.getpid()}-imageio-", dir="/run"))
        return self._control_dir / "control"

    @property
    def url(self) -> str:
        """Below it are the images, by ticket; https://127.0.0.1:PORT/images."""
        return f"https://127.0.0.1:{self._port}/images"

    def ensure(self) -> None:
        """Returns when it answers. Raises ImageDaemonError."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                # no gentle end, which takes it two seconds: what a client has not flushed is lost with the lab
                self._process.kill()
                self._process.wait()
                self._process = None
            if self._spawner is not None:
                self._spawner.close()
                self._spawner = None
            if self._control_dir is not None:
                shutil.rmtree(self._control_dir, ignore_errors=True)
                self._control_dir = None

    def put_ticket(self, ticket: Mapping[str, Any]) -> None:
        self._call("PUT", ticket["uuid"], ticket)

    def ticket(self, ticket_id: str) -> Mapping[str, Any]:
        """With active, connections, idle_time and transferred."""
        return self._call("GET", ticket_id)

    def extend_ticket(self, ticket_id: str, seconds: int) -> None:
        self._call("PATCH", ticket_id, {"timeout": seconds})

    def delete_ticket(self, ticket_id: str) -> None:
        """One that is not there counts as deleted."""
        self._call("DELETE", ticket_id, accepted=(200, 204, 404))

    def _start(self) -> None:
        program = find_program()
        if program is None:
            raise ImageDaemonError(f"{PROGRAM} is not installed (pip install 'coriolis[lab]')")
        self._port = _free_port()
        configuration = self._directory / "imageio" / "conf.d" / "50-lab.conf"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(
            _CONFIGURATION.format(
                directory=self._directory,
                key=self._certificates.key,
                certificate=self._certificates.certificate,
                ca=self._certificates.ca,
                port=self._port,
                control=self._control,
            )
        )
        self._control.unlink(missing_ok=True)
        log = self._directory / "imageio.log"
        self._spawner = self._spawner or Spawner()
        self._process = self._spawner.start([program, "-c", str(configuration.parent.parent)], log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ImageDaemonError(f"{PROGRAM} did not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as control, socket.socket() as remote:
            there = control.connect_ex(str(self._control)) == 0
            return there and remote.connect_ex(("127.0.0.1", self._port)) == 0

    def _call(
        self,
        method: str,
        ticket_id: str,
        body: Mapping[str, Any] | None = None,
        accepted: tuple[int, ...] = (200, 204),
    ) -> Mapping[str, Any]:
        connection = _UnixConnection(self._control)
        try:
            connection.request(method, f"/tickets/{ticket_id}", json.dumps(body) if body else None)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ImageDaemonError(f"{PROGRAM} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status not in accepted:
            raise ImageDaemonError(f"{method} ticket {ticket_id}: {response.status} {text.decode().strip()}")
        answer: Mapping[str, Any] = json.loads(text) if text and method == "GET" else {}
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CONTROL_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
