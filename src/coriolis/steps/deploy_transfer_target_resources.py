"""Boots the disk copy worker with the replica disks attached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.base import TargetResources


@dataclass(frozen=True)
class DeployTransferTargetResources(Step):
    key = "deploy_transfer_target_resources"
    task_type = TaskType.DEPLOY_TRANSFER_TARGET_RESOURCES
    provides = "target_resources"

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(
        self, op: StepContext, instance: Instance, replicas: tuple[ReplicaDisk, ...]
    ) -> TargetResources:
        cloud = op.destination(self.endpoint_id)
        return cloud.deploy_target_resources(op.on(self.endpoint_id), self.environment, instance, replicas)

    def revert(self, op: StepContext, replicas: tuple[ReplicaDisk, ...]) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_target_resources(op.on(self.endpoint_id), self.environment, replicas)
