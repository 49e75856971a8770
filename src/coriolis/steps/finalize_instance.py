"""Creates the final VM from the cloned disks and starts it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs


@dataclass(frozen=True)
class FinalizeInstance(Step):
    key = "finalize_instance"
    task_type = TaskType.FINALIZE_INSTANCE_DEPLOYMENT
    provides = "deployed"

    endpoint_id: str
    environment: Mapping[str, Any]
    instance_name: str

    def execute(
        self,
        op: StepContext,
        instance: Instance,
        cloned_disks: tuple[ClonedDisk, ...],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        cloud = op.destination(self.endpoint_id)
        bound = op.on(self.endpoint_id)
        deployed = cloud.finalize_instance(bound, self.environment, instance, cloned_disks, detected_os)
        op.database.deployments.set_result(op.fence, self.instance_name, asdict(deployed))
        where = f", reachable at {', '.join(deployed.addresses)}" if deployed.addresses else ""
        op.event(EventLevel.INFO, f"VM {deployed.name!r} ({deployed.id}) is there{where}.")
        return deployed

    def revert(self, op: StepContext, instance: Instance) -> None:
        cloud = op.destination(self.endpoint_id)
        cloud.delete_instance(op.on(self.endpoint_id), self.environment, instance)
