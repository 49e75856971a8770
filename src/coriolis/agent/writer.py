"""The writer: frames to disk. Writes a leaf only after its digest fits."""

import threading
from typing import Optional, Tuple

from coriolis.agent import frames
from coriolis.agent.compression import Buffer, Decompressor
from coriolis.agent.digests import Method
from coriolis.agent.disk import Disk, Handle
from coriolis.agent.frames import DIGEST_BYTES, Header, ProtocolError
from coriolis.agent.pipes import FrameStream, StreamClosedError
from coriolis.agent.scan import Crew

IDLE_SECONDS = (
    120.0  # a barrier comes every few seconds, so a longer silence means that the conductor is gone
)
_WANTED = (frames.DATA, frames.ZERO, frames.BARRIER, frames.END)


class VerificationError(Exception):
    """A leaf's bytes are not those that were read."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(f"the digest of the leaf at byte {offset} does not fit")
        self.offset = offset
        self.length = length


class Writer:
    def __init__(
        self,
        stream: FrameStream,
        method: Method,
        disk: Disk,
        *,
        threads: int,
        connection: Optional[FrameStream] = None,
    ) -> None:
        """Answers go to `stream`; frames come from `connection` if there is one, else from `stream` too."""
        self._stream = stream
        self._frames = connection or stream
        self._geometry = method.geometry
        self._hash = method.hasher()
        self._disk = disk
        self._crew = Crew(threads)
        self._receiving = threading.Lock()
        self._idle = threading.Condition()
        self._busy = 0
        self._received = 0  # DATA and ZERO frames
        self._complete = False

    def run(self) -> None:
        """Until the END frame; everything is durable when it is answered, with EOF."""
        self._crew.run(self._work)
        self._disk.flush()
        self._stream.send_json(frames.EOF, {})

    def _work(self) -> None:
        handle = self._disk.open()
        try:
            self._write_frames(handle)
        finally:
            handle.close()

    def _write_frames(self, handle: Handle) -> None:
        buffer, decompressor = Buffer(), Decompressor()
        while True:
            header, vector = self._receive(buffer)
            if header is None:
                return
            with self._crew.watched():  # a failure must be known before a barrier sees that none is busy
                self._apply(handle, header, vector, buffer, decompressor)
            self._leave()

    def _receive(self, buffer: Buffer) -> Tuple[Optional[Header], bytes]:
        """What `_next_frame` gives, with the payload in `buffer`."""
        # a failure must be known before another thread reads on: what it would find is only the end
        with self._receiving, self._crew.watched():
            header, vector = self._next_frame()
            if header is not None and header.kind == frames.DATA:
                self._frames.read_into(buffer.view[: header.wire])
            if header is not None:
                self._enter()
            return header, vector
        return None, b""

    def _next_frame(self) -> Tuple[Optional[Header], bytes]:
        """The next DATA or ZERO frame, header and digests; answers barriers in between. None at the end, or once
        another failed.
        """
        while not self._complete and self._crew.failure is None:
            if not self._frames.wait(IDLE_SECONDS):
                raise StreamClosedError(f"nothing came for {IDLE_SECONDS:g} s")
            header = self._frames.receive_header()
            if header.kind not in _WANTED:
                raise ProtocolError(f"a writer takes no frame of kind {header.kind}")
            vector, _ = self._frames.receive_sealed(header)
            if header.kind == frames.BARRIER:
                self._settle()
                self._disk.flush()
                self._stream.send(Header(frames.ACK, 0, 0, header.seq, header.offset, 0, 0).pack())
            elif header.kind == frames.END:
                self._complete = True
                self._require_all(header)
            else:
                self._received += 1
                return header, vector
        return None, b""

    def _require_all(self, end: Header) -> None:
        if end != frames.end_of(self._received):
            raise ProtocolError(f"{self._received} frames came, and the last one says {end.seq}")

    def _enter(self) -> None:
        with self._idle:
            self._busy += 1

    def _leave(self) -> None:
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def _settle(self) -> None:
        """Waits until every frame received so far is written."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0)
        if self._crew.failure is not None:
            raise self._crew.failure

    def _apply(
        self, handle: Handle, header: Header, vector: bytes, buffer: Buffer, decompressor: Decompressor
    ) -> None:
        if header.kind == frames.ZERO:
            handle.zero(header.offset, header.raw)
            return
        if header.codec == frames.CODEC_NONE:
            data = buffer.view[: header.raw]
        else:
            data = decompressor.decompress(header.codec, buffer, header.wire, header.raw)
        self._verify(header, vector, data)
        handle.write(header.offset, data)

    def _verify(self, header: Header, vector: bytes, data: memoryview) -> None:
        leaf = self._geometry.leaf
        for index in range(header.leaves):
            piece = data[index * leaf : (index + 1) * leaf]
            if self._hash(piece) != vector[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]:
                raise VerificationError(header.offset + index * leaf, len(piece))
