"""Reads what the instance is: disks, NICs, firmware, size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class GetInstanceInfo(Step):
    key = "get_instance_info"
    task_type = TaskType.GET_INSTANCE_INFO
    provides = "instance"

    endpoint_id: str
    environment: Mapping[str, Any]
    instance_name: str

    def execute(self, op: StepContext) -> Instance:
        return op.source(self.endpoint_id).get_instance(self.environment, self.instance_name)
