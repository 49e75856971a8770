"""Whose CPU time it was: a cgroup that holds everything a run starts, the sshd's sessions included.

Either version of cgroups serves; only the group's own counter is used, so no controller has to be enabled.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

_NAME = "coriolis-bench"
_FIRST_VERSION = Path("/sys/fs/cgroup/cpuacct")
_SECOND_VERSIONS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


class Accounts(Protocol):
    note: str

    def seconds(self) -> float:
        """CPU seconds so far of all members, dead and alive."""

    def pids(self) -> list[int]: ...

    def adopt(self, pid: int) -> None:
        """What `pid` starts from now on counts too."""

    def counted(self) -> "_Counted":
        """A context in which what this thread starts is a member."""

    def close(self) -> None: ...


_Counted = object


class _FirstVersion:
    """cgroup v1 moves single threads, so the rest of this process does not count."""

    note = "CPU seconds: cgroup (cpuacct), the sshd's sessions included"

    def __init__(self) -> None:
        self._path = _FIRST_VERSION / f"{_NAME}-{os.getpid()}"
        self._path.mkdir()

    def seconds(self) -> float:
        return int((self._path / "cpuacct.usage").read_text()) / 1e9

    def pids(self) -> list[int]:
        return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]

    def adopt(self, pid: int) -> None:
        (self._path / "cgroup.procs").write_text(str(pid))

    @contextmanager
    def counted(self) -> Iterator[None]:
        (self._path / "tasks").write_text(str(_thread()))
        try:
            yield
        finally:
            (_FIRST_VERSION / "tasks").write_text(str(_thread()))

    def close(self) -> None:
        _remove(self._path)


class _SecondVersion:
    """cgroup v2 moves whole processes: this one's little work during a run counts for every candidate."""

    note = "CPU seconds: cgroup v2, the sshd's sessions included"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._home = root / _own_group().lstrip("/")
        self._path = root / f"{_NAME}-{os.getpid()}"
        self._path.mkdir()

    def seconds(self) -> float:
        return int((self._path / "cpu.stat").read_text().split()[1]) / 1e6

    def pids(self) -> list[int]:
        return [int(line) for line in (self._path / "cgroup.procs").read_text().split()]

    def adopt(self, pid: int) -> None:
        (self._path / "cgroup.procs").write_text(str(pid))

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.adopt(os.getpid())
        try:
            yield
        finally:
            (self._home / "cgroup.procs").write_text(str(os.getpid()))

    def close(self) -> None:
        _remove(self._path)


class _Children:
    """Without cgroups: what our own ended children took."""

    note = "[red]CPU seconds: of our own children only; no cgroup here, so the sshd's sessions are missing[/]"

    def seconds(self) -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def pids(self) -> list[int]:
        return []

    def adopt(self, pid: int) -> None:
        """There is nothing to adopt it into."""

    @contextmanager
    def counted(self) -> Iterator[None]:
        yield

    def close(self) -> None: ...


def open_accounts() -> "_FirstVersion | _SecondVersion | _Children":
    with suppress(OSError):
        return _FirstVersion()
    for root in _SECOND_VERSIONS:
        with suppress(OSError):
            if (root / "cgroup.controllers").exists():
                return _SecondVersion(root)
    return _Children()


def busy_seconds() -> float:
    """CPU seconds that the whole machine has worked: user, nice, system, interrupts and stolen time."""
    with Path("/proc/stat").open() as file:
        fields = [int(word) for word in file.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / float(os.sysconf("SC_CLK_TCK"))


def loopback_bytes() -> int:
    """Sent over the loopback device of our network namespace."""
    for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[0])
    return 0


def _thread() -> int:
    return int(Path("/proc/thread-self").resolve().name)


def _own_group() -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            return path
    return "/"


def _remove(path: Path) -> None:
    """A group goes once its last process is gone, which takes a moment."""
    for _ in range(50):
        with suppress(OSError):
            path.rmdir()
            return
        time.sleep(0.1)
