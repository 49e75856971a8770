"""Snapshots the instance's disks and boots the export worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.providers.base import SourceResources


@dataclass(frozen=True)
class DeployTransferSourceResources(Step):
    key = "deploy_transfer_source_resources"
    task_type = TaskType.DEPLOY_TRANSFER_SOURCE_RESOURCES
    provides = "source_resources"

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, instance: Instance) -> SourceResources:
        cloud = op.source(self.endpoint_id)
        return cloud.deploy_source_resources(op.on(self.endpoint_id), self.environment, instance)

    def revert(self, op: StepContext, instance: Instance) -> None:
        cloud = op.source(self.endpoint_id)
        cloud.delete_source_resources(op.on(self.endpoint_id), self.environment, instance)
