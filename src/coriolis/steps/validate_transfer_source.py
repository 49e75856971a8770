"""Asks the source cloud for everything that can be known to fail before anything is created."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class ValidateTransferSource(Step):
    key = "validate_transfer_source"
    task_type = TaskType.VALIDATE_TRANSFER_SOURCE_INPUTS

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, instance: Instance) -> None:
        for remark in instance.left_behind:
            op.event(EventLevel.WARNING, remark)
        op.source(self.endpoint_id).validate_source(self.environment, instance)
