"""Brings the replica disks up to date with the instance's disks."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from coriolis.engine.context import StepContext
from coriolis.engine.progress import readable_bytes
from coriolis.engine.step import Step
from coriolis.errors import EngineError
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance
from coriolis.model.progress import DiskResult
from coriolis.model.replica import ReplicaDisk
from coriolis.model.worker import WorkerVm
from coriolis.providers.base import SourceResources, TargetResources
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd
from coriolis.transfer.process import run_copy_job

MANIFESTS = "manifests"


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

    def execute(
        self,
        op: StepContext,
        instance: Instance,
        source_resources: SourceResources,
        target_resources: TargetResources,
    ) -> tuple[ReplicaDisk, ...]:
        before = self._present(op)
        replicas = [before[disk.id] for disk in instance.disks]
        manifests = {r.disk_id: self._manifest(r.disk_id, r.generation + 1) for r in replicas}
        job = self._job(
            op, instance, replicas, manifests, source=source_resources.worker, target=target_resources.worker
        )
        op.checkpoint({"generations": {r.disk_id: r.generation + 1 for r in replicas}})
        self._save(op, [replace(replica, dirty=True) for replica in replicas])
        results = run_copy_job(job, report=op.disk_progress, check=op.check)
        synced = tuple(
            replace(r, generation=r.generation + 1, dirty=False, manifest=str(manifests[r.disk_id]))
            for r in replicas
        )
        self._save(op, synced)
        self._drop_old_manifests(op, synced)
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

    def _manifest(self, disk_id: str, generation: int) -> Path:
        """Relative to the state directory."""
        return manifests_of(self.transfer_id, self.instance_name) / _file_name(disk_id) / str(generation)

    def _job(
        self,
        op: StepContext,
        instance: Instance,
        replicas: Sequence[ReplicaDisk],
        manifests: Mapping[str, Path],
        *,
        source: WorkerVm,
        target: WorkerVm,
    ) -> CopyJob:
        state_dir, transfer = op.settings.state_dir, op.settings.transfer
        copies: list[DiskCopy] = []
        for disk, replica in zip(instance.disks, replicas, strict=True):
            known = state_dir / replica.manifest if replica.manifest and not replica.dirty else None
            previous = known if known is not None and known.exists() else None
            untouched = replica.generation == 0 and not replica.dirty
            manifest = state_dir / manifests[disk.id]
            manifest.parent.mkdir(parents=True, exist_ok=True)
            copies.append(
                DiskCopy(
                    disk_id=disk.id,
                    size_bytes=disk.size_bytes,
                    source=_end(source, disk.id),
                    destination=_end(target, disk.id),
                    generation=replica.generation + 1,
                    manifest=manifest,
                    previous=previous,
                    compare_destination=previous is None and not untouched,
                    destination_zeroed=untouched,
                )
            )
        return CopyJob(
            copies=tuple(copies),
            scope=f"{self.transfer_id}/{self.instance_name}",
            token=op.token,
            leaf_size=transfer.leaf_size,
            compression=transfer.compression,
            parallel_disks=transfer.parallel_disks,
            connect_timeout=transfer.connect_timeout,
        )

    def _drop_old_manifests(self, op: StepContext, synced: Sequence[ReplicaDisk]) -> None:
        for replica in synced:
            if replica.manifest is None:
                continue
            current = op.settings.state_dir / replica.manifest
            for other in current.parent.iterdir():
                if other.name.isdigit() and int(other.name) < replica.generation:
                    other.unlink() if other.is_file() else shutil.rmtree(other)


def manifests_of(transfer_id: str, instance_name: str) -> Path:
    """Relative to the state directory."""
    return Path(MANIFESTS) / _file_name(transfer_id) / _file_name(instance_name)


def describe_results(results: Sequence[DiskResult]) -> str:
    size = sum(result.size for result in results)
    figures = ", ".join(
        f"{readable_bytes(sum(getattr(result, name) for result in results))} {word}"
        for name, word in (
            ("moved", "moved"),
            ("zero", "zero"),
            ("unchanged", "unchanged"),
            ("wire", "on the wire"),
        )
    )
    return f"{len(results)} disk(s), {readable_bytes(size)}: {figures}."


def _end(worker: WorkerVm, disk_id: str) -> DiskEnd:
    for disk in worker.disks:
        if disk.disk_id == disk_id:
            return DiskEnd(worker.login, disk)
    raise EngineError(message=f"Worker {worker.name!r} was deployed without disk {disk_id!r}.")


def _file_name(name: str) -> str:
    """Any name as one path component: a slash or a leading dot would leave the directory."""
    return quote(name, safe="").replace(".", "%2E")
