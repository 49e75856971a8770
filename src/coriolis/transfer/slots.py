"""How many disks of a run are copied at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POLL_SECONDS = 0.5


class Slots:
    """As many as wished for, and no more than the weaker worker has processors: each copy keeps one busy at
    both ends.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._busy = 0

    @contextmanager
    def held(self, processors: int, check: Callable[[], None]) -> Iterator[None]:
        """Waits for a slot of workers with so many processors; `check` is called meanwhile and may raise."""
        with self._changed:
            while self._busy >= min(self._most, processors):
                self._changed.wait(_POLL_SECONDS)
                check()
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
