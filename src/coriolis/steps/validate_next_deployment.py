"""Makes sure that what is about to be copied could be deployed: before hours of copying, and before the instance
is shut down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk


@dataclass(frozen=True)
class ValidateNextDeployment(Step):
    key = "validate_next_deployment"
    task_type = TaskType.VALIDATE_DEPLOYMENT_INPUTS

    endpoint_id: str
    environment: Mapping[str, Any]

    def execute(self, op: StepContext, instance: Instance, replicas: tuple[ReplicaDisk, ...]) -> None:
        op.destination(self.endpoint_id).validate_deployment(self.environment, instance, replicas)
