"""The steps: one verb a file, what it does and what undoes it. A changed step gets a new version beside the
old one for as long as jobs of the old one may be stored."""

from coriolis.engine.step import Step
from coriolis.steps.clone_transfer_disks import CloneTransferDisks
from coriolis.steps.delete_os_morphing_resources import DeleteOsMorphingResources
from coriolis.steps.delete_source_points import DeleteSourcePoints
from coriolis.steps.delete_transfer_disks import DeleteTransferDisks
from coriolis.steps.delete_transfer_source_resources import DeleteTransferSourceResources
from coriolis.steps.delete_transfer_target_resources import DeleteTransferTargetResources
from coriolis.steps.deploy_os_morphing_resources import DeployOsMorphingResources
from coriolis.steps.deploy_transfer_disks import DeployTransferDisks
from coriolis.steps.deploy_transfer_source_resources import DeployTransferSourceResources
from coriolis.steps.deploy_transfer_target_resources import DeployTransferTargetResources
from coriolis.steps.finalize_in_place import FinalizeInPlace
from coriolis.steps.finalize_instance import FinalizeInstance
from coriolis.steps.get_instance_info import GetInstanceInfo
from coriolis.steps.hand_over_disks import HandOverDisks
from coriolis.steps.morph_os import MorphOs
from coriolis.steps.open_replica_disks import OpenReplicaDisks
from coriolis.steps.recall_instance import RecallInstance
from coriolis.steps.recall_replicas import RecallReplicas
from coriolis.steps.replicate_disks import ReplicateDisks
from coriolis.steps.secure_replica_disks import SecureReplicaDisks
from coriolis.steps.shutdown_instance import ShutdownInstance
from coriolis.steps.start_instance import StartInstance
from coriolis.steps.validate_deployment import ValidateDeployment
from coriolis.steps.validate_in_place import ValidateInPlace
from coriolis.steps.validate_next_deployment import ValidateNextDeployment
from coriolis.steps.validate_transfer_destination import ValidateTransferDestination
from coriolis.steps.validate_transfer_source import ValidateTransferSource
from coriolis.steps.verify_cloned_disks import VerifyClonedDisks
from coriolis.steps.verify_replica_disks import VerifyReplicaDisks

STEPS: tuple[type[Step], ...] = (
    CloneTransferDisks,
    DeleteOsMorphingResources,
    DeleteSourcePoints,
    DeleteTransferDisks,
    DeleteTransferSourceResources,
    DeleteTransferTargetResources,
    DeployOsMorphingResources,
    DeployTransferDisks,
    DeployTransferSourceResources,
    DeployTransferTargetResources,
    FinalizeInPlace,
    FinalizeInstance,
    GetInstanceInfo,
    HandOverDisks,
    MorphOs,
    OpenReplicaDisks,
    RecallInstance,
    RecallReplicas,
    ReplicateDisks,
    SecureReplicaDisks,
    ShutdownInstance,
    StartInstance,
    ValidateDeployment,
    ValidateInPlace,
    ValidateNextDeployment,
    ValidateTransferDestination,
    ValidateTransferSource,
    VerifyClonedDisks,
    VerifyReplicaDisks,
)
