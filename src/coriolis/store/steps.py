"""What a step has done so far, for the attempt that comes after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.model.enums import TaskStatus
from coriolis.store.clock import utcnow
from coriolis.store.repository import Repository
from coriolis.store.tables import EXECUTION, JOB, STEP_STATE
from coriolis.store.tasks import set_status

if TYPE_CHECKING:
    from coriolis.store.database import Fence


@dataclass(frozen=True, slots=True)
class StepState:
    """`attempts` counts the executions that were begun. `result` is there once `finished`."""

    attempts: int = 0
    finished: bool = False
    result: Any = None
    checkpoint: Mapping[str, Any] | None = None


class StepRepository(Repository):
    def get(self, job_id: str, step: str) -> StepState:
        query = sa.select(STEP_STATE).where(STEP_STATE.c.job_id == job_id, STEP_STATE.c.step == step)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return StepState()
        return StepState(
            attempts=row["attempts"],
            finished=row["finished"],
            result=self._reveal(row["result"]),
            checkpoint=self._reveal(row["checkpoint"]),
        )

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

    def begin(self, fence: "Fence", step: str, *, host: str, process_id: int) -> StepState:
        """Counts the attempt and shows the task as running, before the step touches anything."""
        before = self.get(fence.job_id, step)
        with self._database.fenced(fence) as connection:
            self._write(connection, fence.job_id, step, {"attempts": before.attempts + 1})
            set_status(connection, fence.job_id, step, TaskStatus.RUNNING, host=host, process_id=process_id)
        return before

    def finish(self, fence: "Fence", step: str, result: Any) -> None:
        """Keeps the result (JSON) and shows the task as completed: from here on the step never runs again."""
        with self._database.fenced(fence) as connection:
            values = {"finished": True, "result": self._protect(result)}
            self._write(connection, fence.job_id, step, values)
            set_status(connection, fence.job_id, step, TaskStatus.COMPLETED)

    def set_checkpoint(self, fence: "Fence", step: str, checkpoint: Mapping[str, Any]) -> None:
        with self._database.fenced(fence) as connection:
            self._write(connection, fence.job_id, step, {"checkpoint": self._protect(checkpoint)})

    def _write(self, connection: sa.Connection, job_id: str, step: str, values: Mapping[str, Any]) -> None:
        row = sa.and_(STEP_STATE.c.job_id == job_id, STEP_STATE.c.step == step)
        changed = connection.execute(sa.update(STEP_STATE).where(row).values(**values, updated_at=utcnow()))
        if not changed.rowcount:
            fresh = {"attempts": 0, "finished": False, **values, "updated_at": utcnow()}
            connection.execute(sa.insert(STEP_STATE).values(job_id=job_id, step=step, **fresh))
