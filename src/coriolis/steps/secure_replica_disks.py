"""Keeps the replica disks' bytes of now, so that a deployment may work on the disks themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.model.enums import EventLevel
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis.steps.clone_transfer_disks import CloneTransferDisks
from coriolis.steps.in_place import handed_over, in_place_cloud, restore_records


@dataclass(frozen=True)
class SecureReplicaDisks(CloneTransferDisks):
    key = "secure_replica_disks"

    def ask_cloud(
        self, op: StepContext, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        cloud = in_place_cloud(op, self.endpoint_id)
        return cloud.secure_disks(op.on(self.endpoint_id), self.environment, instance, replicas)

    def revert(self, op: StepContext, instance: Instance) -> None:
        if handed_over(op, self.transfer_id, self.instance_name):
            return
        cloud = in_place_cloud(op, self.endpoint_id)
        cloud.roll_back_disks(op.on(self.endpoint_id), self.environment, instance)
        restore_records(op, self.transfer_id, self.instance_name)
        op.event(EventLevel.INFO, "The replica disks are as they were before this deployment.")
