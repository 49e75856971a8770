"""Executions, and how a run is queued."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict
from coriolis.model.enums import ExecutionStatus, ExecutionType, TaskStatus, TaskType
from coriolis.model.queue import ANYWHERE, Demand, Needs
from coriolis.model.records import ALIVE, Execution, JobState, Paging, Wish
from coriolis.model.status import execution_status
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, bury, change, get_row, new_id, page, stamps
from coriolis.store.tables import EXECUTION, JOB, JOB_DEMAND, TASK
from coriolis.store.tasks import tasks_of
from coriolis.store.turnstile import SUBMISSIONS, draw_numbers


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as it stands in a plan; `depends_on` names steps of the same job."""

    step: str
    task_type: TaskType
    depends_on: tuple[str, ...]
    on_error: bool = False


@dataclass(frozen=True, slots=True)
class NewJob:
    instance: str
    flow: str
    flow_version: int
    plan: Mapping[str, Any] = field(repr=False)
    tasks: tuple[NewTask, ...]
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What the listeners of a database are told once it is committed."""

    execution_id: str
    status: ExecutionStatus


STATUS_CHANGES = "coriolis_status_changes"  # where a transaction's changes wait in `connection.info`


class ExecutionRepository(Repository):
    def get(self, execution_id: str) -> Execution:
        with self._database.read() as connection:
            row = get_row(connection, EXECUTION, "Execution", execution_id)
            return _records(connection, [row])[0]

    def list(self, action_id: str, paging: Paging = Paging()) -> Sequence[Execution]:  # noqa: B008 -- frozen
        """Executions of a transfer (or the one of a deployment)."""
        conditions = [EXECUTION.c.action_id == action_id]
        if paging.status is not None:
            conditions.append(EXECUTION.c.status == paging.status)
        with self._database.read() as connection:
            return _records(connection, page(connection, EXECUTION, conditions, paging))

    @repeated
    def delete(self, execution_id: str) -> None:
        """Raises NotFound, or Conflict while it is active."""
        with self._database.write() as connection:
            row = get_row(connection, EXECUTION, "Execution", execution_id)
            if not ExecutionStatus(row["status"]).finished:
                raise Conflict(message=f"Execution {execution_id} is active: cancel it first.")
            bury(connection, EXECUTION, EXECUTION.c.id == execution_id)

    def submit(
        self, connection: sa.Connection, action_id: str, kind: ExecutionType, jobs: Sequence[NewJob]
    ) -> str:
        """Queues one run: the execution, its jobs with their plans, and their tasks, or nothing. Returns its
        id."""
        numbers = sa.select(sa.func.max(EXECUTION.c.number)).where(EXECUTION.c.action_id == action_id)
        execution_id = new_id()
        connection.execute(
            sa.insert(EXECUTION).values(
                id=execution_id,
                action_id=action_id,
                type=kind,
                status=ExecutionStatus.PENDING,
                number=(connection.scalar(numbers) or 0) + 1,
                **born(),
            )
        )
        self.add_jobs(connection, execution_id, jobs)
        return execution_id

    def add_jobs(
        self, connection: sa.Connection, execution_id: str, jobs: Sequence[NewJob]
    ) -> builtins.list[str]:
        """Queues jobs of an execution, at the end of the line. Returns their ids."""
        if not jobs:
            return []
        ids = [new_id() for _ in jobs]
        tasks = [
            row for job_id, job in zip(ids, jobs, strict=True) for row in _tasks(execution_id, job_id, job)
        ]
        plans = [self._protect(job.plan) for job in jobs]
        positions = draw_numbers(connection, SUBMISSIONS, len(jobs))
        _know_demands(connection, [job.needs.demand for job in jobs])
        tokens = _last_tokens(connection, execution_id)
        rows = [
            {
                "id": job_id,
                "execution_id": execution_id,
                "instance": job.instance,
                "flow": job.flow,
                "flow_version": job.flow_version,
                "plan": plan,
                "state": JobState.QUEUED,
                "wish": Wish.NONE,
                "token": tokens.get(job.instance, 0),
                "lease_until": 0.0,
                "priority": job.needs.priority,
                "position": position,
                "demand_id": job.needs.demand.id,
                "origin_endpoint_id": job.needs.origin_endpoint_id,
                "destination_endpoint_id": job.needs.destination_endpoint_id,
                **born(),
            }
            for position, job_id, job, plan in zip(positions, ids, jobs, plans, strict=True)
        ]
        connection.execute(sa.insert(JOB), rows)
        if tasks:
            connection.execute(sa.insert(TASK), tasks)
        return ids


def _tasks(execution_id: str, job_id: str, job: NewJob) -> list[dict[str, Any]]:
    ids = {task.step: new_id() for task in job.tasks}
    return [
        {
            "id": ids[task.step],
            "execution_id": execution_id,
            "job_id": job_id,
            "step": task.step,
            "instance": job.instance,
            "task_type": task.task_type,
            "status": TaskStatus.SCHEDULED,
            "index": index,
            "depends_on": [ids[parent] for parent in task.depends_on],
            "on_error": task.on_error,
            **born(),
        }
        for index, task in enumerate(job.tasks)
    ]


def _last_tokens(connection: sa.Connection, execution_id: str) -> dict[str, int]:
    """By instance: the highest token of the earlier runs of the same action. The next run's are higher, since what
    writers leave behind to keep older ones out may outlive a run: a file on the conductor, a lock in the storage."""
    this = EXECUTION.alias()
    query = (
        sa.select(JOB.c.instance, sa.func.max(JOB.c.token))
        .join(EXECUTION, EXECUTION.c.id == JOB.c.execution_id)
        .join(this, this.c.action_id == EXECUTION.c.action_id)
        .where(this.c.id == execution_id)
        .group_by(JOB.c.instance)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _know_demands(connection: sa.Connection, demands: Sequence[Demand]) -> None:
    """Behind the turnstile, so that nobody inserts the same one meanwhile."""
    wanted = {demand.id: demand for demand in demands if demand.id != ANYWHERE}
    if not wanted:
        return
    known = connection.scalars(sa.select(JOB_DEMAND.c.id).where(JOB_DEMAND.c.id.in_(wanted))).all()
    rows = [
        {"id": id_, "regions": demand.regions, "capabilities": demand.capabilities}
        for id_, demand in wanted.items()
        if id_ not in known
    ]
    if rows:
        connection.execute(sa.insert(JOB_DEMAND), rows)


def active_execution(connection: sa.Connection, action_id: str) -> str | None:
    """The id of the run of this transfer or deployment that has not ended, if any."""
    active = [status for status in ExecutionStatus if not status.finished]
    # A run that waits for an operator counts as finished for clients, but its resources are still its own.
    busy = sa.or_(EXECUTION.c.status.in_(active), EXECUTION.c.status == ExecutionStatus.DEADLOCKED)
    query = sa.select(EXECUTION.c.id).where(
        EXECUTION.c.action_id == action_id, EXECUTION.c.deleted == ALIVE, busy
    )
    return connection.scalar(query)


def refresh_status(connection: sa.Connection, execution_id: str) -> None:
    """Derives the execution's status from its jobs, in the transaction that changed one of them."""
    # The row is locked before the jobs are read: of two jobs that end at once, each would otherwise take the
    # other for running, and the execution would never end.
    held = sa.select(EXECUTION.c.status).where(EXECUTION.c.id == execution_id).with_for_update()
    before = connection.scalar(held)
    kinds = sa.select(JOB.c.state, JOB.c.wish, JOB.c.outcome).distinct()
    query = kinds.where(JOB.c.execution_id == execution_id)
    jobs = [
        (JobState(state), Wish(wish), JobState(outcome) if outcome else None)
        for state, wish, outcome in connection.execute(query)
    ]
    status = execution_status(jobs)
    if before != status:
        change(connection, EXECUTION, execution_id, {"status": status})
        connection.info.setdefault(STATUS_CHANGES, []).append(StatusChange(execution_id, status))


def executions_of(
    connection: sa.Connection, action_ids: Sequence[str], *, with_tasks: bool = True
) -> dict[str, list[Execution]]:
    """By action, oldest first."""
    query = (
        sa.select(EXECUTION)
        .where(EXECUTION.c.action_id.in_(action_ids), EXECUTION.c.deleted == ALIVE)
        .order_by(EXECUTION.c.number)
    )
    found: dict[str, list[Execution]] = {}
    for execution in _records(connection, list(connection.execute(query).mappings()), with_tasks):
        found.setdefault(execution.action_id, []).append(execution)
    return found


def _records(connection: sa.Connection, rows: Sequence[Row], with_tasks: bool = True) -> list[Execution]:
    tasks = tasks_of(connection, [row["id"] for row in rows]) if with_tasks else {}
    return [
        Execution(
            id=row["id"],
            action_id=row["action_id"],
            type=ExecutionType(row["type"]),
            status=ExecutionStatus(row["status"]),
            number=row["number"],
            tasks=tuple(tasks.get(row["id"], ())),
            **stamps(row),
        )
        for row in rows
    ]
