"""Makes sure that the replica disks themselves can be deployed, before anything is created."""

from collections.abc import Sequence
from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.model.replica import ReplicaDisk
from coriolis.steps.in_place import in_place_cloud
from coriolis.steps.validate_deployment import ValidateDeployment


@dataclass(frozen=True)
class ValidateInPlace(ValidateDeployment):
    key = "validate_in_place"

    def ask_cloud(self, op: StepContext, replicas: Sequence[ReplicaDisk]) -> None:
        cloud = in_place_cloud(op, self.endpoint_id)
        cloud.validate_in_place(self.environment, self.instance, replicas)
