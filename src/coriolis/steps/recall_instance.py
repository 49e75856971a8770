"""Gives what the source said of the instance when its disks were last copied."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class RecallInstance(Step):
    """For work on the replicas alone: the source may no longer be there to ask."""

    key = "recall_instance"
    task_type = TaskType.GET_INSTANCE_INFO
    provides = "instance"

    instance: Instance

    def execute(self, op: StepContext) -> Instance:  # noqa: ARG002 - of the contract
        return self.instance
