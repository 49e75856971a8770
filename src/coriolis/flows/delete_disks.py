"""Deleting the replica disks of one instance."""

from coriolis.engine.plan import FlowStep
from coriolis.steps.delete_transfer_disks import DeleteTransferDisks

NAME = "delete_disks"
VERSION = 1


def steps(transfer_id: str, instance_name: str, destination_id: str) -> list[FlowStep]:
    step = DeleteTransferDisks(
        endpoint_id=destination_id, transfer_id=transfer_id, instance_name=instance_name
    )
    return [FlowStep("delete_disks", step)]
