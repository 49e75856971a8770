"""Whole reads and writes on pipes, and the frame stream on top of them."""

import contextlib
import fcntl
import os
import select
import threading
from typing import Any, Dict, List, Sequence, Tuple

from coriolis.agent import frames
from coriolis.agent.frames import HEADER, Geometry, Header, ProtocolError

_F_SETPIPE_SZ = 1031  # Linux, absent from the fcntl module before Python 3.10
_PIPE_BYTES = 1 << 20


class StreamClosedError(Exception):
    """The other end is gone."""


def enlarge(descriptor: int) -> None:
    """1 MiB instead of 64 KiB of pipe buffer: fewer switches between us and ssh. Not every pipe allows it."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)


def read_into(descriptor: int, view: memoryview) -> None:
    """Fills `view`. Raises StreamClosedError at the end of the stream."""
    while len(view):
        count = os.readv(descriptor, [view])
        if not count:
            raise StreamClosedError("the other end closed the stream")
        view = view[count:]


def read_exactly(descriptor: int, count: int) -> bytes:
    data = bytearray(count)
    read_into(descriptor, memoryview(data))
    return bytes(data)


def write_all(descriptor: int, parts: Sequence[Any]) -> None:
    """`parts` are bytes-like. Raises StreamClosedError where the reading end is closed."""
    views: List[memoryview] = [memoryview(part) for part in parts if len(part)]
    while views:
        try:
            count = os.writev(descriptor, views)
        except BrokenPipeError:
            raise StreamClosedError("the other end closed the stream") from None
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if count:
            views[0] = views[0][count:]


class FrameStream:
    """Frames in on one descriptor, out on another. Sending is safe from many threads, receiving is not."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.geometry: Geometry = frames.HANDSHAKE
        self.seal_key = b""  # of the frames after the second HELLO
        self._lock = threading.Lock()
        enlarge(incoming)
        enlarge(outgoing)

    def wait(self, seconds: float) -> bool:
        """Whether something, or the end, is to be received within that time."""
        return bool(select.select([self.incoming], [], [], seconds)[0])

    def read_into(self, view: memoryview) -> None:
        """Fills `view`."""
        read_into(self.incoming, view)

    def read_exactly(self, count: int) -> bytes:
        data = bytearray(count)
        self.read_into(memoryview(data))
        return bytes(data)

    def write(self, parts: Sequence[Any]) -> None:
        """`parts` are bytes-like; from one thread at a time."""
        write_all(self.outgoing, parts)

    def send(self, *parts: Any) -> None:
        with self._lock:
            self.write(parts)

    def send_sealed(self, header: Header, digests: bytes = b"", payload: Any = b"") -> None:
        self.send(frames.sealed(header, digests, self.seal_key), payload)

    def send_json(self, kind: int, message: Dict[str, Any]) -> None:
        self.send(frames.json_frame(kind, message))

    def send_leaves(self, digests: Any) -> None:
        view = memoryview(digests)
        for start in range(0, len(view), frames.FRAME_BYTES):
            piece = view[start : start + frames.FRAME_BYTES]
            self.send(Header(frames.LEAVES, 0, 0, 0, start, len(piece), len(piece)).pack(), piece)

    def receive_header(self) -> Header:
        return frames.parse_header(self.read_exactly(HEADER.size), self.geometry)

    def receive_message(self, *kinds: int) -> Tuple[int, Dict[str, Any]]:
        """The kind, one of `kinds`, and the content of a JSON frame."""
        header = self.receive_header()
        payload = self.read_exactly(header.wire) if header.kind in frames.JSON_KINDS else b""
        if header.kind not in kinds:
            raise ProtocolError(f"frame of kind {header.kind} instead of {kinds}")
        return header.kind, frames.parse_json(payload)

    def receive_json(self, kind: int) -> Dict[str, Any]:
        return self.receive_message(kind)[1]

    def receive_leaves(self) -> bytearray:
        """A whole leaf list, in order, as `send_leaves` sends it."""
        digests = bytearray(self.geometry.list_bytes)
        view, have = memoryview(digests), 0
        while have < len(digests):
            header = self.receive_header()
            have = self.receive_leaves_into(header, view, have)
        return digests

    def receive_leaves_into(self, header: Header, view: memoryview, have: int) -> int:
        """Takes the payload of a LEAVES frame that must start at `have`; returns where the next one
        starts.
        """
        if header.kind != frames.LEAVES or header.offset != have or not header.raw:
            raise ProtocolError("a piece of the leaf list is missing")
        self.read_into(view[have : have + header.raw])
        return have + header.raw

    def receive_sealed(self, header: Header) -> Tuple[bytes, bytes]:
        """The digests of a frame of a sealed kind, and its seal, which fits. What follows is the payload."""
        digests = self.read_exactly(header.digest_bytes)
        seal = self.read_exactly(frames.SEAL_BYTES)
        frames.check_seal(header, digests, seal, self.seal_key)
        return digests, seal
