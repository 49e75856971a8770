"""Records that the replica disks do not hold for sure any more what was copied to them."""

from dataclasses import dataclass, replace

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from coriolis.steps.in_place import OPEN_STEP


@dataclass(frozen=True)
class OpenReplicaDisks(Step):
    """After they were verified and before anybody writes to them. If they cannot be rolled back, the next execution
    compares them; if they can, `secure_replica_disks` puts back what is recorded here."""

    key = OPEN_STEP
    task_type = TaskType.DEPLOY_INSTANCE_RESOURCES

    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext) -> None:
        known = op.database.replicas.disks(self.transfer_id, self.instance_name)
        if op.last_checkpoint is None:
            kept = [{"disk_id": r.disk_id, "dirty": r.dirty, "journal": r.journal} for r in known]
            op.checkpoint({"replicas": kept})
        opened = [replace(replica, dirty=True, journal=None) for replica in known]
        op.database.replicas.save(op.fence, self.transfer_id, self.instance_name, opened)
