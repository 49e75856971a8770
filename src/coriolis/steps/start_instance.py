"""Starts the instance again where it was, after a migration that shut it down has failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class StartInstance(Step):
    """Not undone by a cancel: it is what was wished before."""

    key = "start_instance"
    task_type = TaskType.START_INSTANCE

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, instance: Instance) -> None:
        op.source(self.endpoint_id).start_instance(op.on(self.endpoint_id), self.environment, instance)
