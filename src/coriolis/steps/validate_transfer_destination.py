"""Asks the destination cloud for everything that can be known to fail before anything is created."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance


@dataclass(frozen=True)
class ValidateTransferDestination(Step):
    key = "validate_transfer_destination"
    task_type = TaskType.VALIDATE_TRANSFER_DESTINATION_INPUTS

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance) -> None:
        """A later run is told which replicas are there: they need no space again."""
        replicas = op.database.replicas.disks(self.transfer_id, self.instance_name)
        op.destination(self.endpoint_id).validate_destination(self.environment, instance, replicas)
