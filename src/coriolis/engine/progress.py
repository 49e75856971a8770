"""Lines of progress of one task, written at most once a second each."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from coriolis.model.progress import DiskProgress
from coriolis.store.database import Database, Fence

_SECONDS_BETWEEN_WRITES = 1.0  # a commit is an fsync, and nobody reads faster


class ProgressLines:
    """Thread-safe: several disks report at once."""

    def __init__(self, database: Database, fence: Fence, step: str) -> None:
        self._database = database
        self._fence = fence
        self._step = step
        self._lock = threading.Lock()
        self._written: dict[str, float] = {}
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self._moved = time.monotonic()

    @property
    def seconds_without_progress(self) -> float:
        return time.monotonic() - self._moved

    def report(self, message: str, done: int, total: int) -> None:
        self._set(message, {"message": message, "current_step": done, "total_steps": total})

    def report_disk(self, progress: DiskProgress) -> None:
        percent = 100 * progress.scanned // progress.size if progress.size else 100
        values = {
            "message": describe_disk(progress),
            "current_step": percent,
            "total_steps": 100,
            "disk_id": progress.disk_id,
            "done": progress.scanned,
            "total": progress.size,
            "moved": progress.moved,
            "rate": progress.rate,
            "eta": progress.eta_seconds,
        }
        self._set(f"disk {progress.disk_id}", values)

    def flush(self) -> None:
        """Writes what was held back: the last word on each line."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if waiting:
            self._database.tasks.set_progress(self._fence, self._step, waiting)

    def _set(self, line: str, values: Mapping[str, Any]) -> None:
        now = self._moved = time.monotonic()
        with self._lock:
            if now - self._written.get(line, -_SECONDS_BETWEEN_WRITES) < _SECONDS_BETWEEN_WRITES:
                self._waiting[line] = values
                return
            self._written[line] = now
            self._waiting.pop(line, None)
        self._database.tasks.set_progress(self._fence, self._step, {line: values})


def describe_disk(progress: DiskProgress) -> str:
    parts = [f"{readable_bytes(progress.scanned)} of {readable_bytes(progress.size)} compared"]
    parts.append(f"{readable_bytes(progress.moved)} moved")
    if progress.rate:
        parts.append(f"{readable_bytes(progress.rate)}/s")
    if progress.eta_seconds is not None and progress.scanned < progress.size:
        parts.append(f"{readable_seconds(progress.eta_seconds)} left")
    return f"Disk {progress.disk_id}: {', '.join(parts)}"


def readable_bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def readable_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
