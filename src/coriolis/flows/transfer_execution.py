"""One instance of one execution: which step after which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.steps.delete_transfer_source_resources import DeleteTransferSourceResources
from coriolis.steps.delete_transfer_target_resources import DeleteTransferTargetResources
from coriolis.steps.deploy_transfer_disks import DeployTransferDisks
from coriolis.steps.deploy_transfer_source_resources import DeployTransferSourceResources
from coriolis.steps.deploy_transfer_target_resources import DeployTransferTargetResources
from coriolis.steps.get_instance_info import GetInstanceInfo
from coriolis.steps.replicate_disks import ReplicateDisks
from coriolis.steps.shutdown_instance import ShutdownInstance
from coriolis.steps.validate_next_deployment import ValidateNextDeployment
from coriolis.steps.validate_transfer_destination import ValidateTransferDestination
from coriolis.steps.validate_transfer_source import ValidateTransferSource

NAME = "transfer_execution"
VERSION = 1
INSTANCE_STEP = "get_instance_info"
SHUTDOWN_STEP = "shutdown_instance"
COPY_STEP = "replicate_disks"


@dataclass(frozen=True, slots=True)
class TransferExecution:
    """`migrating`: a deployment follows by itself, so that what would be in its way is looked for here."""

    transfer_id: str
    instance_name: str
    source_id: str
    source: Mapping[str, Any]
    destination_id: str
    destination: Mapping[str, Any]
    shutdown: bool = False
    migrating: bool = False


def steps(what: TransferExecution) -> list[FlowStep]:
    """Everything is validated before anything is created; the two workers come and go side by side."""
    source = (what.source_id, what.source)
    destination = (what.destination_id, what.destination)
    subject = (what.transfer_id, what.instance_name)
    deployed = ("deploy_disks",)
    flow = [
        FlowStep(INSTANCE_STEP, GetInstanceInfo(*source, what.instance_name)),
        FlowStep("validate_source", ValidateTransferSource(*source), (INSTANCE_STEP,)),
        FlowStep(
            "validate_destination", ValidateTransferDestination(*destination, *subject), ("validate_source",)
        ),
        FlowStep("deploy_disks", DeployTransferDisks(*destination, *subject), ("validate_destination",)),
    ]
    if what.migrating:
        flow.append(FlowStep("validate_deployment", ValidateNextDeployment(*destination), deployed))
        deployed = ("validate_deployment",)
    frozen = deployed
    if what.shutdown:
        # Before the snapshots: what the guest wrote last must be in them.
        flow.append(FlowStep(SHUTDOWN_STEP, ShutdownInstance(*source), deployed))
        frozen = (SHUTDOWN_STEP,)
    workers = ("deploy_source_resources", "deploy_target_resources")
    return [
        *flow,
        FlowStep(workers[0], DeployTransferSourceResources(*source), frozen),
        FlowStep(workers[1], DeployTransferTargetResources(*destination), deployed),
        FlowStep(COPY_STEP, ReplicateDisks(*subject), workers),
        FlowStep(
            "delete_source_resources", DeleteTransferSourceResources(*source), (COPY_STEP,), on_error=True
        ),
        FlowStep(
            "delete_target_resources",
            DeleteTransferTargetResources(*destination),
            (COPY_STEP,),
            on_error=True,
        ),
    ]
