"""Keeps the replica disks' bytes of now, so that a deployment may work on the disks themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk
from coriolis.steps.in_place import handed_over, in_place_cloud, restore_records
from coriolis.steps.validate_deployment import replicas_to_deploy


@dataclass(frozen=True)
class SecureReplicaDisks(Step):
    key = "secure_replica_disks"
    task_type = TaskType.CREATE_TRANSFER_DISK_SNAPSHOTS
    provides = "cloned_disks"

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance) -> tuple[ClonedDisk, ...]:
        replicas = replicas_to_deploy(op.database, self.transfer_id, self.instance_name, instance)
        cloud = in_place_cloud(op, self.endpoint_id)
        return tuple(cloud.secure_disks(op.on(self.endpoint_id), self.environment, instance, replicas))

    def revert(self, op: StepContext, instance: Instance) -> None:
        if handed_over(op, self.transfer_id, self.instance_name):
            return
        cloud = in_place_cloud(op, self.endpoint_id)
        cloud.roll_back_disks(op.on(self.endpoint_id), self.environment, instance)
        restore_records(op, self.transfer_id, self.instance_name)
        op.event(EventLevel.INFO, "The replica disks are as they were before this deployment.")
