"""What the steps of a job have done so far: the truth that a job is taken up from after a crash.

A step is begun (`attempts`), finished (with its result) and, in a compensation, reverted. Each of these is one
transaction that checks the claim and moves the task that clients see along with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.model.enums import EventLevel, TaskStatus
from coriolis.model.records import JobState
from coriolis.store.clock import clock, utcnow
from coriolis.store.faults import repeated
from coriolis.store.jobs import begin_compensation
from coriolis.store.repository import Repository, Row
from coriolis.store.resources import abandon
from coriolis.store.tables import EXECUTION, JOB, STEP_STATE
from coriolis.store.tasks import add_event, set_status

if TYPE_CHECKING:
    from coriolis.store.database import Database, Fence


# Built once: every step runs it.
_UPDATE = sa.update(STEP_STATE).where(
    STEP_STATE.c.job_id == sa.bindparam("of_job"), STEP_STATE.c.step == sa.bindparam("of_step")
)


@dataclass(frozen=True, slots=True)
class StepState:
    """`attempts` counts the executions that were begun. `result` is there once `finished`. `reverted`: nothing
    more of it is to be undone; what its clean-up could not remove is a leftover in the ledger.

    The moments are seconds of the database's clock: the first attempt's begin, when what the step is for had come
    true (where it has more to do after that), and the end."""

    attempts: int = 0
    finished: bool = False
    result: Any = None
    checkpoint: Mapping[str, Any] | None = None
    reverted: bool = False
    began_at: float | None = None
    reached_at: float | None = None
    finished_at: float | None = None


class StepRepository(Repository):
    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        now = clock(database.engine.dialect.name)
        self._begin = sa.insert(STEP_STATE).values(began_at=now)
        self._reach = _UPDATE.where(STEP_STATE.c.reached_at.is_(None)).values(reached_at=now)
        self._finish = _UPDATE.values(finished_at=now)

    def of_job(self, job_id: str) -> dict[str, StepState]:
        """By the step's name; steps that never began are not in it."""
        query = sa.select(STEP_STATE).where(STEP_STATE.c.job_id == job_id)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["step"]: self._record(row) for row in rows}

    def get(self, job_id: str, step: str) -> StepState:
        query = sa.select(STEP_STATE).where(_step(job_id, step))
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return StepState() if row is None else self._record(row)

    def latest_result(self, action_id: str, instance: str, step: str, *, completed: str) -> Any:
        """The result of `step` in the newest run of `action_id` for the instance whose step `completed`
        finished, or None: e.g. how the instance looked when its disks were last copied."""
        runs = (
            sa.select(JOB.c.id)
            .join(EXECUTION, EXECUTION.c.id == JOB.c.execution_id)
            .join(STEP_STATE, STEP_STATE.c.job_id == JOB.c.id)
            .where(EXECUTION.c.action_id == action_id, JOB.c.instance == instance)
            .where(STEP_STATE.c.step == completed, STEP_STATE.c.finished)
            .order_by(JOB.c.position.desc())
        )
        with self._database.read() as connection:
            job_id = connection.scalar(runs.limit(1))
        return None if job_id is None else self.get(job_id, step).result

    @repeated
    def begin(self, fence: "Fence", step: str, *, host: str, process_id: int, attempt: int = 1) -> None:
        """Counts the attempt and shows the task as running, before the step touches anything."""
        with self._database.fenced(fence) as connection:
            if attempt == 1:
                first = {"attempts": 1, "finished": False, "reverted": False, "updated_at": utcnow()}
                connection.execute(self._begin, {"job_id": fence.job_id, "step": step, **first})
            else:
                _change(connection, fence.job_id, step, {"attempts": attempt})
            set_status(connection, fence.job_id, step, TaskStatus.RUNNING, host=host, process_id=process_id)

    @repeated
    def finish(self, fence: "Fence", step: str, result: Any) -> None:
        """Keeps the result (JSON) and shows the task as completed: from here on the step never runs again."""
        with self._database.fenced(fence) as connection:
            values = {"finished": True, "result": self._protect(result)}
            _change(connection, fence.job_id, step, values, self._finish)
            set_status(connection, fence.job_id, step, TaskStatus.COMPLETED)

    @repeated
    def reach(self, fence: "Fence", step: str) -> None:
        """What the step is for has come true now; the first time counts."""
        with self._database.fenced(fence) as connection:
            row = {"of_job": fence.job_id, "of_step": step, "updated_at": utcnow()}
            connection.execute(self._reach, row)

    @repeated
    def fail(self, fence: "Fence", step: str, details: str) -> JobState:
        """Ends the way forward: the job begins to compensate, and the task shows why. Returns what the job
        will end as: CANCELLED when a cancel was decided first."""
        with self._database.fenced(fence) as connection:
            decided = begin_compensation(connection, fence.job_id, JobState.FAILED)
            # After a cancel a step may well stumble over what is being stopped: that is not why the job ends.
            status = TaskStatus.ERROR if decided is JobState.FAILED else TaskStatus.CANCELED
            set_status(connection, fence.job_id, step, status, exception_details=details)
        return decided

    @repeated
    def set_checkpoint(self, fence: "Fence", step: str, checkpoint: Mapping[str, Any]) -> None:
        """Raises LookupError for a step that never began."""
        with self._database.fenced(fence) as connection:
            _change(connection, fence.job_id, step, {"checkpoint": self._protect(checkpoint)})

    @repeated
    def reverted(self, fence: "Fence", step: str) -> None:
        with self._database.fenced(fence) as connection:
            _change(connection, fence.job_id, step, {"reverted": True})
            message = "What this task had made was undone."
            add_event(connection, fence.job_id, step, EventLevel.INFO, message)

    @repeated
    def left_behind(self, fence: "Fence", step: str, reason: str) -> None:
        """The clean-up was given up: what the step made and did not remove is a leftover from now on."""
        with self._database.fenced(fence) as connection:
            rows = abandon(connection, fence.job_id, step, reason)
            _change(connection, fence.job_id, step, {"reverted": True})
            left = ", ".join(f"{row.kind} {row.name}" for row in rows) or "nothing that the ledger knows of"
            message = f"The clean-up of this task failed: {reason} Left behind: {left}."
            add_event(connection, fence.job_id, step, EventLevel.ERROR, message)

    def _record(self, row: Row) -> StepState:
        return StepState(
            attempts=row["attempts"],
            finished=row["finished"],
            result=self._reveal(row["result"]),
            checkpoint=self._reveal(row["checkpoint"]),
            reverted=row["reverted"],
            began_at=row["began_at"],
            reached_at=row["reached_at"],
            finished_at=row["finished_at"],
        )


def _step(job_id: str, step: str) -> sa.ColumnElement[bool]:
    return sa.and_(STEP_STATE.c.job_id == job_id, STEP_STATE.c.step == step)


def _change(
    connection: sa.Connection, job_id: str, step: str, values: Mapping[str, Any], how: sa.Update = _UPDATE
) -> None:
    row = {"of_job": job_id, "of_step": step, **values, "updated_at": utcnow()}
    if connection.execute(how, row).rowcount != 1:
        raise LookupError(f"step {step!r} of job {job_id} never began")
