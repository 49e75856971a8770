"""Makes sure that there is a replica disk for each disk of the instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, ResourceKind, ResourceState, TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk

_DISK_KINDS = (ResourceKind.DISK, ResourceKind.VOLUME)


@dataclass(frozen=True)
class DeployTransferDisks(Step):
    key = "deploy_transfer_disks"
    task_type = TaskType.DEPLOY_TRANSFER_DISKS
    provides = "replicas"

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance) -> tuple[ReplicaDisk, ...]:
        known = op.database.replicas.disks(self.transfer_id, self.instance_name)
        wanted = {disk.id for disk in instance.disks}
        for gone in (replica for replica in known if replica.disk_id not in wanted):
            message = f"Disk {gone.disk_id} left the instance; its replica {gone.volume_name} stays."
            op.event(EventLevel.WARNING, message)
        replicas = tuple(
            op.destination(self.endpoint_id).deploy_disks(
                op.on(self.endpoint_id),
                self.environment,
                instance,
                [replica for replica in known if replica.disk_id in wanted],
            )
        )
        op.database.replicas.save(op.fence, self.transfer_id, self.instance_name, replicas)
        return replicas

    def revert(self, op: StepContext) -> None:
        """Removes replicas that nothing was ever written to. Where a copy had begun they stay: the next run
        compares and goes on from there."""
        known = op.database.replicas.disks(self.transfer_id, self.instance_name)
        # one that began dirty, as new volumes may hold anything, has no journal before the first write
        empty = [r for r in known if r.generation == 0 and (not r.dirty or r.journal is None)]
        unknown = self._created_but_unknown(op, {replica.volume_name for replica in known})
        if empty or unknown:
            op.destination(self.endpoint_id).delete_disks(op.on(self.endpoint_id), [*empty, *unknown])
            gone = [replica.disk_id for replica in empty]
            op.database.replicas.forget(op.fence, self.transfer_id, self.instance_name, gone)

    def _created_but_unknown(self, op: StepContext, known_names: set[str]) -> list[ReplicaDisk]:
        """Disks that the ledger holds and no answer told us of: the step died between the two."""
        states = (ResourceState.PLANNED, ResourceState.PRESENT, ResourceState.KEPT, ResourceState.LEFTOVER)
        entries = op.database.resources.list(job_id=op.fence.job_id, states=states)
        return [
            ReplicaDisk(disk_id="", volume_id=entry.cloud_id or "", volume_name=entry.name, size_bytes=0)
            for entry in entries
            if entry.step == op.step and entry.kind in _DISK_KINDS and entry.name not in known_names
        ]
