"""Reading a whole disk with a few threads.

Every heavy call (readv, hashing, memcmp, compression, writev) drops the interpreter lock, so identical
threads that each take the next frame keep all processors busy without queues: memory is threads times
buffers, and back-pressure is the blocking write itself.
"""

import contextlib
import os
import threading
from typing import Callable, Iterator, Optional, Tuple

from coriolis.agent.bucket import Bucket
from coriolis.agent.compression import Buffer
from coriolis.agent.disk import Disk, Handle
from coriolis.agent.frames import FRAME_BYTES, Geometry
from coriolis.agent.horizon import Horizon
from coriolis.agent.marks import READ, ZERO, Marks

Visit = Callable[[int, int, Optional[Buffer]], None]
"""Takes offset and length of whole leaves of one frame and the buffer that holds them; None: they are as they were."""


def default_threads() -> int:
    """Two at least, so that reading overlaps hashing; no more than four, the wire ends it there."""
    return max(2, min(4, os.cpu_count() or 1))


class Crew:
    """Threads of which the first failure stops the others and is raised by `run`."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.failure: Optional[BaseException] = None

    def run(self, work: Callable[[], None]) -> None:
        members = [threading.Thread(target=self._guarded, args=(work,)) for _ in range(self.threads)]
        for member in members:
            member.start()
        for member in members:
            member.join()
        if self.failure is not None:
            raise self.failure

    def _guarded(self, work: Callable[[], None]) -> None:
        with self.watched():
            work()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Keeps the first failure of the body, whatever it is, for `run` to raise in the main thread."""
        try:
            yield
        except BaseException as failure:  # noqa: BLE001 - raised again by run()
            self.failure = self.failure or failure


class Scan:
    """Visits every leaf of the disk once, no faster than `pace` and no further than `horizon`; each thread works with
    a visitor of its own. What `marks` know is not read.
    """

    def __init__(
        self,
        disk: Disk,
        geometry: Geometry,
        threads: int,
        *,
        pace: Optional[Bucket] = None,
        horizon: Optional[Horizon] = None,
        marks: Optional[Marks] = None,
    ) -> None:
        self._disk = disk
        self._pace = pace or Bucket()
        self._horizon = horizon or Horizon()
        self._marks = marks
        # stands for all that is known to be zeros, so that a visitor can tell it from what was read
        self.zeros = Buffer()
        self._geometry = geometry
        self._crew = Crew(threads)
        self._lock = threading.Lock()
        self._next = 0

    def run(self, make_visitor: Callable[[], Visit]) -> None:
        def work() -> None:
            visit, buffer = make_visitor(), Buffer()
            handle = self._disk.open()
            try:
                for offset in iter(self._take, -1):
                    length = min(FRAME_BYTES, self._geometry.size - offset)
                    self._horizon.wait_for(offset)
                    for start, size, mark in self._runs(offset, length):
                        visit(start, size, self._content(handle, start, size, mark, buffer))
                    self._horizon.visited(offset, length)
            finally:
                handle.close()

        self._horizon.begin()
        self._crew.run(work)

    def _runs(self, offset: int, length: int) -> Iterator[Tuple[int, int, int]]:
        return iter([(offset, length, READ)]) if self._marks is None else self._marks.runs(offset, length)

    def _content(
        self, handle: Handle, offset: int, length: int, mark: int, buffer: Buffer
    ) -> Optional[Buffer]:
        if mark != READ:
            return self.zeros if mark == ZERO else None
        self._pace.take(length)
        handle.read(offset, length, buffer.view)
        return buffer

    def _take(self) -> int:
        """The offset of the next frame, or -1."""
        with self._lock:
            offset = self._next
            if self._crew.failure is not None or offset >= self._geometry.size:
                return -1
            self._next += FRAME_BYTES
            return offset
