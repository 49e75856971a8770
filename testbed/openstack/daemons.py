"""Starting and stopping programs that stay in the foreground, by their process ids. Runs inside the enclosure."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.openstack.saying import TestbedError
from testbed.openstack.settings import Testbed

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_TAIL = 1500


@dataclass(frozen=True)
class Daemon:
    name: str
    user: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


class Daemons:
    """`<root>/pids/NAME` holds a process id and the process' start time: an id alone may be another's by now."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def start(self, daemon: Daemon) -> bool:
        """Does nothing when it runs already. Each leads a process group of its own."""
        if self.runs(daemon.name):
            return False
        account = pwd.getpwnam(daemon.user)
        identity = ["setpriv", f"--reuid={daemon.user}", f"--regid={account.pw_gid}", "--init-groups", "--"]
        environment = {
            "PATH": _PATH,
            "LC_ALL": "C.UTF-8",
            "HOME": account.pw_dir,
            **daemon.environment,
        }
        with (self._testbed.log / f"{daemon.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*identity, *daemon.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                umask=0o022,
                start_new_session=True,
            )
        (self._testbed.pids / daemon.name).write_text(f"{process.pid} {_started(process.pid)}")
        return True

    def names(self) -> list[str]:
        """Of all that were started since the last stop, in the order of their starts."""
        files = sorted(self._testbed.pids.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        return [file.name for file in files]

    def runs(self, name: str) -> bool:
        return self._pid(name) is not None

    def memory(self, name: str) -> int:
        """Bytes of the daemon's session, each page counted in parts by how many share it; 0 when it does not run."""
        pid = self._pid(name)
        return 0 if pid is None else sum(_memory(path) for path in _processes() if _session(path) == str(pid))

    def check(self) -> None:
        """Raises TestbedError for the first daemon that ended by itself."""
        for name in self.names():
            if not self.runs(name):
                raise TestbedError(f"{name} ended by itself; the end of its log: {self.tail(name)}")

    def tail(self, name: str) -> str:
        file = self._testbed.log / f"{name}.log"
        return file.read_bytes()[-_LOG_TAIL:].decode(errors="replace") if file.exists() else ""

    def stop(self, names: Sequence[str], seconds: float = 30) -> None:
        """Asks all at once, waits, then ends what is left."""
        for name in names:
            self._signal(name, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while any(self.runs(name) for name in names) and time.monotonic() < deadline:
            time.sleep(0.2)
        for name in names:
            self._signal(name, signal.SIGKILL)
            (self._testbed.pids / name).unlink(missing_ok=True)

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._pid(name)
        if pid is not None:
            os.killpg(pid, number)

    def _pid(self, name: str) -> int | None:
        file = self._testbed.pids / name
        if not file.exists():
            return None
        pid, started = file.read_text().split()
        return int(pid) if _started(int(pid)) == started else None


def all_memory() -> int:
    """Bytes of every process in the enclosure, guests included."""
    return sum(_memory(path) for path in _processes())


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _session(process: Path) -> str | None:
    fields = _stat(process)
    return fields[3] if fields else None


def _memory(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _stat(process: Path) -> list[str] | None:
    """The fields of proc(5) after the program's name: state, parent, group, session…"""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _started(pid: int) -> str | None:
    """Clock ticks after boot (proc(5), field 22); None when there is no such process, or only its exit code."""
    fields = _stat(Path(f"/proc/{pid}"))
    return None if fields is None or fields[0] in "ZX" else fields[19]
