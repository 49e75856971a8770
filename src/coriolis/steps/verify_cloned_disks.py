"""Makes sure that what will be deployed is what was copied."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance
from coriolis.providers.base import MorphingResources
from coriolis.steps.absent_workers import WorkerInUse, naming_the_gone
from coriolis.steps.validate_deployment import replicas_to_deploy
from coriolis.steps.verification import DiskAudit


@dataclass(frozen=True)
class VerifyClonedDisks(Step):
    """Reads the clones, before anybody writes to them; a clone that differs makes its replica suspect."""

    key = "verify_cloned_disks"
    task_type = TaskType.VERIFY_DISKS
    stall_after = 600.0

    transfer_id: str
    instance_name: str
    endpoint_id: str = ""

    def execute(self, op: StepContext, instance: Instance, morphing_resources: MorphingResources) -> None:
        replicas = replicas_to_deploy(op.database, self.transfer_id, self.instance_name, instance)
        audit = DiskAudit(op, morphing_resources, self.transfer_id, self.instance_name)
        with naming_the_gone(WorkerInUse(op.destination, self.endpoint_id, morphing_resources.worker)):
            found = audit.run(replicas)
        op.event(EventLevel.ERROR if found.bad else EventLevel.INFO, found.describe())
        if found.bad:
            raise found.bad[0]
