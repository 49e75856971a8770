"""Releases of the product that meet the jobs that this one queued."""

from coriolis.engine.registry import StepRegistry
from coriolis.engine.step import Step
from coriolis.steps import STEPS
from coriolis.steps.replicate_disks import ReplicateDisks
from tests.chaos.linger import Linger

THIS = "this"
NEXT = "next"  # the copy step has a second version, and the first is still known
DROPPED = "dropped"  # the copy step has a second version only


class ReplicateDisksAgain(ReplicateDisks):
    version = 2


def registry(release: str) -> StepRegistry:
    known: list[type[Step]] = [*STEPS, Linger]
    if release in (NEXT, DROPPED):
        known.append(ReplicateDisksAgain)
    if release == DROPPED:
        known.remove(ReplicateDisks)
    return StepRegistry(known)
