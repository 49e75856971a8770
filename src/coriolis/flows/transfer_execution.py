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
_SOURCE, _TARGET = "deploy_source_resources", "deploy_target_resources"


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
    return [
        *_workers(what, _validated(what)),
        FlowStep(
            COPY_STEP, ReplicateDisks(*subject, what.source_id, what.destination_id), (_SOURCE, _TARGET)
        ),
        FlowStep(
            "delete_source_resources",
            DeleteTransferSourceResources(*source, *subject),
            (COPY_STEP,),
            on_error=True,
        ),
        FlowStep(
            "delete_target_resources",
            DeleteTransferTargetResources(*destination),
            (COPY_STEP,),
            on_error=True,
        ),
    ]


def _validated(what: TransferExecution) -> list[FlowStep]:
    source = (what.source_id, what.source)
    destination = (what.destination_id, what.destination)
    subject = (what.transfer_id, what.instance_name)
    flow = [
        FlowStep(INSTANCE_STEP, GetInstanceInfo(*source, what.instance_name)),
        FlowStep("validate_source", ValidateTransferSource(*source), (INSTANCE_STEP,)),
        FlowStep(
            "validate_destination", ValidateTransferDestination(*destination, *subject), ("validate_source",)
        ),
        FlowStep("deploy_disks", DeployTransferDisks(*destination, *subject), ("validate_destination",)),
    ]
    if what.migrating:
        flow.append(FlowStep("validate_deployment", ValidateNextDeployment(*destination), ("deploy_disks",)))
    return flow


def _workers(what: TransferExecution, flow: list[FlowStep]) -> list[FlowStep]:
    """The instance is shut down before the snapshots: what the guest wrote last must be in them. In a migration it
    is to be up again soon, and the other worker is ready by then: neither its boot nor its failure costs
    downtime."""
    ready = (flow[-1].name,)
    cutover = what.shutdown and what.migrating
    source_cloud = (what.source_id, what.source)
    target = FlowStep(_TARGET, DeployTransferTargetResources(what.destination_id, what.destination), ready)
    shutdown = FlowStep(SHUTDOWN_STEP, ShutdownInstance(*source_cloud), (_TARGET,) if cutover else ready)
    frozen = (SHUTDOWN_STEP,) if what.shutdown else ready
    subject = (what.transfer_id, what.instance_name)
    source = FlowStep(_SOURCE, DeployTransferSourceResources(*source_cloud, *subject), frozen)
    if cutover:
        return [*flow, target, shutdown, source]
    return [*flow, *([shutdown] if what.shutdown else []), source, target]
