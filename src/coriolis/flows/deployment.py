"""One instance of one deployment: which step after which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.model.instance import Instance
from coriolis.steps.clone_transfer_disks import CloneTransferDisks
from coriolis.steps.delete_os_morphing_resources import DeleteOsMorphingResources
from coriolis.steps.delete_source_points import DeleteSourcePoints
from coriolis.steps.deploy_os_morphing_resources import DeployOsMorphingResources
from coriolis.steps.finalize_in_place import FinalizeInPlace
from coriolis.steps.finalize_instance import FinalizeInstance
from coriolis.steps.hand_over_disks import HandOverDisks
from coriolis.steps.in_place import OPEN_STEP
from coriolis.steps.morph_os import MorphOs
from coriolis.steps.open_replica_disks import OpenReplicaDisks
from coriolis.steps.secure_replica_disks import SecureReplicaDisks
from coriolis.steps.validate_deployment import ValidateDeployment
from coriolis.steps.validate_in_place import ValidateInPlace
from coriolis.steps.verify_cloned_disks import VerifyClonedDisks

NAME = "deployment"
VERSION = 2  # 1 verified nothing, and had no worker where OSMorphing is skipped
FIRST_STEP = "validate_deployment"
CLONE_STEP = "clone_disks"
VERIFY_STEP = "verify_disks"
FINAL_STEP = "finalize_instance"


@dataclass(frozen=True, slots=True)
class InstanceDeployment:
    """`instance` as it was when its disks were last copied."""

    transfer_id: str
    instance_name: str
    instance: Instance
    destination_id: str
    destination: Mapping[str, Any]
    user_scripts: Mapping[str, Any]
    skip_os_morphing: bool = False
    force: bool = False
    in_place: bool = False
    """Of the replica disks themselves, without copies of them."""
    source: tuple[str, Mapping[str, Any]] | None = None
    """Endpoint id and environment, where the source keeps something for the next run of replicas that will be gone."""


def steps(what: InstanceDeployment) -> list[FlowStep]:
    """Whatever else is skipped, the disks are verified before anybody writes to them."""
    cloud = (what.destination_id, what.destination)
    subject = (what.transfer_id, what.instance_name)
    flow = [
        *_disks_to_work_on(what),
        FlowStep(
            "deploy_os_morphing_resources",
            DeployOsMorphingResources(*cloud, only_to_read=what.skip_os_morphing),
            (CLONE_STEP,),
        ),
        FlowStep(
            VERIFY_STEP, VerifyClonedDisks(*subject, what.destination_id), ("deploy_os_morphing_resources",)
        ),
    ]
    if what.in_place:
        flow.append(FlowStep(OPEN_STEP, OpenReplicaDisks(*subject), (VERIFY_STEP,)))
    if not what.skip_os_morphing:
        morph = MorphOs(*cloud, what.instance_name, what.user_scripts)
        flow.append(FlowStep("os_morphing", morph, (flow[-1].name,)))
    delete = DeleteOsMorphingResources(*cloud)
    flow.append(FlowStep("delete_os_morphing_resources", delete, (flow[-1].name,), on_error=True))
    return [*flow, *_final_vm(what, (flow[-1].name,))]


def _disks_to_work_on(what: InstanceDeployment) -> list[FlowStep]:
    cloud = (what.destination_id, what.destination)
    subject = (what.transfer_id, what.instance_name)
    if what.in_place:
        validation = ValidateInPlace(*cloud, *subject, instance=what.instance, force=what.force)
        secure = SecureReplicaDisks(*cloud, *subject)
        return [FlowStep(FIRST_STEP, validation), FlowStep(CLONE_STEP, secure, (FIRST_STEP,))]
    validate = ValidateDeployment(*cloud, *subject, instance=what.instance, force=what.force)
    clone = CloneTransferDisks(*cloud, *subject)
    return [FlowStep(FIRST_STEP, validate), FlowStep(CLONE_STEP, clone, (FIRST_STEP,))]


def _final_vm(what: InstanceDeployment, after: tuple[str, ...]) -> list[FlowStep]:
    cloud = (what.destination_id, what.destination)
    if not what.in_place:
        return [FlowStep(FINAL_STEP, FinalizeInstance(*cloud, what.instance_name), after)]
    finalize = FinalizeInPlace(*cloud, what.instance_name, what.transfer_id)
    flow = [FlowStep(FINAL_STEP, finalize, after)]
    subject = (what.transfer_id, what.instance_name)
    if what.source is not None:  # before the replicas are forgotten, which know it
        points = DeleteSourcePoints(*what.source, *subject)
        flow.append(FlowStep("delete_source_points", points, (FINAL_STEP,)))
    hand_over = HandOverDisks(*cloud, *subject)
    return [*flow, FlowStep("hand_over_disks", hand_over, (flow[-1].name,))]
