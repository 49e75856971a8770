"""Books for a reader and a writer that have a connection of their own.

The reader tells what it sends, the writer what is durable, both through their SSH sessions. Before the reader
may send any leaf of a window of the disk, that window is noted in the journal.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from coriolis.agent import frames
from coriolis.agent.frames import Header
from coriolis.agent.horizon import WINDOWS_AHEAD
from coriolis.errors import CoriolisError, RouteFailed, WorkerUnreachable
from coriolis.transfer.agent_process import AgentProcess, Check
from coriolis.transfer.exchange import BARRIER_BYTES, REASON_SECONDS, Exchange, RelayTotals
from coriolis.transfer.limits import Limiter
from coriolis.transfer.manifest import Draft
from coriolis.transfer.splice import Splice


class EndToEnd(Exchange):
    def __init__(
        self,
        source: AgentProcess,
        destination: AgentProcess,
        draft: Draft,
        progress: Callable[[int, int], None],
        limiter: Limiter,
        *,
        splice: Splice | None,
    ) -> None:
        """Without `splice` the workers reach each other directly."""
        super().__init__(source, destination, draft, progress, limiter)
        self._splice = splice
        self._windows: deque[Header] = deque()
        self._lock = threading.Lock()
        self._placed = 0  # the last barrier of which the reader told its place
        self._reached = 0  # the last one that the writer answered

    def run(self, check: Check) -> RelayTotals:
        self._answers.start()
        try:
            summary = self._listen(check)
        except CoriolisError as error:
            raise self._culprit(error) from error
        self._wait_for_answer(check)
        if self._refusal is not None:
            raise self._culprit(self._refusal)
        if self._splice is None:
            return summary
        return replace(
            summary, wire=self._splice.wire
        )  # the last bytes may come after the reader's last word

    def _listen(self, check: Check) -> RelayTotals:
        while True:
            self._wait_for_source(check)
            header = self._source.receive()
            if header.kind == frames.EOF:
                return self._totals(header)
            self._note(header)
            if self._since_barrier >= BARRIER_BYTES:
                self._next_barrier()

    def _note(self, header: Header) -> None:
        vector, _ = self._source.receive_sealed(header) if header.is_sealed else (b"", b"")
        if header.kind == frames.DIGESTS:
            self._draft.put(header.offset, vector)
            self._count_moved(header.raw)
        elif header.kind == frames.ZERO:
            self._draft.put_zeros(header.offset, header.raw)
        elif header.kind == frames.EXPECT:
            self._grant(header)
        elif header.kind == frames.BARRIER:
            self._place_barrier(header.seq)
        elif header.kind == frames.STATUS:
            self._tell_progress(header)
        else:
            raise self._source.protocol_failure(f"a reader sends no frame of kind {header.kind}")

    def _grant(self, window: Header) -> None:
        """To ask for a window says that the last but one before it is done."""
        self._draft.expect(window.offset, window.raw)
        self._windows.append(window)
        if len(self._windows) > WINDOWS_AHEAD:
            done = self._windows.popleft()
            self._draft.passed(done.offset, done.raw)
        self._tell_source(window._replace(kind=frames.ACK).pack())

    def _send_barrier(self) -> None:
        """The reader puts it where it is with its frames, and tells us."""
        header = Header(frames.BARRIER, 0, 0, self._barriers, 0, 0, 0)
        self._tell_source(frames.sealed(header, b"", self._source.stream.seal_key))

    def _place_barrier(self, seq: int) -> None:
        with self._lock:
            self._draft.barrier(seq)
            self._placed = seq
            reached = self._reached >= seq
        if reached:
            self._draft.durable(seq)

    def _durable(self, seq: int) -> None:
        """May come before the reader's word about the barrier, which has another way."""
        with self._lock:
            self._reached = seq
            placed = min(seq, self._placed)
        if placed:
            self._draft.durable(placed)

    def _wire_bytes(self, summary: dict[str, object]) -> int:
        return self._source.checked_counts(summary, "wire")["wire"]

    def _culprit(self, error: CoriolisError) -> CoriolisError:
        """What broke the run. An end that only lost its connection knows no reason; the other one may, and
        gets some seconds to tell it.
        """
        failed = self._destination if error is self._refusal else self._source
        if not failed.lost_route:
            return error
        other = self._source if failed is self._destination else self._destination
        reason = self._reason_of_source() if other is self._source else self._reason_of_destination()
        if reason is None or other.lost_route:
            text = f"the connection between the workers broke: {error.fields['reason']}"
            return RouteFailed(disk=self._source.assignment.disk_id, reason=text)
        return reason

    def _reason_of_destination(self) -> CoriolisError | None:
        self._answers.join(REASON_SECONDS)
        return self._refusal

    def _reason_of_source(self) -> CoriolisError | None:
        deadline = time.monotonic() + REASON_SECONDS
        try:
            while True:
                self._source.wait_readable(lambda: None, deadline)
                header = self._source.receive()
                if header.kind == frames.EOF:
                    return None
                self._note(header)  # it must not wait for a grant
        except WorkerUnreachable:
            return None
        except CoriolisError as error:
            return error
