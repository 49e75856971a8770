"""Copies the replica disks for one deployment, so that the replicas stay untouched whatever happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis.steps.validate_deployment import replicas_to_deploy


@dataclass(frozen=True)
class CloneTransferDisks(Step):
    key = "clone_transfer_disks"
    task_type = TaskType.CREATE_TRANSFER_DISK_SNAPSHOTS
    provides = "cloned_disks"

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance) -> tuple[ClonedDisk, ...]:
        replicas = replicas_to_deploy(op.database, self.transfer_id, self.instance_name, instance)
        return tuple(self.ask_cloud(op, instance, replicas))

    def ask_cloud(
        self, op: StepContext, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        cloud = op.destination(self.endpoint_id)
        return cloud.clone_disks(op.on(self.endpoint_id), self.environment, instance, replicas)

    def revert(self, op: StepContext, instance: Instance) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_cloned_disks(op.on(self.endpoint_id), self.environment, instance)
