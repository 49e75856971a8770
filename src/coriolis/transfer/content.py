"""What the destination of a copy holds before an attempt writes to it, and the journal of that."""

import itertools
import mmap
import os
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from coriolis.agent.digests import Method, kind_of
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.transfer.algorithm import UnknownDigestKeyError, known_method
from coriolis.transfer.job import CopyJob, DiskCopy
from coriolis.transfer.journal import (
    UNKNOWN,
    Base,
    Journal,
    JournalHeader,
    Subject,
    UnusableJournalError,
    base_of,
)
from coriolis.transfer.manifest import LeafList, ManifestHeader, UnusableLeafListError, drafting

_FILL_LEAVES = 65536
_COMPARED_BYTES = 65536
MOST_RANGES = 1000
"""What fits into one message to an agent."""

Ranges = tuple[tuple[int, int], ...]
"""Offset and length, in bytes of the disk."""


@dataclass(frozen=True, slots=True)
class Content:
    """`digests` (of a "list") may hold `journal.UNKNOWN` where only sending a leaf makes it known. `method`
    is theirs, None where the ends may still choose. `root`: of a list that is on file.
    """

    kind: Base
    digests: Any | None = None
    method: Method | None = None
    root: str | None = None
    journal: Journal | None = None


class DestinationContent:
    """For one disk of a job. What it opens is closed with `stack`."""

    def __init__(
        self,
        job: CopyJob,
        disk: DiskCopy,
        stack: ExitStack,
        *,
        kinds: Collection[str],
        note: Callable[[str], None],
    ) -> None:
        """`kinds`: of digests that both ends have."""
        self._job = job
        self._disk = disk
        self._stack = stack
        self._kinds = kinds
        self._note = note
        self._geometry = Geometry(disk.size_bytes, job.leaf_size)
        self._subject = subject_of(disk, job.scope, job.leaf_size)

    def known(self) -> Content | None:
        """None: the destination is to be compared."""
        if self._disk.compare_destination:
            return self._from_journal()
        if self._disk.previous is None:
            return Content("zeros" if self._disk.destination_zeroed else "unknown")
        try:
            leaves = self._stack.enter_context(LeafList(self._disk.previous, self._job.signing_keys))
            self._require_fit(leaves.header)
            method = self._method(leaves.header.algorithm)
        except (UnusableLeafListError, UnknownDigestKeyError) as error:
            self._complain(f"its leaf list is refused: {error}")
            return None
        return Content("list", leaves.digests, method, leaves.header.root)

    def journal(self, content: Content, method: Method) -> Journal | None:
        """Open and durable, for an attempt that starts from `content`; None if none is wanted."""
        path = self._disk.journal
        if path is None:
            return None
        if content.journal is not None:
            content.journal.go_on(self._job.token)
            return content.journal
        path.parent.mkdir(parents=True, exist_ok=True)
        base_root = content.root or ""
        if content.kind == "list" and content.root is None:
            base_root = self._keep_base(content, method)
        header = JournalHeader(
            *self._subject, algorithm=method.algorithm, base=content.kind, base_root=base_root
        )
        journal = Journal.begin(path, header, self._job.token)
        self._stack.callback(journal.close)
        return journal

    def strays(self, content: Content) -> Ranges | None:
        """Where the destination may hold something else than the last published list says; None where that may be
        anywhere.
        """
        if content.journal is None:
            return () if content.root is not None else None
        header, previous = content.journal.header, self._disk.previous
        if header.base != "list" or previous is None or not previous.exists():
            return None
        try:
            with LeafList(previous, self._job.signing_keys) as leaves:
                if leaves.header.root != header.base_root:
                    return None
                return differing(content.digests, leaves.digests, self._geometry)
        except UnusableLeafListError:
            return None

    def header(self, algorithm: str, root: str) -> ManifestHeader:
        """Of the list that this run publishes."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return ManifestHeader(*self._subject, algorithm, root, created)

    def scratch_list(self) -> Any:
        """Room for a list, on disk rather than in memory (256 KiB a GiB), and gone with this process."""
        with tempfile.TemporaryFile(dir=self._disk.manifest.parent) as file:
            os.posix_fallocate(file.fileno(), 0, self._geometry.list_bytes)
            mapped = mmap.mmap(file.fileno(), self._geometry.list_bytes)
        view = memoryview(mapped)
        self._stack.callback(mapped.close)
        self._stack.callback(view.release)
        return view

    def _from_journal(self) -> Content | None:
        path = self._disk.journal
        if path is None or not path.exists():
            return None
        try:
            journal = Journal.resume(path, self._subject)
        except UnusableJournalError as error:
            self._complain(f"its journal is refused: {error}")
            return None
        try:
            digests, method = self.scratch_list(), self._method(journal.header.algorithm)
            self._fill(digests, journal.header, method)
            journal.replay(digests)
        except (UnusableJournalError, UnusableLeafListError, UnknownDigestKeyError) as error:
            journal.close()
            self._complain(f"its journal is refused: {error}")
            return None
        self._stack.callback(journal.close)
        return Content("list", digests, method, journal=journal)

    def _method(self, algorithm: str) -> Method:
        if kind_of(algorithm) not in self._kinds:
            raise UnusableLeafListError(
                f"its digests are of kind {kind_of(algorithm)}, which an end does not have"
            )
        return known_method(self._geometry, algorithm, self._job.signing_keys)

    def _fill(self, digests: Any, header: JournalHeader, method: Method) -> None:
        """With the content at the time the journal was begun."""
        if header.base == "list":
            with self._base_list(header) as leaves:
                digests[:] = leaves.digests
            return
        zeros = method.zeros()
        for first in range(0, self._geometry.leaves, _FILL_LEAVES):
            count = min(_FILL_LEAVES, self._geometry.leaves - first)
            piece = zeros.of(first, count) if header.base == "zeros" else UNKNOWN * count
            digests[first * len(UNKNOWN) : (first + count) * len(UNKNOWN)] = piece

    def _base_list(self, header: JournalHeader) -> LeafList:
        """The list the journal is based on: one kept with it, or the last published one."""
        reason = "there is none"
        for path in (self._disk.journal and base_of(self._disk.journal), self._disk.previous):
            if path is None or not path.exists():
                continue
            leaves = LeafList(path, self._job.signing_keys)
            found = (leaves.header.root, leaves.header.geometry, leaves.header.algorithm)
            if found == (header.base_root, self._geometry, header.algorithm):
                return leaves
            leaves.close()
            reason = f"{path} is another one"
        raise UnusableLeafListError(f"the list it is based on: {reason}")

    def _keep_base(self, content: Content, method: Method) -> str:
        """A list that was made by hashing the destination is on no file yet. Returns its root."""
        if self._disk.journal is None:
            raise AssertionError("only a journal needs its base")
        path = base_of(self._disk.journal)
        with drafting(path, method, content.digests) as draft:
            root = draft.root()
            draft.publish(self.header(method.algorithm, root), self._job.signing_keys)
        return root

    def _require_fit(self, header: ManifestHeader) -> None:
        found = (header.disk_id, header.destination_id, header.generation, header.size, header.leaf)
        disk_id, destination_id, _, generation, *geometry = self._subject
        wanted = (disk_id, destination_id, generation - 1, *geometry)
        if found != wanted:
            raise UnusableLeafListError(f"it is for {found}, not for {wanted}")

    def _complain(self, why: str) -> None:
        self._note(f"disk {self._disk.disk_id}: the destination is compared, {why}")


def differing(one: Any, other: Any, geometry: Geometry) -> Ranges:
    """Of two leaf lists: ranges of bytes, ascending, that hold all leaves that differ. The smallest gaps between
    them are closed until they are no more than `MOST_RANGES`.
    """
    runs: list[tuple[int, int]] = []
    for start in range(0, len(one), _COMPARED_BYTES):
        if one[start : start + _COMPARED_BYTES] == other[start : start + _COMPARED_BYTES]:
            continue
        for place in range(start, min(start + _COMPARED_BYTES, len(one)), DIGEST_BYTES):
            if one[place : place + DIGEST_BYTES] != other[place : place + DIGEST_BYTES]:
                leaf = place // DIGEST_BYTES
                runs[-1:] = _prolonged(runs[-1:], leaf)
    gap = _gap_to_close(runs)
    joined: list[tuple[int, int]] = []
    for first, end in runs:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((first, end))
    leaf_size = geometry.leaf
    return tuple((a * leaf_size, min(b * leaf_size, geometry.size) - a * leaf_size) for a, b in joined)


def _prolonged(last: list[tuple[int, int]], leaf: int) -> list[tuple[int, int]]:
    if last and last[0][1] == leaf:
        return [(last[0][0], leaf + 1)]
    return [*last, (leaf, leaf + 1)]


def _gap_to_close(runs: list[tuple[int, int]]) -> int:
    gaps = sorted(later[0] - earlier[1] for earlier, later in itertools.pairwise(runs))
    surplus = len(runs) - MOST_RANGES
    return gaps[surplus - 1] if surplus > 0 else 0


def subject_of(disk: DiskCopy, scope: str, leaf_size: int) -> Subject:
    return Subject(
        disk_id=disk.disk_id,
        destination_id=disk.destination.disk.disk_id,
        scope=scope,
        generation=disk.generation,
        size=disk.size_bytes,
        leaf=leaf_size,
    )
