"""Makes the replica disks the deployed VM's: the transfer has none any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import EventLevel, TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk
from coriolis.steps.in_place import handed_over, in_place_cloud
from coriolis.steps.replica_files import remove_files


@dataclass(frozen=True)
class HandOverDisks(Step):
    """Cannot be undone: what an interrupted one has begun is brought to its end instead."""

    key = "hand_over_disks"
    task_type = TaskType.DELETE_TRANSFER_TARGET_DISK_SNAPSHOTS

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext, instance: Instance, cloned_disks: tuple[ClonedDisk, ...]) -> None:
        known = op.database.replicas.disks(self.transfer_id, self.instance_name)
        # first: once the safe point begins to go, nobody may roll back to it or copy to these disks
        op.database.replicas.forget(
            op.fence, self.transfer_id, self.instance_name, [replica.disk_id for replica in known]
        )
        self._hand_over(op, instance, cloned_disks)

    def revert(self, op: StepContext, instance: Instance, cloned_disks: tuple[ClonedDisk, ...]) -> None:
        if handed_over(op, self.transfer_id, self.instance_name):
            self._hand_over(op, instance, cloned_disks)
            op.event(EventLevel.WARNING, "The VM was deployed already: it stays.")

    def _hand_over(self, op: StepContext, instance: Instance, disks: tuple[ClonedDisk, ...]) -> None:
        remove_files(op.settings, self.transfer_id, self.instance_name)
        cloud = in_place_cloud(op, self.endpoint_id)
        cloud.hand_over_disks(op.on(self.endpoint_id), self.environment, instance, disks)
        op.event(
            EventLevel.INFO,
            f"The replica disks of {self.instance_name} are the VM's now. The next execution of the transfer makes new "
            "ones and copies everything.",
        )
