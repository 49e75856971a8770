"""The copy of one disk: agents at both ends, what the destination holds, the relay, the published list."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from coriolis.agent.frames import Geometry
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.transfer.agent_process import AgentProcess, Assignment, Check, Introduction
from coriolis.transfer.algorithm import choose_algorithm
from coriolis.transfer.audit import receive_hashes
from coriolis.transfer.job import CopyJob, DiskCopy
from coriolis.transfer.manifest import LeafList, ManifestHeader, UnusableLeafListError, drafting
from coriolis.transfer.progress import Meter
from coriolis.transfer.relay import Relay, RelayTotals

Note = Callable[[str], None]


class DiskCopier:
    """Copies one disk of a job; `copy()` is called once."""

    def __init__(
        self,
        job: CopyJob,
        disk: DiskCopy,
        *,
        report: Callable[[DiskProgress], None],
        note: Note,
        check: Check,
    ) -> None:
        self._job = job
        self._disk = disk
        self._note = note
        self._check = check
        self._geometry = Geometry(disk.size_bytes, job.leaf_size)
        self._meter = Meter(disk.disk_id, disk.size_bytes, report)
        self._deadline = time.monotonic() + job.connect_timeout

    def copy(self) -> DiskResult:
        """Raises errors of the transfer and worker branches; nothing is published then."""
        began = time.monotonic()
        with ExitStack() as stack:
            previous = self._open_previous(stack)
            compare = previous is None and (self._disk.compare_destination or self._disk.previous is not None)
            reader = stack.enter_context(self._agent("reader"))
            hasher = stack.enter_context(self._agent("hasher")) if compare else None
            # While its disk is hashed the writer would only idle; it starts afterwards.
            writer = None if compare else stack.enter_context(self._agent("writer"))
            source = reader.introduce(self._deadline, self._check)
            self._meter.update(0, 0)
            baseline: Any | None = previous.digests if previous is not None else None
            algorithm = previous.header.algorithm if previous is not None else None
            if hasher is not None:
                target = hasher.introduce(self._deadline, self._check)
                algorithm = choose_algorithm(source.rates, target.rates)
                hasher.begin(algorithm=algorithm)
                baseline = receive_hashes(hasher, self._check)
                hasher.close()
                self._deadline = time.monotonic() + self._job.connect_timeout
            if writer is None:
                writer = stack.enter_context(self._agent("writer"))
            target = writer.introduce(self._deadline, self._check)
            algorithm = algorithm or choose_algorithm(source.rates, target.rates)
            self._begin(reader, writer, algorithm, baseline, (source, target))
            draft = stack.enter_context(drafting(self._disk.manifest, self._geometry, algorithm, baseline))
            totals = Relay(reader, writer, draft, self._meter.update).run(self._check)
            draft.publish(self._header(algorithm, totals))
        self._meter.update(totals.scanned, totals.moved, last=True)
        return self._result(totals, time.monotonic() - began)

    def _open_previous(self, stack: ExitStack) -> LeafList | None:
        """The list of what the destination holds, if there is one that fits; else the destination is
        compared.
        """
        path = self._disk.previous
        if path is None or self._disk.compare_destination:
            return None
        try:
            leaves = stack.enter_context(LeafList(path))
            self._require_fit(leaves.header)
        except UnusableLeafListError as error:
            self._note(
                f"disk {self._disk.disk_id}: the destination is compared, its leaf list is refused: {error}"
            )
            return None
        return leaves

    def _require_fit(self, header: ManifestHeader) -> None:
        found = (header.disk_id, header.destination_id, header.generation, header.size, header.leaf)
        destination = self._disk.destination.disk.disk_id
        wanted = (self._disk.disk_id, destination, self._disk.generation - 1, *self._geometry)
        if found != wanted:
            raise UnusableLeafListError(f"it is for {found}, not for {wanted}")

    def _agent(self, role: str) -> AgentProcess:
        end = self._disk.source if role == "reader" else self._disk.destination
        return AgentProcess(
            Assignment(role, end, self._disk.disk_id, self._geometry, self._job.scope, self._job.token)
        )

    def _begin(
        self,
        reader: AgentProcess,
        writer: AgentProcess,
        algorithm: str,
        baseline: Any | None,
        ends: tuple[Introduction, Introduction],
    ) -> None:
        known = "zeros" if self._disk.destination_zeroed else "unknown"
        codecs = [name for name in ends[0].codecs if name in ends[1].codecs]
        writer.begin(algorithm=algorithm)
        reader.begin(
            algorithm=algorithm,
            baseline="list" if baseline is not None else known,
            codecs=codecs,
            compression=self._job.compression,
        )
        if baseline is not None:
            with reader.failures_named():
                reader.stream.send_leaves(baseline)

    def _header(self, algorithm: str, totals: RelayTotals) -> ManifestHeader:
        return ManifestHeader(
            disk_id=self._disk.disk_id,
            destination_id=self._disk.destination.disk.disk_id,
            scope=self._job.scope,
            generation=self._disk.generation,
            size=self._geometry.size,
            leaf=self._geometry.leaf,
            algorithm=algorithm,
            root=totals.root,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _result(self, totals: RelayTotals, seconds: float) -> DiskResult:
        return DiskResult(
            disk_id=self._disk.disk_id,
            size=self._geometry.size,
            moved=totals.moved,
            zero=totals.zero,
            unchanged=totals.unchanged,
            wire=totals.wire,
            seconds=round(seconds, 3),
            root_digest=totals.root,
            manifest=str(self._disk.manifest),
        )
