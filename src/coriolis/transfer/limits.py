"""How fast the bytes of a run may go, changeable while it goes."""

import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coriolis.agent.bucket import BURST_SECONDS, Bucket


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """Of an endpoint: the file that the processes of this machine share its bucket through, and bytes a second
    (0: none).
    """

    file: Path
    rate: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes a second, 0 for none: `wire` for all disks of a run together, `shared` for the endpoints they cross
    between, `source_read` for each disk's reader.
    """

    wire: float = 0.0
    shared: tuple[SharedLimit, ...] = ()
    source_read: float = 0.0


class SharedBucket(Bucket):
    """A bucket in a file, for several processes. Unlike a share for each of them, it lets one use what the
    others leave. Whoever dies with the lock held loses it with its descriptor.
    """

    _STATE = struct.Struct("ddd")  # rate, saved bytes, when (CLOCK_MONOTONIC, one for all processes)

    def __init__(
        self,
        file: Path,
        rate: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(rate, clock, sleep)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def reserve(self, count: int) -> float:
        with self._lock:
            rate = self.rate
            if not rate:
                return 0.0
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                now = self._clock()
                saved = self._saved_until(now, rate) - count
                os.pwrite(self._file, self._STATE.pack(rate, saved, now), 0)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            return max(0.0, -saved / rate)

    def _saved_until(self, now: float, rate: float) -> float:
        state = os.pread(self._file, self._STATE.size, 0)
        if len(state) < self._STATE.size:
            return 0.0
        then_rate, saved, then = self._STATE.unpack(state)
        if then_rate != rate or then > now:  # another limit, or from before a restart of this machine
            return 0.0
        return float(min(saved + (now - then) * rate, rate * BURST_SECONDS))

    def close(self) -> None:
        os.close(self._file)


class Limiter:
    """All limits of a run; shared by the threads of its disks."""

    def __init__(self, limits: Limits, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._own = Bucket()
        self._shared: dict[Path, SharedBucket] = {}
        self._buckets: Sequence[Bucket] = ()
        self.source_read = 0.0
        self.set(limits)

    def set(self, limits: Limits) -> None:
        with self._lock:
            self._own.set_rate(limits.wire)
            for shared in limits.shared:
                if shared.file not in self._shared:
                    self._shared[shared.file] = SharedBucket(shared.file)
                self._shared[shared.file].set_rate(shared.rate)
            self._buckets = (self._own, *self._shared.values())
            self.source_read = limits.source_read

    @property
    def limits_wire(self) -> bool:
        return any(bucket.rate for bucket in self._buckets)

    def piece(self, most: int) -> int:
        """How many bytes to take at once."""
        return min(bucket.piece(most) for bucket in self._buckets)

    def take(self, count: int) -> None:
        """Returns when `count` bytes may go."""
        wait = max(bucket.reserve(count) for bucket in self._buckets)
        if wait > 0:
            self._sleep(wait)
