"""The reader: disk to frames. Sends only leaves that differ from what the destination holds."""

import threading
import time
from itertools import groupby
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from coriolis.agent import compression, digests, frames
from coriolis.agent.bucket import Bucket
from coriolis.agent.compression import Buffer, Compressor, Policy, Stopwatch
from coriolis.agent.digests import Method
from coriolis.agent.disk import Disk, Extent
from coriolis.agent.frames import DIGEST_BYTES, Geometry, Header, ProtocolError
from coriolis.agent.marks import marks_of
from coriolis.agent.outlet import Outlet
from coriolis.agent.pipes import FrameStream
from coriolis.agent.scan import Scan, Visit

SAME, ZERO, DATA = "same", "zero", "data"
STATUS_SECONDS = 0.5


class Counts:
    """Bytes scanned, how many of them were read and what became of them, told to the relay twice a second."""

    def __init__(self, stream: FrameStream) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._told = time.monotonic()
        self.values = {"scanned": 0, "read": 0, "moved": 0, "zero": 0, "unchanged": 0}

    def add(self, scanned: int, **others: int) -> None:
        with self._lock:
            self.values["scanned"] += scanned
            for name, count in others.items():
                self.values[name] += count
            now = time.monotonic()
            if now - self._told < STATUS_SECONDS:
                return
            self._told = now
            values = dict(self.values)
        self._stream.send_json(frames.STATUS, values)


class Plan(NamedTuple):
    """`method`: of the list. `baseline`: what the destination holds: "list" (the digests of a leaf list), "zeros" or
    "unknown". `since`: the point in time whose content a list is of, but for `also`; None: nobody knows.
    """

    method: Method
    baseline: str
    threads: int
    since: Optional[str] = None
    also: Tuple[Extent, ...] = ()

    @property
    def geometry(self) -> Geometry:
        return self.method.geometry


class _Tools(NamedTuple):
    """Of one thread."""

    compressor: Compressor
    watch: Stopwatch


class Reader:
    """`leaves` is updated in place and ends as the list of what was read: a disk costs one list of memory."""

    def __init__(self, outlet: Outlet, plan: Plan, leaves: bytearray, policy: Policy, pace: Bucket) -> None:
        self._outlet = outlet
        self._plan = plan
        self._geometry = plan.geometry
        self._hash = plan.method.hasher()
        self._zeros = plan.method.zeros()
        self._leaves = leaves
        self._policy = policy
        self._pace = pace
        self._counts = Counts(outlet.control)
        self._lock = threading.Lock()
        self._sequence = 0
        self._known_zeros: Optional[Buffer] = None

    def run(self, disk: Disk) -> None:
        plan = self._plan
        marks = marks_of(disk, plan.geometry, plan.since, plan.also)
        scan = Scan(
            disk, plan.geometry, plan.threads, pace=self._pace, horizon=self._outlet.horizon, marks=marks
        )
        self._known_zeros = scan.zeros
        scan.run(self._make_visitor)
        summary: Dict[str, Any] = dict(self._counts.values)
        summary["root"] = plan.method.root(self._leaves)
        self._outlet.end(summary)

    def _make_visitor(self) -> Visit:
        tools = _Tools(Compressor(), Stopwatch())

        def visit(offset: int, length: int, buffer: Optional[Buffer]) -> None:
            if buffer is None:
                self._counts.add(length, unchanged=length)
                return
            first = offset // self._geometry.leaf
            kinds = self._classify(first, length, buffer)
            read = 0 if buffer is self._known_zeros else length
            counted = {"read": read, "moved": 0, "zero": 0, "unchanged": 0}
            position = 0
            for kind, run in groupby(kinds):
                count = len(list(run))
                start = position * self._geometry.leaf
                size = min(start + count * self._geometry.leaf, length) - start
                if kind == DATA:
                    self._send_data(offset + start, slice(start, start + size), buffer, tools)
                    counted["moved"] += size
                elif kind == ZERO:
                    self._send_zero(offset + start, size)
                    counted["zero"] += size
                else:
                    counted["zero" if self._plan.baseline == "zeros" else "unchanged"] += size
                position += count
            self._counts.add(length, **counted)

        return visit

    def _classify(self, first: int, length: int, buffer: Buffer) -> List[str]:
        """What to do with each leaf of a frame; puts their digests into the list."""
        leaf, count = self._geometry.leaf, -(-length // self._geometry.leaf)
        start, end = first * DIGEST_BYTES, (first + count) * DIGEST_BYTES
        zeros = self._zeros.of(first, count)
        if digests.is_zero(buffer.address, length):
            new, is_zero = zeros, [True] * count
        else:
            sizes = [min(leaf, length - index * leaf) for index in range(count)]
            is_zero = [digests.is_zero(buffer.address + i * leaf, sizes[i]) for i in range(count)]
            new = b"".join(
                zeros[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES]
                if is_zero[i]
                else self._hash(buffer.view[i * leaf : i * leaf + sizes[i]])
                for i in range(count)
            )
        old = self._leaves[start:end]
        self._leaves[start:end] = new
        return [self._kind(i, old, new, is_zero[i]) for i in range(count)]

    def _kind(self, index: int, old: bytearray, new: bytes, is_zero: bool) -> str:
        if self._plan.baseline == "unknown":
            return ZERO if is_zero else DATA
        place = slice(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)
        if old[place] == new[place]:
            return SAME
        return ZERO if is_zero else DATA

    def _send_data(self, offset: int, piece: slice, buffer: Buffer, tools: _Tools) -> None:
        """Sends `piece` of the buffer, whole leaves, that stands at `offset` of the disk."""
        size = piece.stop - piece.start
        compressor, watch = tools
        codec = self._policy.codec
        packed = compressor.compress(codec, buffer.address + piece.start, size)
        payload = compressor.out.view[:packed] if packed else buffer.view[piece]
        used = codec if packed else frames.CODEC_NONE
        count, first = -(-size // self._geometry.leaf), offset // self._geometry.leaf
        header = Header(frames.DATA, used, count, self._number(), offset, size, len(payload))
        vector = bytes(self._leaves[first * DIGEST_BYTES : (first + count) * DIGEST_BYTES])
        watch.start()
        self._outlet.data(header, vector, payload)
        self._policy.sent(watch.held_up(), len(payload))

    def _send_zero(self, offset: int, size: int) -> None:
        self._outlet.zero(Header(frames.ZERO, 0, 0, self._number(), offset, size, 0))

    def _number(self) -> int:
        with self._lock:
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            return self._sequence


def baseline_leaves(stream: FrameStream, plan: Plan) -> bytearray:
    """The leaf list a reader starts from: received for "list", else that of a disk full of zeros."""
    if plan.baseline == "list":
        return stream.receive_leaves()
    return bytearray(plan.method.zeros().of(0, plan.geometry.leaves))


def make_plan(start: Dict[str, Any], method: Method, threads: int) -> Plan:
    """From the second HELLO."""
    baseline, since = str(start["baseline"]), start.get("since")
    if since is not None and baseline != "list":
        raise ProtocolError("changes since a point in time are of no use without its list")
    also = tuple(Extent(int(offset), int(length)) for offset, length in start.get("also", ()))
    named = None if since is None else str(since)
    return Plan(method, baseline, threads, named, also)


def make_policy(start: Dict[str, Any], threads: int) -> Policy:
    codecs = [name for name in start["codecs"] if name in compression.available()]
    return Policy(start["compression"], codecs, threads)
