"""Re-reading a disk where it is: proof of what it holds, independent of how it got there."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coriolis.agent import frames
from coriolis.agent.digests import Method, Root, root
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.agent.pipes import read_exactly
from coriolis.errors import TransferError, VerificationFailed
from coriolis.model.replica import ContentDigest
from coriolis.transfer.agent_process import AgentProcess, Assignment, Check
from coriolis.transfer.algorithm import UnknownDigestKeyError, known_method
from coriolis.transfer.job import CopyEnd
from coriolis.transfer.manifest import LeafList, UnusableLeafListError
from coriolis.transfer.signing import SigningKeys

Progress = Callable[[int], None]
"""Takes the bytes read so far, about twice a second."""


@dataclass(frozen=True, slots=True)
class DiskDigests:
    """A disk's leaf list; `root` as in a manifest made with the same leaf size and algorithm."""

    size: int
    leaf: int
    algorithm: str
    leaves: bytes
    root: str


def hash_disk(
    end: CopyEnd,
    *,
    leaf_size: int = 65536,
    algorithm: str = "sha256",
    timeout: float = 300.0,
    check: Check = lambda: None,
) -> DiskDigests:
    """Reads the first `end.disk.size_bytes` of the disk past the page cache. `timeout` is for the connection;
    `check` is called at least twice a second and may raise. Raises TransferError and WorkerError kinds.
    """
    geometry = Geometry(end.disk.size_bytes, leaf_size)
    with AgentProcess(Assignment("hasher", end, end.disk.disk_id, geometry)) as process:
        process.introduce(time.monotonic() + timeout, check)
        process.begin(Method(geometry, algorithm))
        leaves = bytearray(geometry.list_bytes)
        receive_hashes(process, leaves, check)
    return DiskDigests(*geometry, algorithm, bytes(leaves), root(geometry, algorithm, leaves))


def verify_disk(
    end: CopyEnd,
    manifest: Path,
    *,
    keys: SigningKeys = (),
    timeout: float = 300.0,
    check: Check = lambda: None,
    progress: Progress = lambda _done: None,
) -> str:
    """The root digest, if the whole disk holds what its manifest says; else raises VerificationFailed with the
    first range that differs.
    """
    disk_id = end.disk.disk_id
    try:
        leaves = LeafList(manifest, keys)
    except UnusableLeafListError as error:
        raise TransferError(disk=disk_id, reason=f"no manifest to verify it by: {error}") from error
    with leaves:
        method = _known_method(disk_id, leaves.header.geometry, leaves.header.algorithm, keys)
        header, differing = leaves.header, Differences(leaves.header.geometry, leaves.digests)
        with AgentProcess(Assignment("hasher", end, disk_id, header.geometry)) as process:
            process.introduce(time.monotonic() + timeout, check)
            process.begin(method)
            for position, digests in received_pieces(process, check, progress):
                differing.compare(position, digests)
        differing.raise_if_any(disk_id)
        return header.root


def verify_content(
    end: CopyEnd,
    digest: ContentDigest,
    *,
    keys: SigningKeys = (),
    timeout: float,
    check: Check,
    progress: Progress,
) -> None:
    """As `verify_disk`, without a list: what differs is somewhere on the disk."""
    geometry = Geometry(digest.size, digest.leaf)
    method = _known_method(end.disk.disk_id, geometry, digest.algorithm, keys)
    found = Root(geometry, digest.algorithm)
    with AgentProcess(Assignment("hasher", end, end.disk.disk_id, geometry)) as process:
        process.introduce(time.monotonic() + timeout, check)
        process.begin(method)
        for _, digests in received_pieces(process, check, progress):
            found.update(digests)
    if found.hexdigest() != digest.root:
        reason = (
            "its root digest is not that of the copy; the list that would tell where is not on this host."
        )
        raise VerificationFailed(disk=end.disk.disk_id, offset=0, length=digest.size, reason=reason)


