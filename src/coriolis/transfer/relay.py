"""The relay between a reader and a writer: reads headers and digests, splices payloads from pipe to pipe.

Payloads stay compressed and never enter this process' memory. Digests and seals pass through untouched, so what the
writer checks is what the reader read, and where; the list collected on the way must have the root the reader tells at
the end.
"""

import os

from coriolis.agent import frames
from coriolis.agent.frames import HEADER, SEAL_BYTES, Header
from coriolis.agent.pipes import StreamClosedError, write_all
from coriolis.errors import CoriolisError
from coriolis.transfer.agent_process import Check
from coriolis.transfer.exchange import BARRIER_BYTES, REASON_SECONDS, Exchange, RelayTotals


class Relay(Exchange):
    _wire = 0
    _frames = 0

    def run(self, check: Check) -> RelayTotals:
        self._answers.start()
        try:
            summary = self._forward_all(check)
            self._send_own(frames.end_of(self._frames))
        except StreamClosedError:
            self._answers.join(REASON_SECONDS)
            raise self._refusal or self._destination.interrupted() from None
        except CoriolisError as error:
            raise self._refusal or error from error
        self._wait_for_answer(check)
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
                self._forward_zeros(header)
            elif header.kind == frames.STATUS:
                self._tell_progress(header)
            elif header.kind == frames.EOF:
                return self._totals(header)
            else:
                raise self._source.protocol_failure(f"a reader sends no frame of kind {header.kind}")
            if self._since_barrier >= BARRIER_BYTES:
                self._next_barrier()

    def _forward_data(self, header: Header) -> None:
        vector, seal = self._source.receive_sealed(header)
        self._draft.put(header.offset, vector)
        self._send(header.pack(), vector, seal)
        self._splice(header.wire)
        self._frames += 1
        self._count_moved(header.raw)

    def _forward_zeros(self, header: Header) -> None:
        _, seal = self._source.receive_sealed(header)
        self._draft.put_zeros(header.offset, header.raw)
        self._send(header.pack(), seal)
        self._frames += 1

    def _splice(self, count: int) -> None:
        incoming, outgoing = self._source.stream.incoming, self._destination.stream.outgoing
        self._wire += count
        while count:
            piece = self._limiter.piece(count)
            self._limiter.take(piece)
            count -= piece
            while piece:
                try:
                    done = os.splice(incoming, outgoing, piece)
                except BrokenPipeError:
                    raise StreamClosedError from None
                if not done:
                    raise self._source.interrupted()
                piece -= done

    def _send(self, *parts: bytes) -> None:
        count = sum(len(part) for part in parts)
        self._limiter.take(count)
        self._wire += count
        write_all(self._destination.stream.outgoing, parts)

    def _send_own(self, header: Header) -> None:
        self._send(frames.sealed(header, b"", self._destination.stream.seal_key))

    def _send_barrier(self) -> None:
        self._draft.barrier(self._barriers)
        self._send_own(Header(frames.BARRIER, 0, 0, self._barriers, 0, 0, 0))

    def _durable(self, seq: int) -> None:
        self._draft.durable(seq)

    def _wire_bytes(self, summary: dict[str, object]) -> int:
        del summary
        return self._wire + HEADER.size + SEAL_BYTES  # of END
