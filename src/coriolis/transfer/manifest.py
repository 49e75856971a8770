"""Leaf lists on file: what a destination disk holds after a completed run.

A file is one block of 4096 bytes with a line of magic and a JSON header, then the digests (16 bytes a leaf),
so that it can be mapped into memory: 256 KiB a GiB of disk. A list is worth something only for the
destination and generation it was made for; one that does not fit is refused. It is published by rename after
everything in it is durable.
"""

import json
import math
import mmap
import os
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from coriolis.agent.digests import Method, root
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.closing import Closing
from coriolis.transfer.journal import Journal, sync_directory
from coriolis.transfer.signing import SigningKeys, is_signed, sign

MAGIC = b"coriolis leaf list 1\n"
BODY_OFFSET = 4096
_FILL_LEAVES = 65536
WRITTEN_SAMPLE = 512


class UnusableLeafListError(Exception):
    """The file is damaged or does not belong to this disk, size or generation; says which."""


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """`root` is the digest of the content (`coriolis.agent.digests.root`): equal for equal content. `signature` is
    over all the rest (`transfer.signing`).
    """

    disk_id: str
    destination_id: str
    scope: str
    generation: int
    size: int
    leaf: int
    algorithm: str
    root: str
    created: str
    digest_bytes: int = DIGEST_BYTES
    signature: str = ""

    @property
    def signed_content(self) -> bytes:
        return json.dumps(asdict(replace(self, signature="")), sort_keys=True).encode()

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.size, self.leaf)


