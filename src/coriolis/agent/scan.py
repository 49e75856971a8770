"""Reading a whole disk with a few threads.

Every heavy call (readv, hashing, memcmp, compression, writev) drops the interpreter lock, so identical
threads that each take the next frame keep all processors busy without queues: memory is threads times
buffers, and back-pressure is the blocking write itself.
"""

import contextlib
import errno
import fcntl
import os
import threading
from typing import Callable, Iterator, List, Optional

from coriolis.agent import devices
from coriolis.agent.bucket import Bucket
from coriolis.agent.compression import Buffer
from coriolis.agent.frames import FRAME_BYTES, Geometry
from coriolis.agent.horizon import Horizon

Visit = Callable[[int, int, Buffer], None]
"""Takes offset and length of a frame and the buffer that holds it."""


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
    """Visits every frame of the disk at `path` once, no faster than `pace` and no further than `horizon`; each
    thread works with a visitor of its own.
    """

    def __init__(
        self,
        path: str,
        geometry: Geometry,
        threads: int,
        *,
        pace: Optional[Bucket] = None,
        horizon: Optional[Horizon] = None,
    ) -> None:
        self._path = path
        self._pace = pace or Bucket()
        self._horizon = horizon or Horizon()
        self._geometry = geometry
        self._crew = Crew(threads)
        self._lock = threading.Lock()
        self._next = 0

    def run(self, make_visitor: Callable[[], Visit]) -> None:
        def work() -> None:
            visit, buffer = make_visitor(), Buffer()
            descriptor = devices.open_for_reading(self._path)
            try:
                for offset in iter(self._take, -1):
                    length = min(FRAME_BYTES, self._geometry.size - offset)
                    self._pace.take(length)
                    self._horizon.wait_for(offset)
                    read_frame(descriptor, offset, length, buffer.view)
                    visit(offset, length, buffer)
                    self._horizon.visited(offset, length)
            finally:
                os.close(descriptor)

        self._horizon.begin()
        self._crew.run(work)

    def _take(self) -> int:
        """The offset of the next frame, or -1."""
        with self._lock:
            offset = self._next
            if self._crew.failure is not None or offset >= self._geometry.size:
                return -1
            self._next += FRAME_BYTES
            return offset


def read_frame(descriptor: int, offset: int, length: int, view: memoryview) -> None:
    """Fills `view[:length]`; asks for the whole buffer, as O_DIRECT wants lengths in blocks. `os.preadv` is
    3.7+.
    """
    have = 0
    while have < length:
        os.lseek(descriptor, offset + have, os.SEEK_SET)
        count = _readv(descriptor, [view[have:]])
        if not count:
            raise devices.DeviceError(f"the disk ends at byte {offset + have}")
        have += count


def _readv(descriptor: int, views: List[memoryview]) -> int:
    try:
        return os.readv(descriptor, views)
    except OSError as error:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        if error.errno != errno.EINVAL or not flags & os.O_DIRECT:
            raise
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)  # larger blocks than ours, or an odd end
    return os.readv(descriptor, views)
