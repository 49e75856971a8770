"""A migration: the runs that carry the instances of a live migration over with little downtime."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any

from coriolis.model.enums import ExecutionStatus
from coriolis.model.records import Stamps, Wish

WORTHWHILE = 0.8
"""Another pass is worth its time where the last one moved at most this part of what the one before it moved:
beyond it the guest writes about as fast as we copy, and all further passes would look the same."""


class MigrationPhase(StrEnum):
    """COPYING: passes, while the instances run. CUTTING_OVER: they are shut down, and the last delta is copied.
    STARTING_SOURCE: it went wrong after that, and the instances are started again where they were."""

    COPYING = "copying"
    CUTTING_OVER = "cutting_over"
    DEPLOYING = "deploying"
    STARTING_SOURCE = "starting_source"


class CutoverReason(StrEnum):
    """Why the instances were shut down after that pass."""

    SMALL_DELTA = "small_delta"
    SHORT_COPY = "short_copy"
    NOT_SHRINKING = "not_shrinking"
    MAX_PASSES = "max_passes"


@dataclass(frozen=True, slots=True)
class MigrationPass:
    """One run, over all instances. `moved_bytes` before compression; `copy_seconds` of the instance that took
    longest, from the first byte read to the last flushed. `cutover`: the last delta, of instances shut down.
    `interrupted`: the figures may be those of a copy that went on from an interrupted one, so they promise
    nothing."""

    execution_id: str
    moved_bytes: int
    copy_seconds: float
    cutover: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class MigrationLimits:
    """When the passes end. The last delta is what changes during the last pass, so a pass that moved little, or
    was short, promises a short downtime."""

    max_passes: int
    small_delta_bytes: int
    small_delta_seconds: float

    def reason_to_cut_over(self, passes: Sequence[MigrationPass]) -> CutoverReason | None:
        """None: another pass is worth it. `passes`: those so far, at least one."""
        last, before = passes[-1], passes[-2] if len(passes) > 1 else None
        if last.interrupted:
            return self._reason_to_give_up(passes)
        if last.moved_bytes <= self.small_delta_bytes:
            return CutoverReason.SMALL_DELTA
        if last.copy_seconds <= self.small_delta_seconds:
            return CutoverReason.SHORT_COPY
        if (
            before is not None
            and not before.interrupted
            and last.moved_bytes > WORTHWHILE * before.moved_bytes
        ):
            return CutoverReason.NOT_SHRINKING
        return self._reason_to_give_up(passes)

    def _reason_to_give_up(self, passes: Sequence[MigrationPass]) -> CutoverReason | None:
        return CutoverReason.MAX_PASSES if len(passes) >= self.max_passes else None


@dataclass(frozen=True, slots=True)
class Downtime:
    """Of one instance, in seconds of the database's clock, without gaps: from the request to shut down to the
    shut-down instance; to the deployment's begin (snapshots, workers, the last delta, their removal); to the
    copied disks; to those verified, with the worker VM for it; to those adapted; to the deployed VM powered on."""

    shutdown_seconds: float
    last_delta_seconds: float
    clone_seconds: float
    verify_seconds: float
    morph_seconds: float
    boot_seconds: float

    @property
    def total_seconds(self) -> float:
        parts: tuple[float, ...] = astuple(self)
        return sum(parts)


@dataclass(frozen=True, kw_only=True)
class Migration(Stamps):
    """`status` is RUNNING until its end; then `phase` tells how far it came. `execution_id` is the run that it
    waits for, of the transfer or of the deployment. `outcome`: what it will end in once the instances were started
    again. `deployment_wishes` as `engine.submissions.DeploymentWishes` has them. `downtime` by instance, once all
    is over and well; an instance that was off before, or whose VM was left off, has none."""

    id: str
    transfer_id: str
    user_id: str
    project_id: str
    number: int
    status: ExecutionStatus
    phase: MigrationPhase
    outcome: ExecutionStatus | None
    wish: Wish
    execution_id: str
    cutover_execution_id: str | None
    deployment_id: str | None
    limits: MigrationLimits
    restart_source_on_failure: bool
    deployment_wishes: Mapping[str, Any] = field(repr=False)
    passes: tuple[MigrationPass, ...]
    cutover_reason: CutoverReason | None
    downtime: Mapping[str, Downtime] | None
    message: str | None
