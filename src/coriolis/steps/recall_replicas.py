"""Gives the replica disks of an instance as they are known."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.steps.validate_deployment import replicas_to_deploy


@dataclass(frozen=True)
class RecallReplicas(Step):
    """In the instance's order. Nothing is made: `deploy_transfer_disks` would grow them or add one."""

    key = "recall_replicas"
    task_type = TaskType.VALIDATE_TRANSFER_DESTINATION_INPUTS
    provides = "replicas"

    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance) -> tuple[ReplicaDisk, ...]:
        return replicas_to_deploy(op.database, self.transfer_id, self.instance_name, instance)
