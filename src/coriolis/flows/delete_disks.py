"""Deleting the replica disks of one instance."""

from collections.abc import Mapping
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.steps.delete_source_points import DeleteSourcePoints
from coriolis.steps.delete_transfer_disks import DeleteTransferDisks

NAME = "delete_disks"
VERSION = 2  # 1 left what sources keep for the next run

Cloud = tuple[str, Mapping[str, Any]]
"""Endpoint id and environment."""


def steps(
    transfer_id: str, instance_name: str, destination_id: str, source: Cloud | None = None
) -> list[FlowStep]:
    """`source`: where something is kept for the next run of these disks."""
    disks = DeleteTransferDisks(
        endpoint_id=destination_id, transfer_id=transfer_id, instance_name=instance_name
    )
    if source is None:
        return [FlowStep("delete_disks", disks)]
    points = FlowStep("delete_source_points", DeleteSourcePoints(*source, transfer_id, instance_name))
    return [points, FlowStep("delete_disks", disks, (points.name,))]
