"""What all routes have in common: a reader, a writer, and the conductor that keeps the books between them."""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from coriolis.agent import frames
from coriolis.agent.frames import Header
from coriolis.agent.pipes import StreamClosedError
from coriolis.errors import CoriolisError, TransferError
from coriolis.transfer.agent_process import AgentProcess, Check
from coriolis.transfer.limits import Limiter
from coriolis.transfer.manifest import Draft

BARRIER_BYTES = 48 << 20  # with what is in the pipes meanwhile, less than a window of 64 MiB is in flight
BARRIER_SECONDS = 5.0
REASON_SECONDS = 10.0  # for the end that knows why to say it after the other one lost its connection


@dataclass(frozen=True, slots=True)
class RelayTotals:
    """Bytes; `root` is the digest of the whole content, told by the reader and confirmed by the collected
    list.
    """

    scanned: int
    read: int
    moved: int
    zero: int
    unchanged: int
    wire: int
    root: str


class Exchange(ABC):
    """One disk's frames, from the first to the writer's answer to EOF."""

    def __init__(
        self,
        source: AgentProcess,
        destination: AgentProcess,
        draft: Draft,
        progress: Callable[[int, int], None],
        limiter: Limiter,
    ) -> None:
        """`progress` takes scanned and moved bytes, several times a second."""
        self._source = source
        self._destination = destination
        self._draft = draft
        self._progress = progress
        self._limiter = limiter
        self._source_read = limiter.source_read
        self._moved = 0
        self._barriers = 0
        self._since_barrier = 0
        self._last_barrier = time.monotonic()
        self._answered = threading.Event()
        self._refusal: CoriolisError | None = None
        self._answers = threading.Thread(target=self._hear_destination, daemon=True)

    @abstractmethod
    def run(self, check: Check) -> RelayTotals:
        """Until the writer has answered EOF. Raises what either end reports; the ends are then to be
        closed.
        """

    @abstractmethod
    def _send_barrier(self) -> None:
        """Bounds what one final flush has to do, and tells the writer that we are there."""

    @abstractmethod
    def _durable(self, seq: int) -> None:
        """The writer has answered a barrier."""

    @abstractmethod
    def _wire_bytes(self, summary: dict[str, object]) -> int: ...

    def _wait_for_source(self, check: Check) -> None:
        """Until the reader says something; sends barriers meanwhile."""

        def look() -> None:
            check()
            if self._refusal is not None:
                raise self._refusal
            if time.monotonic() - self._last_barrier > BARRIER_SECONDS:
                self._next_barrier()
            self._tell_limit()

        look()
        self._source.wait_readable(look)

    def _tell_limit(self) -> None:
        if self._limiter.source_read != self._source_read:
            self._source_read = self._limiter.source_read
            self._tell_source(frames.json_frame(frames.LIMIT, {"read": self._source_read}))

    def _tell_source(self, frame: bytes) -> None:
        """It may have ended already. Whether well or not stands in what it said before, which is read next."""
        with contextlib.suppress(StreamClosedError):
            self._source.stream.send(frame)

    def _next_barrier(self) -> None:
        self._barriers += 1
        self._send_barrier()
        self._since_barrier, self._last_barrier = 0, time.monotonic()

    def _count_moved(self, count: int) -> None:
        self._moved += count
        self._since_barrier += count

    def _tell_progress(self, header: Header) -> None:
        self._progress(self._source.counts(header, "scanned")["scanned"], self._moved)

    def _totals(self, header: Header) -> RelayTotals:
        summary = self._source.payload(header)
        if summary.get("root") != self._draft.root():
            reason = "the leaf list collected on the way is not the one the reader made."
            raise TransferError(disk=self._source.assignment.disk_id, reason=reason)
        counts = self._source.checked_counts(summary, "scanned", "read", "moved", "zero", "unchanged")
        return RelayTotals(**counts, wire=self._wire_bytes(summary), root=str(summary["root"]))

    def _wait_for_answer(self, check: Check) -> None:
        while not self._answered.wait(0.5) and self._answers.is_alive():
            check()

    def _hear_destination(self) -> None:
        """Runs in a thread of its own: the writer speaks while we may be blocked writing to it."""
        try:
            while True:
                header = self._destination.receive()
                if header.kind == frames.EOF:
                    self._answered.set()
                    return
                if header.kind != frames.ACK:
                    raise self._destination.protocol_failure(f"a writer sends no frame of kind {header.kind}")
                self._durable(header.seq)
        except CoriolisError as error:
            self._refusal = error
