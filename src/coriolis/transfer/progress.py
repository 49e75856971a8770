"""Rate and remaining time of one disk, told at most once a second."""

import time
from collections import deque
from collections.abc import Callable

from coriolis.model.progress import DiskProgress

WINDOW_SECONDS = 5.0
INTERVAL_SECONDS = 1.0


class Meter:
    def __init__(
        self,
        disk_id: str,
        size: int,
        report: Callable[[DiskProgress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disk_id = disk_id
        self._size = size
        self._report = report
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._told: float | None = None

    def update(self, scanned: int, moved: int, *, last: bool = False) -> None:
        """Bytes so far; `last` is told whatever the time."""
        now = self._clock()
        self._marks.append((now, scanned))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_SECONDS:
            self._marks.popleft()
        if not last and self._told is not None and now - self._told < INTERVAL_SECONDS:
            return
        self._told = now
        rate = self._rate()
        eta = (self._size - scanned) / rate if rate > 0 else None
        self._report(DiskProgress(self._disk_id, self._size, scanned, moved, rate, 0.0 if last else eta))

    def _rate(self) -> float:
        (then, before), (now, scanned) = self._marks[0], self._marks[-1]
        return (scanned - before) / (now - then) if now > then else 0.0
