"""What is looked at while a run is under way: memory of its processes, and when its first byte arrives."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.data.accounts import Accounts

_FAST_SECONDS = 0.005  # until the first byte
_SLOW_SECONDS = 0.05
_AGENT_MARK = b"types.ModuleType"  # of the boot lines in its arguments
_CHILD_MARK = b"coriolis.transfer.child"


class Sampler:
    """Runs in a thread while it is entered. Memory is anonymous and shared anonymous pages, in bytes."""

    def __init__(self, accounts: Accounts, destination: Path) -> None:
        self._accounts = accounts
        self._destination = destination
        self._untouched = destination.stat().st_mtime_ns
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.first_byte: float | None = None
        self.total = 0
        self.agent = 0
        self.child = 0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        looked = 0.0
        while not self._stop.wait(_FAST_SECONDS if self.first_byte is None else _SLOW_SECONDS):
            now = time.monotonic()
            if self.first_byte is None and self._destination.stat().st_mtime_ns != self._untouched:
                self.first_byte = now - self._began
            if now - looked >= _SLOW_SECONDS:
                looked = now
                self._weigh()

    def _weigh(self) -> None:
        total = 0
        for pid in self._accounts.pids():
            try:
                arguments = Path("/proc", str(pid), "cmdline").read_bytes()
                memory = _memory(Path("/proc", str(pid), "status").read_text())
            except OSError:  # it ended
                continue
            total += memory
            is_python = b"python" in arguments.split(b"\0", 1)[0]
            if is_python and _AGENT_MARK in arguments:
                self.agent = max(self.agent, memory)
            elif is_python and _CHILD_MARK in arguments:
                self.child = max(self.child, memory)
        self.total = max(self.total, total)


def _memory(status: str) -> int:
    kinds = ("RssAnon:", "RssShmem:")
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(kinds))
