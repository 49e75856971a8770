"""The two ends of a disk's copy, out of what the clouds have made ready."""

from dataclasses import replace

from coriolis.engine.context import StepContext
from coriolis.errors import EngineError, WorkerError
from coriolis.model.replica import ReplicaDisk
from coriolis.model.worker import SshLogin, WorkerVm
from coriolis.providers.base import MorphingResources, Points, SourceResources, TargetResources
from coriolis.transfer.job import CopyEnd, DiskEnd, ImageEnd

Resources = SourceResources | TargetResources | MorphingResources


def ends_of(resources: Resources) -> dict[str, CopyEnd]:
    """By id of the source disk."""
    ends: dict[str, CopyEnd] = {}
    if resources.worker is not None:
        login = ssh_login(resources.worker)
        ends = {disk.disk_id: DiskEnd(login, disk) for disk in resources.worker.disks}
    return ends | {disk.disk_id: ImageEnd(disk) for disk in resources.images}


def ssh_login(worker: WorkerVm) -> SshLogin:
    """Raises WorkerError for a Windows worker: the programs that copy and adapt disks run on Linux."""
    if isinstance(worker.login, SshLogin):
        return worker.login
    raise WorkerError(
        worker=worker.name, reason="a worker that runs Linux is needed here, and it runs Windows."
    )


def end_of(resources: Resources, disk_id: str) -> CopyEnd:
    end = ends_of(resources).get(disk_id)
    if end is None:
        raise EngineError(message=f"The cloud made everything ready but disk {disk_id!r}.")
    return end


def destination_end(resources: TargetResources, replica: ReplicaDisk) -> CopyEnd:
    """Known by its volume: what is on record of a volume is worth nothing for another one."""
    end = end_of(resources, replica.disk_id)
    if isinstance(end, DiskEnd):
        return replace(end, disk=replace(end.disk, disk_id=replica.volume_id))
    return replace(end, disk=replace(end.disk, disk_id=replica.volume_id))


def recorded_points(op: StepContext, transfer_id: str, instance_name: str) -> Points:
    """Of the replicas as they are now."""
    replicas = op.database.replicas.disks(transfer_id, instance_name)
    return {r.disk_id: r.source_point for r in replicas if r.source_point is not None}
