"""Boots the OSMorphing worker with the cloned disks attached, unless they are only to be read and we can do that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk
from coriolis.providers.base import MorphingResources


@dataclass(frozen=True)
class DeployOsMorphingResources(Step):
    key = "deploy_os_morphing_resources"
    task_type = TaskType.DEPLOY_OS_MORPHING_RESOURCES
    provides = "morphing_resources"

    endpoint_id: str
    environment: Mapping[str, Any]
    only_to_read: bool = False

    def execute(
        self, op: StepContext, instance: Instance, cloned_disks: tuple[ClonedDisk, ...]
    ) -> MorphingResources:
        cloud = op.destination(self.endpoint_id)
        if self.only_to_read and (images := cloud.clones_to_read(self.environment, cloned_disks)):
            return MorphingResources(None, {}, images)
        bound = op.on(self.endpoint_id)
        return cloud.deploy_os_morphing_resources(bound, self.environment, instance, cloned_disks)

    def revert(self, op: StepContext, cloned_disks: tuple[ClonedDisk, ...]) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_os_morphing_resources(op.on(self.endpoint_id), self.environment, cloned_disks)
