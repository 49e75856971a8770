"""Snapshots the instance's disks and boots the export worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.providers.base import SourceResources
from coriolis.steps.ends import recorded_points


@dataclass(frozen=True)
class DeployTransferSourceResources(Step):
    key = "deploy_transfer_source_resources"
    task_type = TaskType.DEPLOY_TRANSFER_SOURCE_RESOURCES
    provides = "source_resources"

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str = ""  # jobs of before there were points know neither
    instance_name: str = ""

    def execute(self, op: StepContext, instance: Instance) -> SourceResources:
        cloud = op.source(self.endpoint_id)
        points = recorded_points(op, self.transfer_id, self.instance_name)
        return cloud.deploy_source_resources(op.on(self.endpoint_id), self.environment, instance, points)

    def revert(self, op: StepContext, instance: Instance) -> None:
        cloud = op.source(self.endpoint_id)
        points = recorded_points(op, self.transfer_id, self.instance_name)
        cloud.delete_source_resources(op.on(self.endpoint_id), self.environment, instance, points)
