"""A job of ours as TaskFlow sees it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from taskflow import states
from taskflow.jobs import base

from coriolis.model.queue import Posting
from coriolis.model.records import Job
from coriolis.store.database import Fence
from coriolis.store.queue import ON_THE_BOARD

if TYPE_CHECKING:
    from coriolis.engine.board.sql import SqlJobBoard

# What lies between is rounded down.
_PRIORITIES = {
    base.JobPriority.VERY_HIGH: 200,
    base.JobPriority.HIGH: 100,
    base.JobPriority.NORMAL: 0,
    base.JobPriority.LOW: -100,
    base.JobPriority.VERY_LOW: -200,
}


def priority_number(priority: base.JobPriority | str) -> int:
    """Raises ValueError."""
    return _PRIORITIES[base.JobPriority.convert(priority)]


class SqlJob(base.Job):  # type: ignore[misc]  # TaskFlow is untyped
    """`claimed_record`, with the plan, is there once this object was claimed. `fence` is what its holder writes
    with: of the claim made through this object, or of the one that stood when it was read."""

    def __init__(self, board: "SqlJobBoard", posting: Posting) -> None:
        super().__init__(board, posting.instance, uuid=posting.id, details=_details(posting))
        self.posting = posting
        self._record: Job | None = None
        self.fence = Fence(posting.id, posting.token)

    def claimed(self, record: Job) -> None:
        self._record = record
        self.fence = Fence(record.id, record.token)

    @property
    def claimed_record(self) -> Job:
        """Raises LookupError before it is claimed."""
        if self._record is None:
            raise LookupError(f"job {self.uuid} was not claimed")
        return self._record

    @property
    def undoing(self) -> bool:
        return self.posting.undoing

    @property
    def created_on(self) -> datetime:
        return self.posting.created_at

    @property
    def last_modified(self) -> datetime:
        return self.posting.updated_at or self.posting.created_at

    @property
    def priority(self) -> base.JobPriority:
        lower = (name for name, number in _PRIORITIES.items() if number <= self.posting.priority)
        return next(lower, base.JobPriority.VERY_LOW)

    @property
    def state(self) -> str:
        """COMPLETE also for a job that was trashed: it is no longer on the board. Raises NotFound,
        JobFailure."""
        state, owner, _ = self.board.holder(self)
        if state not in ON_THE_BOARD:
            return str(states.COMPLETE)
        return str(states.UNCLAIMED if owner is None else states.CLAIMED)

    def expires_in(self) -> float:
        """Seconds that the claim on it lasts, whoever holds it; 0 when nobody does."""
        left: float = self.board.holder(self)[2]
        return left

    def extend_expiry(self, expiry: float) -> bool:
        """False when the claim was lost. Raises JobFailure."""
        extended: bool = self.board.extend(self, expiry)
        return extended


def _details(posting: Posting) -> Mapping[str, Any]:
    return {"execution_id": posting.execution_id, "flow": posting.flow, "position": posting.position}
