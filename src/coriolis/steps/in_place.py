"""What the steps share that deploy the replica disks themselves."""

from dataclasses import replace

from coriolis.engine.context import StepContext
from coriolis.errors import NotSupported
from coriolis.providers.base import InPlaceDestination

OPEN_STEP = "open_replica_disks"
"""In every flow that deploys in place: what the replicas were before stands in this step's checkpoint."""


def in_place_cloud(op: StepContext, endpoint_id: str) -> InPlaceDestination:
    """Raises NotSupported."""
    cloud = op.destination(endpoint_id)
    if not isinstance(cloud, InPlaceDestination):
        raise NotSupported(
            message="This destination deploys copies of the replica disks only (clone_disks=true)."
        )
    return cloud


def handed_over(op: StepContext, transfer_id: str, instance_name: str) -> bool:
    """Whether the disks are the final VM's: no replica is known any more. From then on nothing is taken back."""
    return not op.database.replicas.list(transfer_id, instance_name)


def restore_records(op: StepContext, transfer_id: str, instance_name: str) -> None:
    """The replicas hold again what they held before they were opened."""
    opened = op.database.steps.get(op.fence.job_id, OPEN_STEP).checkpoint
    if opened is None:
        return
    former = {item["disk_id"]: item for item in opened["replicas"]}
    known = op.database.replicas.disks(transfer_id, instance_name)
    restored = [
        replace(replica, dirty=former[replica.disk_id]["dirty"], journal=former[replica.disk_id]["journal"])
        for replica in known
        if replica.disk_id in former
    ]
    op.database.replicas.save(op.fence, transfer_id, instance_name, restored)
