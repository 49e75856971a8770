"""Where a reader's frames go: all through the SSH session, or payloads over a data connection and the digests
through the SSH session.

Over two connections the conductor hears of all leaves, in the order they are sent in, and barriers stand at the
same place in both.
"""

import threading
from typing import Any, Dict

from coriolis.agent import frames
from coriolis.agent.frames import Header
from coriolis.agent.horizon import GrantedHorizon, Horizon
from coriolis.agent.pipes import FrameStream


class Outlet:
    """One connection for all; the relay takes it apart and sets its own barriers."""

    def __init__(self, control: FrameStream) -> None:
        self.control = control
        self.horizon: Horizon = Horizon()

    def data(self, header: Header, digests: bytes, payload: Any) -> None:
        self.control.send_sealed(header, digests, payload)

    def zero(self, header: Header) -> None:
        self.control.send_sealed(header)

    def barrier(self, seq: int) -> None:
        raise frames.ProtocolError(f"barrier {seq}: the relay sets its own")

    def end(self, summary: Dict[str, Any]) -> None:
        self.control.send_json(frames.EOF, summary)


class SplitOutlet(Outlet):
    """`connection` has the disk's geometry."""

    def __init__(self, control: FrameStream, connection: FrameStream) -> None:
        super().__init__(control)
        self.horizon = GrantedHorizon(control, connection.geometry.size)
        self._connection = connection
        self._lock = threading.Lock()
        self._wire = 0
        self._frames = 0
        self._ended = False

    def data(self, header: Header, digests: bytes, payload: Any) -> None:
        notice = header._replace(kind=frames.DIGESTS, wire=0)
        with self._lock:
            self.control.send_sealed(notice, digests)
            self._send(header, digests, payload)
            self._frames += 1

    def zero(self, header: Header) -> None:
        with self._lock:
            self.control.send_sealed(header)
            self._send(header)
            self._frames += 1

    def barrier(self, seq: int) -> None:
        """The conductor wants one; it is told where in the order it stands."""
        header = Header(frames.BARRIER, 0, 0, seq, 0, 0, 0)
        with self._lock:
            if not self._ended:
                self.control.send_sealed(header)
                self._send(header)

    def end(self, summary: Dict[str, Any]) -> None:
        with self._lock:
            self._ended = True
            self._send(frames.end_of(self._frames))
        super().end(dict(summary, wire=self._wire))

    def _send(self, header: Header, digests: bytes = b"", payload: Any = b"") -> None:
        frame = frames.sealed(header, digests, self._connection.seal_key)
        self._wire += len(frame) + len(payload)
        self._connection.send(frame, payload)
