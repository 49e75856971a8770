"""The copy of one disk: agents at both ends, what the destination holds, the relay, the published list."""

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from coriolis.agent.digests import Method
from coriolis.agent.frames import SEAL_KEY_BYTES, Geometry
from coriolis.agent.hasher import SAMPLE_LEAVES
from coriolis.errors import VerificationFailed
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.transfer.agent_process import AgentProcess, Assignment, Check
from coriolis.transfer.algorithm import Rates, choose_method
from coriolis.transfer.audit import receive_hashes, verify_sample
from coriolis.transfer.content import Content, DestinationContent, Ranges
from coriolis.transfer.exchange import RelayTotals
from coriolis.transfer.introduction import Introduction
from coriolis.transfer.job import CopyJob, DiskCopy, ImageEnd
from coriolis.transfer.limits import Limiter
from coriolis.transfer.manifest import Draft, drafting
from coriolis.transfer.progress import Meter
from coriolis.transfer.route import End, Route, RouteWish, choose_route
from coriolis.transfer.slots import Slots

Note = Callable[[str], None]


def new_seal_key() -> bytes:
    """Of the frames of one copy of one disk: no frame of another one fits."""
    return secrets.token_bytes(SEAL_KEY_BYTES)


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
        limiter: Limiter,
        slots: Slots,
    ) -> None:
        self._job = job
        self._disk = disk
        self._note = note
        self._check = check
        self._limiter = limiter
        self._slots = slots
        self._geometry = Geometry(disk.size_bytes, job.leaf_size)
        self._meter = Meter(disk.disk_id, disk.size_bytes, report)
        self._deadline = time.monotonic() + job.connect_timeout

    def copy(self) -> DiskResult:
        """Raises errors of the transfer and worker branches; nothing is published then."""
        began = time.monotonic()
        with ExitStack() as stack:
            agents = [stack.enter_context(self._agent(role)) for role in ("reader", "writer")]
            reader, writer = (End(agent, agent.introduce(self._deadline, self._check)) for agent in agents)
            processors = min(reader.introduction.cpus, writer.introduction.cpus)
            stack.enter_context(self._slots.held(processors, self._check))
            # The writer holds the fence: from here on no earlier run changes the disk or its journal.
            self._meter.update(0, 0)
            rates = reader.introduction.rates, writer.introduction.rates
            kinds = rates[0].keys() & rates[1].keys()
            destination = DestinationContent(self._job, self._disk, stack, kinds=kinds, note=self._note)
            content = destination.known()
            if content is None:
                content = self._compared(reader.introduction, destination.scratch_list())
            method = content.method or self._chosen(*rates)
            journal = destination.journal(content, method)
            route = stack.enter_context(self._route(reader, writer))
            self._begin(route, (reader, writer), method, content, destination.strays(content))
            draft = stack.enter_context(drafting(self._disk.manifest, method, content.digests, journal))
            totals = route.exchange(draft, self._meter.update).run(self._check)
            self._audit(draft, method)
            draft.publish(destination.header(method.algorithm, totals.root), self._job.signing_keys)
            resumed = content.journal is not None
        self._meter.update(totals.scanned, totals.moved, last=True)
        result = self._result(totals, route, time.monotonic() - began)
        return replace(result, resumed=resumed, algorithm=method.algorithm)

    def _audit(self, draft: Draft, method: Method) -> None:
        """Reads some of the destination again. Raises VerificationFailed; the journal, which says otherwise, is gone
        then, so that the next run compares.
        """
        sample = draft.sample(self._job.audit_share, SAMPLE_LEAVES)
        if not sample:
            return
        place = (self._disk.destination, self._disk.disk_id, method, sample)
        try:
            verify_sample(*place, timeout=self._job.connect_timeout, check=self._check)
        except VerificationFailed:
            if self._disk.journal is not None:
                self._disk.journal.unlink(missing_ok=True)
            raise

    def _route(self, reader: End, writer: End) -> Route:
        wish = RouteWish(self._job.route, self._job.agent_ports)
        return choose_route(wish, reader, writer, self._limiter, self._check)

    def _compared(self, source: Introduction, leaves: Any) -> Content:
        """What the destination holds, by hashing it there. The writer waits meanwhile, for its fence."""
        with self._agent("hasher") as hasher:
            target = hasher.introduce(time.monotonic() + self._job.connect_timeout, self._check)
            method = self._chosen(source.rates, target.rates)
            hasher.begin(method)
            receive_hashes(hasher, leaves, self._check, lambda _done: self._meter.update(0, 0))
            return Content("list", leaves, method)

    def _chosen(self, source: Rates, destination: Rates) -> Method:
        wanted = self._disk.source.disk.digest if isinstance(self._disk.source, ImageEnd) else None
        return choose_method(self._geometry, source, destination, self._job.signing_keys, wanted=wanted)

    def _agent(self, role: str) -> AgentProcess:
        end = self._disk.source if role == "reader" else self._disk.destination
        return AgentProcess(
            Assignment(role, end, self._disk.disk_id, self._geometry, self._job.scope, self._job.token)
        )

    def _begin(
        self,
        route: Route,
        ends: tuple[End, End],
        method: Method,
        content: Content,
        strays: Ranges | None,
    ) -> None:
        reader, writer = ends
        route_kind = "ssh" if route.is_relayed else route.kind
        codecs = [name for name in reader.introduction.codecs if name in writer.introduction.codecs]
        seal_key = new_seal_key()
        writer.process.begin(method, seal_key=seal_key, route=route_kind)
        reader.process.begin(
            method,
            seal_key=seal_key,
            route=route_kind,
            since=None if strays is None else self._disk.since,
            also=strays or (),
            baseline=content.kind,
            codecs=codecs,
            compression=self._job.compression,
            read=self._limiter.source_read,
        )
        if content.digests is not None:
            with reader.process.failures_named():
                reader.process.stream.send_leaves(content.digests)

    def _result(self, totals: RelayTotals, route: Route, seconds: float) -> DiskResult:
        return DiskResult(
            disk_id=self._disk.disk_id,
            size=self._geometry.size,
            read=totals.read,
            moved=totals.moved,
            zero=totals.zero,
            unchanged=totals.unchanged,
            wire=totals.wire,
            seconds=round(seconds, 3),
            root_digest=totals.root,
            manifest=str(self._disk.manifest),
            route=route.kind,
            why_not=route.why_not,
        )
