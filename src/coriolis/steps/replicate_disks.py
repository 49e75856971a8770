"""Brings the replica disks up to date with the instance's disks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coriolis.engine.context import StepContext
from coriolis.engine.progress import readable_bytes
from coriolis.engine.step import Step
from coriolis.errors import VerificationFailed
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Disk, Instance
from coriolis.model.progress import DiskResult
from coriolis.model.replica import ContentDigest, ReplicaDisk
from coriolis.providers.base import SourceResources, TargetResources
from coriolis.steps.absent_workers import WorkerInUse, naming_the_gone
from coriolis.steps.ends import destination_end, end_of
from coriolis.steps.replica_files import journal_of, manifest_of, signing_keys, tidy
from coriolis.steps.run_limits import RunLimits
from coriolis.transfer.content import subject_of
from coriolis.transfer.job import CopyJob, DiskCopy, ImageEnd
from coriolis.transfer.journal import resumable
from coriolis.transfer.limits import Limits
from coriolis.transfer.process import run_copy_job


@dataclass(frozen=True)
class ReplicateDisks(Step):
    """From the first write to the last flush the replicas are marked dirty; the list of what a replica holds
    is replaced only after that. An interrupted run therefore leaves either the old truth or the mark, never a
    wrong list.
    """

    key = "replicate_disks"
    task_type = TaskType.REPLICATE_DISKS
    provides = "synced"
    stall_after = 600.0  # each disk reports every few seconds, also where it only compares

    transfer_id: str
    instance_name: str
    source_id: str = ""  # jobs of before workers were looked for know neither
    destination_id: str = ""

    def execute(
        self,
        op: StepContext,
        instance: Instance,
        source_resources: SourceResources,
        target_resources: TargetResources,
    ) -> tuple[ReplicaDisk, ...]:
        before = self._present(op)
        copies = [
            self._copy(op, disk, before[disk.id], source_resources, target_resources)
            for disk in instance.disks
        ]
        aims = {"generations": {copy.disk_id: copy.generation for copy in copies}}
        op.checkpoint(aims)
        # From here on only the run that keeps these journals may have written to the replicas.
        begun = [
            replace(before[copy.disk_id], dirty=True, journal=_relative(op, copy.journal)) for copy in copies
        ]
        self._save(op, begun)
        for copy, replica in zip(copies, begun, strict=True):
            tidy(copy.manifest.parent, _files(op, replica))
        try:
            limits = RunLimits(op, self.transfer_id)
            route = target_resources.route or op.settings.transfer.route
            job = self._job(op, copies, limits.current, route)
            source_worker = WorkerInUse(op.source, self.source_id, source_resources.worker)
            target_worker = WorkerInUse(op.destination, self.destination_id, target_resources.worker)
            with naming_the_gone(source_worker, target_worker):
                results = run_copy_job(job, report=op.disk_progress, check=op.check, limits=limits)
        except VerificationFailed as error:
            op.event(EventLevel.ERROR, f"{error.message} The next execution compares and mends it.")
            raise
        synced = tuple(
            replace(
                replica,
                generation=copy.generation,
                dirty=False,
                manifest=_relative(op, copy.manifest),
                journal=None,
                digest=_digest_of(result, op.settings.transfer.leaf_size),
                source_point=_point_of(copy),
            )
            for copy, replica, result in zip(copies, begun, results, strict=True)
        )
        self._save(op, synced)
        op.checkpoint({**aims, **figures_of(results)})
        for copy, replica in zip(copies, synced, strict=True):
            tidy(copy.manifest.parent, _files(op, replica))
        op.event(EventLevel.INFO, describe_results(results))
        return synced

    def probe(self, op: StepContext, instance: Instance) -> tuple[ReplicaDisk, ...] | None:
        """The interrupted attempt had published what it copied, and only its result was not recorded."""
        aimed: Mapping[str, int] = (op.last_checkpoint or {}).get("generations", {})
        present = self._present(op)
        replicas = [present[disk.id] for disk in instance.disks if disk.id in present]
        published = all(r.generation == aimed.get(r.disk_id) and not r.dirty for r in replicas)
        return tuple(replicas) if aimed and published and len(replicas) == len(instance.disks) else None

    def _present(self, op: StepContext) -> dict[str, ReplicaDisk]:
        """As the database has them now: an interrupted attempt has marked them dirty since they were made."""
        replicas = op.database.replicas.disks(self.transfer_id, self.instance_name)
        return {replica.disk_id: replica for replica in replicas}

    def _save(self, op: StepContext, replicas: Sequence[ReplicaDisk]) -> None:
        op.database.replicas.save(op.fence, self.transfer_id, self.instance_name, replicas)

    def _copy(
        self,
        op: StepContext,
        disk: Disk,
        replica: ReplicaDisk,
        source: SourceResources,
        target: TargetResources,
    ) -> DiskCopy:
        source_end = end_of(source, disk.id)
        since = source_end.disk.since if isinstance(source_end, ImageEnd) else None
        generation = replica.generation + 1
        place = (self.transfer_id, self.instance_name, disk.id, generation, op.token)
        manifest = op.settings.state_dir / manifest_of(*place)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        known = op.settings.state_dir / replica.manifest if replica.manifest else None
        previous = known if known is not None and known.exists() else None
        untouched = replica.generation == 0 and not replica.dirty
        copy = DiskCopy(
            disk_id=disk.id,
            size_bytes=disk.size_bytes,
            source=source_end,
            destination=destination_end(target, replica),
            generation=generation,
            manifest=manifest,
            previous=previous,
            compare_destination=not untouched and (previous is None or replica.dirty),
            destination_zeroed=untouched,
            journal=journal_of(manifest),
            since=since if since == replica.source_point else None,
        )
        if replica.dirty and replica.journal is not None:
            kept = op.settings.state_dir / replica.journal
            if resumable(kept, subject_of(copy, self._scope, op.settings.transfer.leaf_size)):
                return replace(copy, journal=kept)
        return copy

    @property
    def _scope(self) -> str:
        return f"{self.transfer_id}/{self.instance_name}"

    def _job(self, op: StepContext, copies: Sequence[DiskCopy], limits: Limits, route: str) -> CopyJob:
        transfer = op.settings.transfer
        return CopyJob(
            copies=tuple(copies),
            scope=self._scope,
            token=op.token,
            leaf_size=transfer.leaf_size,
            compression=transfer.compression,
            parallel_disks=transfer.parallel_disks,
            connect_timeout=transfer.connect_timeout,
            route=route,
            agent_ports=transfer.agent_ports,
            limits=limits,
            signing_keys=signing_keys(op.settings),
            audit_share=transfer.audit_share,
        )


def figures_of(results: Sequence[DiskResult]) -> dict[str, int | bool]:
    """What a migration asks of a run that has ended: how much it moved, and whether that is only what was left of an
    interrupted one."""
    resumed = any(result.resumed for result in results)
    return {"moved_bytes": sum(result.moved for result in results), "resumed": resumed}


def describe_results(results: Sequence[DiskResult]) -> str:
    size = sum(result.size for result in results)
    figures = ", ".join(
        f"{readable_bytes(sum(getattr(result, name) for result in results))} {word}"
        for name, word in (
            ("read", "read"),
            ("moved", "moved"),
            ("zero", "zero"),
            ("unchanged", "unchanged"),
            ("wire", "on the wire"),
        )
    )
    resumed = sum(result.resumed for result in results)
    note = f" {resumed} went on from where an interrupted run had come." if resumed else ""
    return f"{len(results)} disk(s), {readable_bytes(size)}: {figures}.{note} {_describe_routes(results)}"


_ROUTES = {
    "tls": "TLS between the workers, through this conductor",
    "direct": "TLS from worker to worker",
    "ssh": "SSH",
    "local": "none, this conductor reads and writes itself",
}


def _describe_routes(results: Sequence[DiskResult]) -> str:
    routes = ", ".join(_ROUTES[route] for route in sorted({result.route for result in results}))
    reasons = "; ".join(sorted({result.why_not for result in results if result.why_not}))
    return f"Route: {routes}{f' ({reasons})' if reasons else ''}."


def _point_of(copy: DiskCopy) -> str | None:
    return copy.source.disk.point if isinstance(copy.source, ImageEnd) else None


def _digest_of(result: DiskResult, leaf_size: int) -> ContentDigest | None:
    if not result.algorithm:
        return None
    return ContentDigest(result.algorithm, leaf_size, result.size, result.root_digest)


def _relative(op: StepContext, path: Path | None) -> str | None:
    return None if path is None else str(path.relative_to(op.settings.state_dir))


def _files(op: StepContext, replica: ReplicaDisk) -> list[Path]:
    return [op.settings.state_dir / path for path in (replica.manifest, replica.journal) if path is not None]
