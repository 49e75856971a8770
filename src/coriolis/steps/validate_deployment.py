"""Makes sure that the replicas can be deployed, before anything is created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.errors import InvalidInput
from coriolis.model.enums import TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.store.database import Database


@dataclass(frozen=True)
class ValidateDeployment(Step):
    """Carries the instance as it was when its disks were last copied: the source may no longer be there to
    ask."""

    key = "validate_deployment"
    task_type = TaskType.VALIDATE_DEPLOYMENT_INPUTS
    provides = "instance"

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str
    instance: Instance
    force: bool

    def execute(self, op: StepContext) -> Instance:
        replicas = replicas_to_deploy(op.database, self.transfer_id, self.instance_name, self.instance)
        if not self.force:
            refuse_unsynced(self.instance_name, replicas)
        self.ask_cloud(op, replicas)
        return self.instance

    def ask_cloud(self, op: StepContext, replicas: Sequence[ReplicaDisk]) -> None:
        op.destination(self.endpoint_id).validate_deployment(self.environment, self.instance, replicas)


def replicas_to_deploy(
    database: Database, transfer_id: str, instance_name: str, instance: Instance
) -> tuple[ReplicaDisk, ...]:
    """In the instance's order. Raises InvalidInput when a disk has no replica at all."""
    known = {replica.disk_id: replica for replica in database.replicas.disks(transfer_id, instance_name)}
    missing = [disk.id for disk in instance.disks if disk.id not in known]
    if missing:
        raise InvalidInput(
            message=f"Instance {instance_name!r}: disk {missing[0]!r} has no replica. Execute the transfer."
        )
    return tuple(known[disk.id] for disk in instance.disks)


def refuse_unsynced(instance_name: str, replicas: Sequence[ReplicaDisk]) -> None:
    """Raises InvalidInput for a replica that was never completed, whose last run broke off, or that a verification
    found to differ."""
    for replica in replicas:
        if replica.dirty or replica.generation == 0:
            why = (
                "its last run broke off, or it was found to differ"
                if replica.generation
                else "it was never copied to the end"
            )
            raise InvalidInput(
                message=f"{instance_name!r}: the replica of disk {replica.disk_id!r} is not whole: {why}. "
                "Execute the transfer again, or force the deployment to try with what is there."
            )
