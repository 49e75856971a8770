"""Adapts the guest on the cloned disks to the destination cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.errors import EngineError, NotSupported
from coriolis.model.enums import EventLevel, OsType, TaskType
from coriolis.model.instance import Instance
from coriolis.model.replica import DetectedOs
from coriolis.morphing.job import MorphJob
from coriolis.morphing.process import run_morph_job
from coriolis.providers.base import MorphingResources
from coriolis.steps.absent_workers import WorkerInUse, naming_the_gone
from coriolis.steps.ends import ssh_login

_DEFAULT_PHASE = "osmorphing_post_os_mount"


@dataclass(frozen=True)
class MorphOs(Step):
    """Only a worker VM that does not answer yet is worth another try: what failed once on the same bytes fails
    again. Nothing to undo either: the clones it worked on are removed by the step that made them."""

    key = "os_morphing"
    task_type = TaskType.OS_MORPHING
    provides = "detected_os"

    endpoint_id: str
    environment: Mapping[str, Any]
    instance_name: str
    user_scripts: Mapping[str, Any]

    def execute(
        self, op: StepContext, instance: Instance, morphing_resources: MorphingResources
    ) -> DetectedOs:
        worker = morphing_resources.worker
        if worker is None:
            raise EngineError(message="The cloud made no worker VM for OSMorphing.")
        job = MorphJob(
            login=ssh_login(worker),
            disks=worker.disks,
            token=op.token,
            os_type=instance.os_type,
            firmware=instance.firmware,
            profile=op.destination(self.endpoint_id).morphing_profile(self.environment, instance),
            offline_packages_dir=op.settings.osmorphing.offline_packages_dir,
            user_scripts=scripts_for(self.user_scripts, self.instance_name, instance.os_type),
            timeout=op.settings.osmorphing.timeout,
        )
        with naming_the_gone(WorkerInUse(op.destination, self.endpoint_id, worker)):
            detected = run_morph_job(job, report=op.progress, check=op.check)
        op.event(EventLevel.INFO, f"Adapted {detected.friendly_name} to the destination.")
        return detected


def refuse_unmorphable(instance: Instance) -> None:
    """Raises NotSupported for a guest that OSMorphing knows nothing of, before its disks are copied and verified."""
    if instance.os_type == OsType.WINDOWS:
        raise NotSupported(
            message=f"{instance.name!r} runs Windows, which OSMorphing does not adapt yet: prepare its drivers on the "
            "source and deploy with skip_os_morphing."
        )


def scripts_for(
    user_scripts: Mapping[str, Any], instance_name: str, os_type: OsType
) -> tuple[tuple[str, str], ...]:
    """(phase, text) pairs: first what is for all guests of this OS type, then what is for this instance.

    A script is a text (default phase) or a list of {"phase", "payload"}, as in the wire format.
    """
    for_all = (user_scripts.get("global") or {}).get(os_type.value)
    for_this = (user_scripts.get("instances") or {}).get(instance_name)
    return (*_pairs(for_all), *_pairs(for_this))


def _pairs(scripts: str | Sequence[Mapping[str, str]] | None) -> tuple[tuple[str, str], ...]:
    if not scripts:
        return ()
    if isinstance(scripts, str):
        return ((_DEFAULT_PHASE, scripts),)
    return tuple((script.get("phase") or _DEFAULT_PHASE, script["payload"]) for script in scripts)