def verify_sample(
    end: CopyEnd,
    disk_id: str,
    method: Method,
    expected: Mapping[int, bytes],
    *,
    timeout: float,
    check: Check,
) -> None:
    """Re-reads leaves of a disk, by number (at most `hasher.SAMPLE_LEAVES`). Raises VerificationFailed for the
    first that does not have its expected digest.
    """
    numbers, geometry = sorted(expected), method.geometry
    with AgentProcess(Assignment("hasher", end, disk_id, geometry)) as process:
        process.introduce(time.monotonic() + timeout, check)
        process.begin(method, sample=numbers)
        found = b"".join(digests for _, digests in received_pieces(process, check, size=len(numbers)))
    for place, number in enumerate(numbers):
        if found[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES] != expected[number]:
            offset = number * geometry.leaf
            reason = (
                f"of {len(numbers)} leaves read again after the copy, this is the first that is not right."
            )
            length = min(geometry.leaf, geometry.size - offset)
            raise VerificationFailed(disk=disk_id, offset=offset, length=length, reason=reason)


def _known_method(disk_id: str, geometry: Geometry, algorithm: str, keys: SigningKeys) -> Method:
    try:
        return known_method(geometry, algorithm, keys)
    except UnknownDigestKeyError as error:
        raise TransferError(disk=disk_id, reason=f"it cannot be verified: {error}.") from error


class Differences:
    """Between what a disk holds and what it should."""

    def __init__(self, geometry: Geometry, expected: memoryview) -> None:
        self._geometry = geometry
        self._expected = expected
        self._count = 0
        self._first = 0
        self._run = 0  # leaves that differ from `_first` on without a gap

    def compare(self, position: int, digests: bytes) -> None:
        """`digests` stand at `position` of the leaf list, in bytes. Pieces come in ascending order."""
        if digests == self._expected[position : position + len(digests)]:
            return
        for place in range(position, position + len(digests), DIGEST_BYTES):
            here = digests[place - position : place - position + DIGEST_BYTES]
            if here != self._expected[place : place + DIGEST_BYTES]:
                self._note(place // DIGEST_BYTES)

    def _note(self, leaf: int) -> None:
        if not self._count:
            self._first = leaf
        if leaf == self._first + self._run:
            self._run += 1
        self._count += 1

    def raise_if_any(self, disk_id: str) -> None:
        if not self._count:
            return
        offset = self._first * self._geometry.leaf
        length = min(self._run * self._geometry.leaf, self._geometry.size - offset)
        reason = f"{self._count} of {self._geometry.leaves} leaves differ from its manifest."
        raise VerificationFailed(disk=disk_id, offset=offset, length=length, reason=reason)


def receive_hashes(
    process: AgentProcess, leaves: Any, check: Check, progress: Progress = lambda _done: None
) -> None:
    """The list of a hasher that was told to begin, into `leaves` (writable, of its size)."""
    for position, digests in received_pieces(process, check, progress):
        leaves[position : position + len(digests)] = digests


def received_pieces(
    process: AgentProcess,
    check: Check,
    progress: Progress = lambda _done: None,
    *,
    size: int | None = None,
) -> Iterator[tuple[int, bytes]]:
    """What a hasher that was told to begin sends, piece by piece, in order: position and digests. `size`: of how
    many leaves, all by default.
    """
    wanted = process.stream.geometry.list_bytes if size is None else size * DIGEST_BYTES
    have = 0
    while True:
        process.wait_readable(check)
        header = process.receive()
        if header.kind == frames.STATUS:
            progress(process.counts(header, "scanned")["scanned"])
        elif header.kind == frames.LEAVES and header.offset == have:
            with process.failures_named():
                digests = read_exactly(process.stream.incoming, header.raw)
            yield have, digests
            have += header.raw
        elif header.kind == frames.EOF and have == wanted:
            process.payload(header)
            return
        else:
            raise process.protocol_failure(f"a hasher sends no frame of kind {header.kind} now")
