"""Completes the final VM, which holds the replica disks already, and starts it."""

from dataclasses import dataclass

from coriolis.engine.context import StepContext
from coriolis.model.instance import Instance
from coriolis.steps.finalize_instance import FinalizeInstance
from coriolis.steps.in_place import handed_over


@dataclass(frozen=True)
class FinalizeInPlace(FinalizeInstance):
    key = "finalize_in_place"

    transfer_id: str

    def revert(self, op: StepContext, instance: Instance) -> None:
        if not handed_over(op, self.transfer_id, self.instance_name):
            super().revert(op, instance)
