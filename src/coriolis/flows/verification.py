"""Re-reading the replica disks of one instance: which step after which."""

from collections.abc import Mapping
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.model.instance import Instance
from coriolis.steps.delete_transfer_target_resources import DeleteTransferTargetResources
from coriolis.steps.deploy_transfer_target_resources import DeployTransferTargetResources
from coriolis.steps.recall_instance import RecallInstance
from coriolis.steps.recall_replicas import RecallReplicas
from coriolis.steps.verify_replica_disks import VerifyReplicaDisks

NAME = "verification"
VERSION = 1


def steps(
    transfer_id: str,
    instance_name: str,
    instance: Instance,
    destination_id: str,
    destination: Mapping[str, Any],
) -> list[FlowStep]:
    """The source is not asked. `instance` as it was when its disks were last copied."""
    cloud = (destination_id, destination)
    subject = (transfer_id, instance_name)
    return [
        FlowStep("recall_instance", RecallInstance(instance)),
        FlowStep("recall_replicas", RecallReplicas(*subject), ("recall_instance",)),
        FlowStep("deploy_target_resources", DeployTransferTargetResources(*cloud), ("recall_replicas",)),
        FlowStep("verify_disks", VerifyReplicaDisks(*subject, destination_id), ("deploy_target_resources",)),
        FlowStep(
            "delete_target_resources",
            DeleteTransferTargetResources(*cloud),
            ("verify_disks",),
            on_error=True,
        ),
    ]
