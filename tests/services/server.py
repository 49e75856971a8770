"""One private server: its directory, its port, its processes."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

HOST = "127.0.0.1"
_START_SECONDS = 120.0  # of a machine that has other things to do
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
# The kernel sends the signal when the *thread* that made the process ends, so one that lives as long as the
# interpreter makes them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="services")


class ServerError(Exception):
    """It did not start; the text has the end of its log."""


class Server(ABC):
    """A context manager: started inside, stopped and its directory removed behind. Keeps its port and its data
    over `stop`, `kill` and `start`."""

    name: ClassVar[str]
    user: ClassVar[str | None] = None  # whom it runs as when we are root and it refuses to be

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"coriolis-{self.name}-", dir="/tmp"))
        self.port = free_port()
        self.username = "coriolis"
        self.password = secrets.token_hex(12)
        self.process: subprocess.Popen[bytes] | None = None
        self._prepared = False
        self._databases = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Returns when it answers. Raises ServerError."""
        if not self._prepared:
            self._own(self.directory)
            self.prepare()
            self._prepared = True
        self.process = self.spawn(self.command(), self.environment())
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not answer:\n{self._log_tail()}")
            time.sleep(_POLL_SECONDS)
        self.started()

    def stop(self) -> None:
        """In order; what the server has not written by then it writes now."""
        self._end(self.process, self.stop_signal())

    def kill(self) -> None:
        self._end(self.process, signal.SIGKILL)

    def pause(self) -> None:
        """It keeps its connections and answers nothing from here on."""
        self._signal(signal.SIGSTOP)
        while any(state not in "TZX" for state in self._thread_states()):
            time.sleep(_POLL_SECONDS)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """For good."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    # What each kind of server says of itself

    @abstractmethod
    def prepare(self) -> None:
        """Once, before the first start."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """In the foreground."""

    def environment(self) -> Mapping[str, str]:
        return {}

    def answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def started(self) -> None:  # noqa: B027 -- most have nothing to do
        """After each start."""

    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    # Helpers

    def spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """A process in a group of its own that dies with us, its output in the log."""
        return _SPAWNER.submit(self._spawn, command, environment).result()

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """A command that ends. Raises ServerError."""
        process = self.spawn(command, environment or {})
        if process.wait(_START_SECONDS) != 0:
            raise ServerError(f"{command[0]} failed:\n{self._log_tail()}")

    def next_database_name(self) -> str:
        self._databases += 1
        return f"db_{self._databases}"

    def _spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._as_user(), "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def _as_user(self) -> list[str]:
        if self.user is None or os.getuid() != 0:
            return []
        return ["--reuid", self.user, "--regid", self.user, "--clear-groups"]

    def _own(self, path: Path) -> None:
        if self.user is not None and os.getuid() == 0:
            shutil.chown(path, self.user, self.user)

    def _signal(self, number: signal.Signals) -> None:
        """To its whole group: PostgreSQL answers through processes of its own."""
        os.killpg(self.pid, number)

    def _thread_states(self) -> list[str]:
        """Of every thread of its group, as in /proc/PID/stat: a signal takes its time to arrive."""
        states = []
        for path in Path("/proc").glob("[0-9]*/task/*/stat"):
            try:
                state, _parent, group = path.read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(group) == self.pid:
                states.append(state)
        return states

    def _end(self, process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
        if process is None or process.poll() is not None:
            return
        if number == signal.SIGKILL:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGCONT)
            process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_STOP_SECONDS)

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "(it wrote nothing)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
