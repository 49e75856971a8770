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
        self.control.send(header.pack() + digests, payload)

    def zero(self, header: Header) -> None:
        self.control.send(header.pack())

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
        self._ended = False

    def data(self, header: Header, digests: bytes, payload: Any) -> None:
        notice = header._replace(kind=frames.DIGESTS, wire=0)
        with self._lock:
            self.control.send(notice.pack() + digests)
            self._send(header.pack() + digests, payload)

    def zero(self, header: Header) -> None:
        with self._lock:
            self.control.send(header.pack())
            self._send(header.pack())

    def barrier(self, seq: int) -> None:
        """The conductor wants one; it is told where in the order it stands."""
        header = Header(frames.BARRIER, 0, 0, seq, 0, 0, 0).pack()
        with self._lock:
            if not self._ended:
                self.control.send(header)
                self._send(header)

    def end(self, summary: Dict[str, Any]) -> None:
        with self._lock:
            self._ended = True
            self._send(Header(frames.EOF, 0, 0, 0, 0, 0, 0).pack())
        super().end(dict(summary, wire=self._wire))

    def _send(self, *parts: Any) -> None:
        self._wire += sum(len(part) for part in parts)
        self._connection.send(*parts)
