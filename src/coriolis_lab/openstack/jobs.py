"""What a cloud goes on doing after it has answered 202."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

LOG = logging.getLogger(__name__)
_WORKERS = 16  # jobs mostly sleep or wait for QEMU, so far more than cores


class Jobs:
    """Jobs with the same key run one after the other in the order of their submission, others side by
    side."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="openstack-job")
        self._lock = threading.Lock()
        self._queues: dict[str, deque[tuple[float, Callable[[], object]]]] = {}
        self.stopping = threading.Event()

    def submit(self, key: str, work: Callable[[], object], delay: float = 0.0) -> None:
        """Runs `work` after `delay` seconds, counted from when its turn comes."""
        with self._lock:
            if self.stopping.is_set():
                return
            queue = self._queues.setdefault(key, deque())
            queue.append((delay, work))
            if len(queue) == 1:
                self._next(key)

    def stop(self) -> None:
        """Lets running jobs end, drops the others."""
        with self._lock:
            self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, key: str) -> None:
        if not self.stopping.is_set():
            self._pool.submit(self._run, key).add_done_callback(_report)

    def _run(self, key: str) -> None:
        delay, work = self._queues[key][0]
        try:
            if not self.stopping.wait(delay):
                work()
        finally:
            with self._lock:
                self._queues[key].popleft()
                if self._queues[key]:
                    self._next(key)
                else:
                    del self._queues[key]


def _report(future: "Future[None]") -> None:
    if not future.cancelled() and (error := future.exception()):
        LOG.error("a job of the lab's OpenStack failed", exc_info=error)
