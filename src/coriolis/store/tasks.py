"""Tasks as clients see them: status, events and lines of progress."""

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.model.enums import EventLevel, TaskStatus, TaskType
from coriolis.model.records import ALIVE, TaskEvent, TaskProgress, TaskRecord
from coriolis.store.clock import utcnow
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, new_id, stamps
from coriolis.store.tables import TASK, TASK_EVENT, TASK_PROGRESS

if TYPE_CHECKING:
    from coriolis.store.database import Fence

_EXCEPTION_LENGTH = 10_000  # characters kept of an error: whole messages with their hints, not whole logs

# Built once: it runs twice a step.
_UPDATE = sa.update(TASK).where(
    TASK.c.job_id == sa.bindparam("of_job"), TASK.c.step == sa.bindparam("of_step")
)


class TaskRepository(Repository):
    @repeated
    def add_event(self, fence: "Fence", step: str, level: EventLevel, message: str) -> None:
        with self._database.fenced(fence) as connection:
            add_event(connection, fence.job_id, step, level, message)

    @repeated
    def set_progress(self, fence: "Fence", step: str, lines: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes lines of progress by their key: a known key updates its line, a new one adds a line.

        The values are the fields of `TaskProgress` from `message` on.
        """
        with self._database.fenced(fence) as connection:
            task_id = _task_id(connection, fence.job_id, step)
            for line, values in lines.items():
                _write_line(connection, task_id, line, values)

    def list(self, execution_id: str) -> builtins.list[TaskRecord]:
        with self._database.read() as connection:
            return tasks_of(connection, [execution_id]).get(execution_id, [])


def set_status(connection: sa.Connection, job_id: str, step: str, status: TaskStatus, **values: Any) -> None:
    """`values`: exception_details, host, process_id."""
    if values.get("exception_details"):
        values["exception_details"] = values["exception_details"][:_EXCEPTION_LENGTH]
    task = {"of_job": job_id, "of_step": step}
    connection.execute(_UPDATE, {**task, "status": status, **values, "updated_at": utcnow()})


def move_tasks(
    connection: sa.Connection,
    job_id: str,
    sources: Sequence[TaskStatus],
    target: TaskStatus | sa.ColumnElement[str],
) -> None:
    """Every task of the job that is in one of `sources` becomes `target`."""
    condition = sa.and_(TASK.c.job_id == job_id, TASK.c.status.in_(sources))
    connection.execute(sa.update(TASK).where(condition).values(status=target, updated_at=utcnow()))


def add_event(connection: sa.Connection, job_id: str, step: str, level: EventLevel, message: str) -> None:
    task_id = _task_id(connection, job_id, step)
    last = connection.scalar(
        sa.select(sa.func.max(TASK_EVENT.c.index)).where(TASK_EVENT.c.task_id == task_id)
    )
    connection.execute(
        sa.insert(TASK_EVENT).values(
            id=new_id(),
            task_id=task_id,
            index=0 if last is None else last + 1,
            level=level,
            message=message,
            **born(),
        )
    )


def tasks_of(connection: sa.Connection, execution_ids: Sequence[str]) -> dict[str, list[TaskRecord]]:
    """By execution, in the order of instances and of each instance's plan."""
    query = sa.select(TASK).where(TASK.c.execution_id.in_(execution_ids), TASK.c.deleted == ALIVE)
    rows = list(connection.execute(query.order_by(TASK.c.instance, TASK.c.index)).mappings())
    ids = [row["id"] for row in rows]
    events = _children(connection, TASK_EVENT, ids)
    progress = _children(connection, TASK_PROGRESS, ids)
    found: dict[str, list[TaskRecord]] = {}
    for row in rows:
        record = _record(row, events.get(row["id"], []), progress.get(row["id"], []))
        found.setdefault(record.execution_id, []).append(record)
    return found


def _children(connection: sa.Connection, table: sa.Table, task_ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for start in range(0, len(task_ids), 500):  # databases limit the number of bound parameters
        query = sa.select(table).where(table.c.task_id.in_(task_ids[start : start + 500]))
        for row in connection.execute(query.order_by(table.c.index)).mappings():
            found.setdefault(row["task_id"], []).append(row)
    return found


def _task_id(connection: sa.Connection, job_id: str, step: str) -> str:
    query = sa.select(TASK.c.id).where(TASK.c.job_id == job_id, TASK.c.step == step)
    return str(connection.execute(query).scalar_one())


def _write_line(connection: sa.Connection, task_id: str, line: str, values: Mapping[str, Any]) -> None:
    known = sa.and_(TASK_PROGRESS.c.task_id == task_id, TASK_PROGRESS.c.line == line[:255])
    changed = connection.execute(sa.update(TASK_PROGRESS).where(known).values(**values, updated_at=utcnow()))
    if changed.rowcount:
        return
    query = sa.select(sa.func.max(TASK_PROGRESS.c.index)).where(TASK_PROGRESS.c.task_id == task_id)
    last = connection.scalar(query)
    row = {"current_step": 0, "total_steps": 0, **values}
    index = 0 if last is None else last + 1
    connection.execute(
        sa.insert(TASK_PROGRESS).values(
            id=new_id(), task_id=task_id, index=index, line=line[:255], **row, **born()
        )
    )


def _record(row: Row, events: Sequence[Row], progress: Sequence[Row]) -> TaskRecord:
    return TaskRecord(
        id=row["id"],
        execution_id=row["execution_id"],
        job_id=row["job_id"],
        instance=row["instance"],
        task_type=TaskType(row["task_type"]),
        status=TaskStatus(row["status"]),
        index=row["index"],
        depends_on=tuple(row["depends_on"]),
        on_error=row["on_error"],
        exception_details=row["exception_details"],
        host=row["host"],
        process_id=row["process_id"],
        events=tuple(_event(event) for event in events),
        progress_updates=tuple(_progress(line) for line in progress),
        **stamps(row),
    )


def _event(row: Row) -> TaskEvent:
    return TaskEvent(
        id=row["id"],
        task_id=row["task_id"],
        index=row["index"],
        level=EventLevel(row["level"]),
        message=row["message"],
        **stamps(row),
    )


def _progress(row: Row) -> TaskProgress:
    names = ("id", "task_id", "index", "message", "current_step", "total_steps", "disk_id")
    figures = ("done", "total", "moved", "rate", "eta")
    return TaskProgress(**{name: row[name] for name in (*names, *figures)}, **stamps(row))
