"""Shuts the instance down, so that the run after it misses nothing. Only where the user asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class ShutdownInstance(Step):
    """Not undone by a failure later: starting a VM that somebody wanted off, perhaps beside its copy, is
    worse. A migration, which shuts down on its own account, starts it again by a run of its own."""

    key = "shutdown_instance"
    task_type = TaskType.SHUTDOWN_INSTANCE

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, instance: Instance) -> None:
        op.source(self.endpoint_id).shutdown_instance(op.on(self.endpoint_id), self.environment, instance)
