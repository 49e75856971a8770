"""Deletes the replica disks of an instance, and what is known of their content."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.steps.replica_files import remove_files


@dataclass(frozen=True)
class DeleteTransferDisks(Step):
    """Cannot be undone; what could not be deleted stays known, so that it can be asked for again."""

    key = "delete_transfer_disks"
    task_type = TaskType.DELETE_TRANSFER_DISKS

    endpoint_id: str
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext) -> None:
        replicas = op.database.replicas.disks(self.transfer_id, self.instance_name)
        cloud = op.destination(self.endpoint_id)
        for number, replica in enumerate(replicas):
            op.progress("Deleting replica disks", number, len(replicas))
            cloud.delete_disks(op.on(self.endpoint_id), [replica])
            op.database.replicas.forget(op.fence, self.transfer_id, self.instance_name, [replica.disk_id])
        op.progress("Deleting replica disks", len(replicas), len(replicas))
        remove_files(op.settings, self.transfer_id, self.instance_name)
