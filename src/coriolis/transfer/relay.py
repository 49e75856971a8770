"""The relay between a reader and a writer: reads headers and digests, splices payloads from pipe to pipe.

Payloads stay compressed and never enter this process' memory. The digests pass through untouched, so what the
writer checks is what the reader read; the list collected on the way must have the root the reader tells at
the end.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from coriolis.agent import frames
from coriolis.agent.frames import HEADER, Header
from coriolis.agent.pipes import StreamClosedError, read_exactly, write_all
from coriolis.errors import CoriolisError, TransferError
from coriolis.transfer.agent_process import AgentProcess, Check
from coriolis.transfer.manifest import Draft

BARRIER_BYTES = 48 << 20  # with what is in the pipes meanwhile, less than a window of 64 MiB is in flight
BARRIER_SECONDS = 5.0
_REASON_SECONDS = 10.0  # for the writer's ERROR to arrive after its pipe broke


@dataclass(frozen=True, slots=True)
class RelayTotals:
    """Bytes; `root` is the digest of the whole content, told by the reader and confirmed by the collected
    list.
    """

    scanned: int
    moved: int
    zero: int
    unchanged: int
    wire: int
    root: str


class Relay:
    def __init__(
        self,
        source: AgentProcess,
        destination: AgentProcess,
        draft: Draft,
        progress: Callable[[int, int], None],
    ) -> None:
        """`progress` takes scanned and moved bytes, several times a second."""
        self._source = source
        self._destination = destination
        self._draft = draft
        self._progress = progress
        self._moved = 0
        self._wire = 0
        self._barriers = 0
        self._since_barrier = 0
        self._last_barrier = time.monotonic()
        self._answered = threading.Event()
        self._refusal: CoriolisError | None = None

    def run(self, check: Check) -> RelayTotals:
        """Until the writer has answered EOF. Raises what either end reports; the ends are then to be
        closed.
        """
        answers = threading.Thread(target=self._hear_destination, daemon=True)
        answers.start()
        try:
            summary = self._forward_all(check)
            self._destination.stream.send(Header(frames.EOF, 0, 0, 0, 0, 0, 0).pack())
        except StreamClosedError:
            answers.join(_REASON_SECONDS)
            raise self._refusal or self._destination.interrupted() from None
        except CoriolisError as error:
            raise self._refusal or error from error
        while not self._answered.wait(0.5) and answers.is_alive():
            check()
        if self._refusal is not None:
            raise self._refusal
        return summary

    def _forward_all(self, check: Check) -> RelayTotals:
        """StreamClosedError here always means the destination: the source's end has a name."""
        while True:
            self._wait_for_source(check)
            header = self._source.receive()
            if header.kind == frames.DATA:
                self._forward_data(header)
            elif header.kind == frames.ZERO:
                self._draft.put_zeros(header.offset, header.raw)
                self._send(header.pack())
            elif header.kind == frames.STATUS:
                self._progress(int(self._source.payload(header)["scanned"]), self._moved)
            elif header.kind == frames.EOF:
                return self._totals(header)
            else:
                raise self._source.protocol_failure(f"a reader sends no frame of kind {header.kind}")
            if self._since_barrier >= BARRIER_BYTES:
                self._send_barrier()

    def _wait_for_source(self, check: Check) -> None:
        def look() -> None:
            check()
            if self._refusal is not None:
                raise self._refusal
            if time.monotonic() - self._last_barrier > BARRIER_SECONDS:
                self._send_barrier()

        look()
        self._source.wait_readable(look)

    def _forward_data(self, header: Header) -> None:
        with self._source.failures_named():
            vector = read_exactly(self._source.stream.incoming, header.digest_bytes)
        self._draft.put(header.offset, vector)
        self._send(header.pack(), vector)
        self._splice(header.wire)
        self._moved += header.raw
        self._since_barrier += header.raw

    def _splice(self, count: int) -> None:
        incoming, outgoing = self._source.stream.incoming, self._destination.stream.outgoing
        self._wire += count
        while count:
            try:
                done = os.splice(incoming, outgoing, count)
            except BrokenPipeError:
                raise StreamClosedError from None
            if not done:
                raise self._source.interrupted()
            count -= done

    def _send(self, *parts: bytes) -> None:
        self._wire += sum(len(part) for part in parts)
        write_all(self._destination.stream.outgoing, parts)

    def _send_barrier(self) -> None:
        """Bounds what one final flush has to do, and tells the writer that we are there."""
        self._barriers += 1
        self._draft.barrier(self._barriers)
        self._send(Header(frames.BARRIER, 0, 0, self._barriers, 0, 0, 0).pack())
        self._since_barrier, self._last_barrier = 0, time.monotonic()

    def _totals(self, header: Header) -> RelayTotals:
        summary = self._source.payload(header)
        self._wire += HEADER.size
        if summary["root"] != self._draft.root():
            reason = "the leaf list collected on the way is not the one the reader made."
            raise TransferError(disk=self._source.assignment.disk_id, reason=reason)
        counts = {name: int(summary[name]) for name in ("scanned", "moved", "zero", "unchanged")}
        return RelayTotals(**counts, wire=self._wire, root=str(summary["root"]))

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
                self._draft.durable(header.seq)
        except CoriolisError as error:
            self._refusal = error
