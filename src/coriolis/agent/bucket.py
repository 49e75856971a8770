"""A token bucket: how many bytes a second may pass."""

import threading
import time
from typing import Callable

BURST_SECONDS = 0.25  # what an idle bucket saves up, so that a limit holds over any second or two


class Bucket:
    """Shared by threads. `rate` is bytes a second, 0 for no limit; it may change at any moment."""

    def __init__(
        self,
        rate: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._saved = 0.0
        self._seen = clock()

    def piece(self, most: int) -> int:
        """How many bytes to take at once: no more than a burst, so that others get their turn."""
        return max(1, min(most, int(self.rate * BURST_SECONDS))) if self.rate else most

    def take(self, count: int) -> None:
        """Returns when `count` bytes may go."""
        wait = self.reserve(count)
        if wait > 0:
            self._sleep(wait)

    def reserve(self, count: int) -> float:
        """Books `count` bytes; the seconds to wait before they go. What is booked too early is owed, so the
        rate holds in the long run whatever the sizes.
        """
        with self._lock:
            now, rate = self._clock(), self.rate
            if not rate:
                self._saved, self._seen = 0.0, now
                return 0.0
            self._saved = min(self._saved + (now - self._seen) * rate, rate * BURST_SECONDS) - count
            self._seen = now
            return max(0.0, -self._saved / rate)

    def set_rate(self, rate: float) -> None:
        """A debt is forgiven: at the new rate it could be an eternity."""
        with self._lock:
            if rate != self.rate:
                self.rate, self._saved, self._seen = rate, 0.0, self._clock()
