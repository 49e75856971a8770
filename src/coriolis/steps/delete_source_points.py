"""Removes what the source kept of its disks for the next incremental run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.errors import CoriolisError
from coriolis.model.enums import EventLevel, TaskType
from coriolis.steps.ends import recorded_points


@dataclass(frozen=True)
class DeleteSourcePoints(Step):
    """Before the replicas are forgotten, which know it. A source that is gone must not keep anybody from deleting
    replicas: what it still holds stays in the ledger."""

    key = "delete_source_points"
    task_type = TaskType.DELETE_TRANSFER_SOURCE_DISK_SNAPSHOTS

    endpoint_id: str
    environment: Mapping[str, Any]
    transfer_id: str
    instance_name: str

    def execute(self, op: StepContext) -> None:
        points = recorded_points(op, self.transfer_id, self.instance_name)
        if not points:
            return
        try:
            cloud = op.source(self.endpoint_id)
            cloud.delete_points(op.on(self.endpoint_id), self.environment, points)
        except CoriolisError as error:
            if not error.fields.get("cloud"):
                raise
            text = f"The source keeps what was for the next incremental run: {error.message}"
            op.event(EventLevel.WARNING, f"{text} `coriolis resource list` names it.")
