"""Finished jobs in the tables, many of them: rows of a few real ones, written again under new ids."""

from typing import Any

import sqlalchemy as sa

from coriolis.store.database import Database
from coriolis.store.repository import new_id
from coriolis.store.tables import EXECUTION, JOB, STEP_STATE, TASK, TASK_EVENT

_BATCH = 200  # jobs a transaction


def multiply(database: Database, execution_id: str, count: int) -> None:
    """Writes `count` more finished executions of one job like this one, on the same transfer."""
    with database.read() as connection:
        template = _Template(connection, execution_id)
        number = connection.scalar(sa.select(sa.func.max(EXECUTION.c.number))) or 0
        position = connection.scalar(sa.select(sa.func.max(JOB.c.position))) or 0
    done = 0
    while done < count:
        batch = min(_BATCH, count - done)
        with database.write() as connection:
            for _ in range(batch):
                done += 1
                template.write(connection, number + done, position + done)


class _Template:
    def __init__(self, connection: sa.Connection, execution_id: str) -> None:
        def rows(table: sa.Table, column: sa.Column[Any], values: list[str]) -> list[dict[str, Any]]:
            found = connection.execute(sa.select(table).where(column.in_(values))).mappings()
            return [dict(row) for row in found]

        (self._execution,) = rows(EXECUTION, EXECUTION.c.id, [execution_id])
        (self._job,) = rows(JOB, JOB.c.execution_id, [execution_id])
        self._tasks = rows(TASK, TASK.c.execution_id, [execution_id])
        self._states = rows(STEP_STATE, STEP_STATE.c.job_id, [self._job["id"]])
        self._events = rows(TASK_EVENT, TASK_EVENT.c.task_id, [task["id"] for task in self._tasks])

    def write(self, connection: sa.Connection, number: int, position: int) -> None:
        execution_id, job_id = new_id(), new_id()
        tasks = {task["id"]: new_id() for task in self._tasks}
        owned = {"execution_id": execution_id, "job_id": job_id}
        connection.execute(sa.insert(EXECUTION), [{**self._execution, "id": execution_id, "number": number}])
        job = {**self._job, "id": job_id, "execution_id": execution_id, "position": position}
        connection.execute(sa.insert(JOB), [job])
        connection.execute(
            sa.insert(TASK), [{**task, **owned, "id": tasks[task["id"]]} for task in self._tasks]
        )
        if self._states:
            connection.execute(sa.insert(STEP_STATE), [{**row, "job_id": job_id} for row in self._states])
        if self._events:
            events = [{**row, "id": new_id(), "task_id": tasks[row["task_id"]]} for row in self._events]
            connection.execute(sa.insert(TASK_EVENT), events)
