"""One instance of one deployment: which step after which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.model.instance import Instance
from coriolis.steps.clone_transfer_disks import CloneTransferDisks
from coriolis.steps.delete_os_morphing_resources import DeleteOsMorphingResources
from coriolis.steps.deploy_os_morphing_resources import DeployOsMorphingResources
from coriolis.steps.finalize_instance import FinalizeInstance
from coriolis.steps.morph_os import MorphOs
from coriolis.steps.validate_deployment import ValidateDeployment
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


def steps(what: InstanceDeployment) -> list[FlowStep]:
    """Whatever else is skipped, the clones are verified before anybody writes to them."""
    cloud = (what.destination_id, what.destination)
    subject = (what.transfer_id, what.instance_name)
    validate = ValidateDeployment(*cloud, *subject, instance=what.instance, force=what.force)
    flow = [
        FlowStep(FIRST_STEP, validate),
        FlowStep(CLONE_STEP, CloneTransferDisks(*cloud, *subject), (FIRST_STEP,)),
        FlowStep("deploy_os_morphing_resources", DeployOsMorphingResources(*cloud), (CLONE_STEP,)),
        FlowStep(VERIFY_STEP, VerifyClonedDisks(*subject), ("deploy_os_morphing_resources",)),
    ]
    if not what.skip_os_morphing:
        morph = MorphOs(*cloud, what.instance_name, what.user_scripts)
        flow.append(FlowStep("os_morphing", morph, (VERIFY_STEP,)))
    delete = DeleteOsMorphingResources(*cloud)
    flow.append(FlowStep("delete_os_morphing_resources", delete, (flow[-1].name,), on_error=True))
    finalize = FinalizeInstance(*cloud, what.instance_name)
    return [*flow, FlowStep(FINAL_STEP, finalize, (flow[-1].name,))]