class LeafList(Closing):
    """A published list, read-only. Use as a context manager."""

    def __init__(self, path: Path, keys: SigningKeys = ()) -> None:
        """Raises UnusableLeafListError if the file is missing, cut, not signed with one of the keys, or its content
        does not fit its root.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnusableLeafListError(f"{path}: {error.strerror}") from error
        try:
            self.header = _parse(os.pread(descriptor, BODY_OFFSET, 0), path)
            if not is_signed(self.header.signed_content, self.header.signature, keys):
                raise UnusableLeafListError(f"{path}: its signature is not ours")
            if os.fstat(descriptor).st_size != BODY_OFFSET + self.header.geometry.list_bytes:
                raise UnusableLeafListError(f"{path}: has {os.fstat(descriptor).st_size} bytes")
            self._map = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._map)
        self.digests = self._view[BODY_OFFSET:]
        if root(self.header.geometry, self.header.algorithm, self.digests) != self.header.root:
            self.close()
            raise UnusableLeafListError(f"{path}: its digests do not fit its root")

    def close(self) -> None:
        self.digests.release()
        self._view.release()
        self._map.close()


def _parse(block: bytes, path: Path) -> ManifestHeader:
    if not block.startswith(MAGIC):
        raise UnusableLeafListError(f"{path}: is not a leaf list")
    try:
        fields = json.loads(block[len(MAGIC) :])
        header = ManifestHeader(**fields)
    except (ValueError, TypeError) as error:
        raise UnusableLeafListError(f"{path}: header: {error}") from error
    if header.digest_bytes != DIGEST_BYTES or header.size <= 0 or header.leaf <= 0:
        raise UnusableLeafListError(f"{path}: header: {fields}")
    return header


class Draft:
    """The list of a run under way, mapped from `<path>.partial`; gone if it is not published.

    A leaf that was put is in flight until `durable` is called for a barrier sent after it. One thread puts and
    sets barriers; another may call `durable`.
    """

    def __init__(
        self,
        path: Path,
        method: Method,
        baseline: Any | None,
        journal: Journal | None = None,
    ) -> None:
        """`baseline`: the digests to start from; None for those of a disk full of zeros. `journal` is told of
        every leaf before it is sent, and once it is durable.
        """
        self._path = path
        self._journal = journal
        self._lock = threading.Lock()
        self._in_flight: list[tuple[int, int]] = []  # leaves: first, count; put since the last barrier
        self._barriers: dict[int, list[tuple[int, int]]] = {}
        self._written = Reservoir(WRITTEN_SAMPLE)
        self._partial = path.with_name(path.name + ".partial")
        self._method = method
        self._geometry = geometry = method.geometry
        self._zeros = method.zeros()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.unlink(missing_ok=True)
        self._descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Not sparse: a full disk is to be an error now, not a SIGBUS when a page is touched.
        os.posix_fallocate(self._descriptor, 0, BODY_OFFSET + geometry.list_bytes)
        self._map = mmap.mmap(self._descriptor, 0)
        if baseline is None:
            self._fill_with_zeros(0, geometry.leaves)
        else:
            self._map[BODY_OFFSET:] = baseline

    def put(self, offset: int, digests: bytes) -> None:
        """The digests of the leaves from byte `offset` of the disk. Call it before they are sent."""
        first = offset // self._geometry.leaf
        self._written.offer(first, len(digests) // DIGEST_BYTES)
        self._note_in_flight(first, len(digests) // DIGEST_BYTES)
        self._set(first, digests)

    def put_zeros(self, offset: int, length: int) -> None:
        """A range of whole leaves that reads as zeros. Call it before it is sent."""
        first, count = offset // self._geometry.leaf, -(-length // self._geometry.leaf)
        self._note_in_flight(first, count)
        self._fill_with_zeros(first, count)

    def expect(self, offset: int, length: int) -> None:
        """Any leaf of this range may be sent from now on; `put` may hear of it only afterwards."""
        if self._journal is not None:
            self._journal.intend(*self._leaves(offset, length))

    def passed(self, offset: int, length: int) -> None:
        """No leaf of an expected range will be sent any more, nor heard of; those that were not put are as they
        were.
        """
        if self._journal is None:
            return
        first, count = self._leaves(offset, length)
        settled = bytearray(b"\1" * count)
        with self._lock:
            pending = [*self._in_flight, *(run for runs in self._barriers.values() for run in runs)]
        for start, number in pending:
            begin, end = max(start, first) - first, min(start + number, first + count) - first
            if begin < end:
                settled[begin:end] = bytes(end - begin)
        runs = [(first + found.start(), len(found.group())) for found in re.finditer(b"\1+", settled)]
        self._journal.settled((start, self._get(start, number)) for start, number in runs)

    def _leaves(self, offset: int, length: int) -> tuple[int, int]:
        """First and number of the leaves of a range of bytes."""
        return offset // self._geometry.leaf, -(-length // self._geometry.leaf)

    def barrier(self, seq: int) -> None:
        """BARRIER `seq` is about to be sent: its ACK is for all that was put until now."""
        with self._lock:
            self._barriers[seq] = self._in_flight
            self._in_flight = []

    def durable(self, seq: int) -> None:
        """The ACK of BARRIER `seq` has come: what was put before that barrier is on the destination's disk."""
        with self._lock:
            covered = [number for number in self._barriers if number <= seq]
            arrived = [run for number in covered for run in self._barriers.pop(number)]
        if self._journal is not None and arrived:
            self._journal.durable((first, self._get(first, count)) for first, count in _joined(arrived))

    def _note_in_flight(self, first: int, count: int) -> None:
        if self._journal is not None:
            self._journal.intend(first, count)
        with self._lock:
            self._in_flight.append((first, count))

    def _get(self, first: int, count: int) -> bytes:
        return self._map[BODY_OFFSET + first * DIGEST_BYTES : BODY_OFFSET + (first + count) * DIGEST_BYTES]

    def _set(self, first: int, digests: bytes) -> None:
        start = BODY_OFFSET + first * DIGEST_BYTES
        self._map[start : start + len(digests)] = digests

    def _fill_with_zeros(self, first: int, count: int) -> None:
        for start in range(first, first + count, _FILL_LEAVES):
            self._set(start, self._zeros.of(start, min(_FILL_LEAVES, first + count - start)))

    def sample(self, share: float, most: int) -> dict[int, bytes]:
        """Random leaves of the disk and their digests: `share` of all, and some that this run wrote; `most` at the
        most.
        """
        rng = random.SystemRandom()
        count = min(most, math.ceil(share * self._geometry.leaves))
        numbers = set(rng.sample(range(self._geometry.leaves), count))
        if count:
            numbers.update(self._written.kept[: most - count])
        return {number: self._get(number, 1) for number in numbers}

    def root(self) -> str:
        with memoryview(self._map) as view, view[BODY_OFFSET:] as body:
            return self._method.root(body)

    def publish(self, header: ManifestHeader, keys: SigningKeys = ()) -> None:
        """Makes the list durable under its name, in one step. Call only once the destination is durable."""
        last = max(self._barriers, default=0) + 1
        self.barrier(last)
        self.durable(last)
        signed = replace(header, signature=sign(header.signed_content, keys))
        block = MAGIC + json.dumps(asdict(signed)).encode()
        if len(block) >= BODY_OFFSET:
            raise UnusableLeafListError(f"{self._path}: header of {len(block)} bytes")
        self._map[:BODY_OFFSET] = block.ljust(BODY_OFFSET - 1) + b"\n"
        self._map.flush()
        os.fsync(self._descriptor)
        self._partial.replace(self._path)
        sync_directory(self._path.parent)

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)
        self._partial.unlink(missing_ok=True)


class Reservoir:
    """A fair sample of a stream of runs of leaves: one leaf of each run that is kept (Vitter's algorithm R)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen = 0
        self._rng = random.SystemRandom()
        self.kept: list[int] = []

    def offer(self, first: int, count: int) -> None:
        self._seen += 1
        place = len(self.kept) if self._seen <= self._size else self._rng.randrange(self._seen)
        if place < self._size:
            self.kept[place : place + 1] = [self._rng.randrange(first, first + count)]


def _joined(runs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same leaves in as few runs as possible, in order."""
    start = end = 0
    for first, count in sorted(runs):
        if first > end:
            if end > start:
                yield start, end - start
            start = first
        end = max(end, first + count)
    if end > start:
        yield start, end - start


@contextmanager
def drafting(
    path: Path, method: Method, baseline: Any | None, journal: Journal | None = None
) -> Iterator[Draft]:
    draft = Draft(path, method, baseline, journal)
    try:
        yield draft
    finally:
        draft.close()
