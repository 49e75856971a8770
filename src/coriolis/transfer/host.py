"""Where an agent runs: on a worker VM, over SSH, or on this conductor, for images that no worker has attached."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import coriolis
from coriolis import agent, handover, runner
from coriolis.errors import CoriolisError, TransferError, TransferInterrupted, WorkerError, WorkerUnreachable
from coriolis.transfer.job import CopyEnd, DiskEnd, ImageEnd
from coriolis.workers import remote_python
from coriolis.workers.ssh import CONNECTION_LOST, SshSession, connection_failure

LOOPBACK = "127.0.0.1"
_IMAGES = "coriolis.images"
_SSH_CONNECTION = f"{LOOPBACK} 0 {LOOPBACK} 0"  # tells the agent where to listen, as sshd would


class Host(Protocol):
    """`address`: where its agent can be dialled. `place`: for messages, e.g. "on worker w"."""

    name: str
    address: str
    place: str
    serial: str

    def start(self) -> "subprocess.Popen[bytes]":
        """The agent's process, which takes `opening()` first. It stays in our process group, so that whoever ends the
        group ends it too."""

    def opening(self) -> bytes: ...

    def failure(self, code: int | None, said: str) -> CoriolisError:
        """Why the agent ended before it introduced itself."""

    def close(self) -> None: ...


def host_of(end: CopyEnd) -> Host:
    return WorkerHost(end) if isinstance(end, DiskEnd) else ConductorHost(end)


class WorkerHost:
    def __init__(self, end: DiskEnd) -> None:
        self._session = SshSession(end.login)
        self.name = self._session.name
        self.address = end.login.address
        self.place = f"on worker {self.name}"
        self.serial = end.disk.serial

    def start(self) -> "subprocess.Popen[bytes]":
        command = remote_python.shell_command(sudo=not self._session.is_root)
        return self._session.popen(command, new_session=False)

    def opening(self) -> bytes:
        return remote_python.bundle(agent.__name__, agent.ORDER, "main")

    def failure(self, code: int | None, said: str) -> CoriolisError:
        if code == CONNECTION_LOST:
            return connection_failure(self.name, said)
        if code is not None and code < 0:
            return WorkerUnreachable(worker=self.name, reason=f"ssh was ended by signal {-code}.")
        return WorkerError(worker=self.name, reason=f"the agent did not start (code {code}). {said}")

    def close(self) -> None:
        self._session.close()


class ConductorHost:
    """The agent's part is played by `python -m coriolis.images`."""

    def __init__(self, end: ImageEnd) -> None:
        self._disk = end.disk
        self.name = "this conductor"
        self.address = LOOPBACK
        self.place = f"of {end.disk.kind} images on this conductor"
        self.serial = ""

    def start(self) -> "subprocess.Popen[bytes]":
        source = str(Path(coriolis.__file__).parents[1])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", _IMAGES, _SSH_CONNECTION]
        return runner.spawn(command, env={"PYTHONPATH": path}, new_session=False)

    def opening(self) -> bytes:
        return handover.pack(self._disk)

    def failure(self, code: int | None, said: str) -> CoriolisError:
        if code is not None and code < 0:
            reason = f"the process that opens {self._disk.kind} images was ended by signal {-code}."
            return TransferInterrupted(disk=self._disk.disk_id, reason=reason)
        reason = f"the process that opens {self._disk.kind} images ended with code {code}. {said}"
        return TransferError(disk=self._disk.disk_id, reason=reason)

    def close(self) -> None: ...
