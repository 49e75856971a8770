"""Makes sure that the replicas hold what was copied to them."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.base import TargetResources
from coriolis.steps.absent_workers import WorkerInUse, naming_the_gone
from coriolis.steps.verification import DiskAudit


@dataclass(frozen=True)
class VerifyReplicaDisks(Step):
    """Reads all of them, also after one was found to differ: each bad one is named and marked."""

    key = "verify_replica_disks"
    task_type = TaskType.VERIFY_DISKS
    stall_after = 600.0

    transfer_id: str
    instance_name: str
    endpoint_id: str = ""

    def execute(
        self, op: StepContext, replicas: tuple[ReplicaDisk, ...], target_resources: TargetResources
    ) -> None:
        audit = DiskAudit(op, target_resources, self.transfer_id, self.instance_name)
        with naming_the_gone(WorkerInUse(op.destination, self.endpoint_id, target_resources.worker)):
            found = audit.run(replicas)
        for disk_id in found.good:
            op.event(EventLevel.INFO, f"Disk {disk_id} holds what was copied to it.")
        op.event(EventLevel.ERROR if found.bad else EventLevel.INFO, found.describe())
        if found.bad:
            raise found.bad[0]
