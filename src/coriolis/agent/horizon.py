"""How far a reader may go before the conductor has noted what may change on the destination.

Over a data connection leaves reach the writer without passing the conductor, whose journal must nevertheless
know of each leaf before it is written: after a crash it would else take the old digest for true. So the
reader asks for the disk in windows, the next but one when a window is done, and goes no further than what was
granted. At most two windows are unknown after a crash, and asking costs no time unless a round trip takes
longer than a window does.
"""

import threading
from typing import Dict

from coriolis.agent import frames
from coriolis.agent.frames import FRAME_BYTES, Header, ProtocolError
from coriolis.agent.pipes import FrameStream

WINDOW_BYTES = 32 * FRAME_BYTES
WINDOWS_AHEAD = 2


class Horizon:
    """All of the disk at once; the relay notes leaves as they pass."""

    def begin(self) -> None:
        """Before anything is visited."""

    def wait_for(self, offset: int) -> None:
        """Returns when the frame at `offset` may be visited."""

    def visited(self, offset: int, length: int) -> None:
        """All that was to be sent of that frame is sent."""

    def grant(self, offset: int, length: int) -> None:
        raise ProtocolError(f"nobody asked for {length} bytes from {offset}")


class GrantedHorizon(Horizon):
    def __init__(self, control: FrameStream, size: int) -> None:
        self._control = control
        self._size = size
        self._changed = threading.Condition()
        self._asked = 0
        self._granted = 0
        self._lowest = 0  # window that is not done
        self._left: Dict[int, int] = {}  # bytes not yet visited, by window

    def begin(self) -> None:
        with self._changed:
            for _ in range(WINDOWS_AHEAD):
                self._ask()

    def _ask(self) -> None:
        offset = self._asked
        length = min(WINDOW_BYTES, self._size - offset)
        if length > 0:
            self._asked += length
            self._left[offset // WINDOW_BYTES] = length
            self._control.send(Header(frames.EXPECT, 0, 0, 0, offset, length, 0).pack())

    def wait_for(self, offset: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: offset < self._granted)

    def visited(self, offset: int, length: int) -> None:
        """Windows are done in order, however the threads overtake each other: to ask for one says that the
        last but one before it is done.
        """
        with self._changed:
            self._left[offset // WINDOW_BYTES] -= length
            while self._left.get(self._lowest) == 0:
                del self._left[self._lowest]
                self._lowest += 1
                self._ask()

    def grant(self, offset: int, length: int) -> None:
        with self._changed:
            if offset != self._granted or offset + length > self._asked:
                raise ProtocolError(f"nobody asked for {length} bytes from {offset}")
            self._granted = offset + length
            self._changed.notify_all()
