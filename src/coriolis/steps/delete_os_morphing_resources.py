"""Removes the OSMorphing worker; the cloned disks stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.replica import ClonedDisk


@dataclass(frozen=True)
class DeleteOsMorphingResources(Step):
    key = "delete_os_morphing_resources"
    task_type = TaskType.DELETE_OS_MORPHING_RESOURCES

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, cloned_disks: tuple[ClonedDisk, ...]) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_os_morphing_resources(op.on(self.endpoint_id), self.environment, cloned_disks)
