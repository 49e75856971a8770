"""Detaches the replica disks and removes the disk copy worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.replica import ReplicaDisk


@dataclass(frozen=True)
class DeleteTransferTargetResources(Step):
    key = "delete_transfer_target_resources"
    task_type = TaskType.DELETE_TRANSFER_TARGET_RESOURCES

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, replicas: tuple[ReplicaDisk, ...]) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_target_resources(op.on(self.endpoint_id), self.environment, replicas)
