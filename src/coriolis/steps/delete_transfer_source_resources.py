"""Removes the export worker and the snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.steps.ends import recorded_points


@dataclass(frozen=True)
class DeleteTransferSourceResources(Step):
    key = "delete_transfer_source_resources"
    task_type = TaskType.DELETE_TRANSFER_SOURCE_RESOURCES

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str = ""  # jobs of before there were points know neither
    instance_name: str = ""

    def execute(self, op: StepContext, instance: Instance) -> None:
        cloud = op.source(self.endpoint_id)
        points = recorded_points(op, self.transfer_id, self.instance_name)
        cloud.delete_source_resources(op.on(self.endpoint_id), self.environment, instance, points)
