"""Jobs: how one begins, is cancelled, and ends. Who holds it is in `store.queue`."""

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import EventLevel, ResourceState, TaskStatus
from coriolis.model.records import Job, JobState, Wish
from coriolis.store.executions import refresh_status
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, change, get_row, stamps
from coriolis.store.resources import settle_resources
from coriolis.store.tables import EXECUTION, JOB, RESOURCE, STEP_STATE, TASK
from coriolis.store.tasks import add_event, move_tasks

if TYPE_CHECKING:
    from coriolis.store.database import Fence

_WAITING_TASKS = (TaskStatus.SCHEDULED, TaskStatus.PENDING, TaskStatus.STARTING)
_BUSY_TASKS = (TaskStatus.RUNNING, TaskStatus.CANCELLING)


class JobRepository(Repository):
    def get(self, job_id: str) -> Job:
        with self._database.read() as connection:
            return job_record(get_row(connection, JOB, "Job", job_id), self._reveal)

    def list(self, execution_id: str) -> builtins.list[Job]:
        query = sa.select(JOB).where(JOB.c.execution_id == execution_id).order_by(JOB.c.position)
        with self._database.read() as connection:
            return [job_record(row, self._reveal) for row in connection.execute(query).mappings()]

    @repeated
    def retry_stuck(self) -> None:
        """At a start, perhaps of another version: jobs that needed an operator are tried again."""
        with self._database.write() as connection:
            stuck = sa.select(JOB.c.id, JOB.c.outcome).where(JOB.c.state == JobState.NEEDS_OPERATOR)
            for job_id, outcome in connection.execute(stuck).all():
                state = JobState.RUNNING if outcome is None else JobState.COMPENSATING
                _set_state(connection, job_id, state, reason=None)

    # Life cycle, in the name of a claim

    @repeated
    def begin(self, fence: "Fence") -> None:
        with self._database.fenced(fence) as connection:
            _set_state(connection, fence.job_id, JobState.RUNNING)

    @repeated
    def begin_compensation(self, fence: "Fence", outcome: JobState) -> JobState:
        """The first caller decides whether the job will end FAILED or CANCELLED; returns what was decided."""
        with self._database.fenced(fence) as connection:
            return begin_compensation(connection, fence.job_id, outcome)

    @repeated
    def finish(self, fence: "Fence", state: JobState | None = None) -> None:
        """Ends the job: its tasks, its ledger rows and its execution's status are settled in one transaction.

        `state` None: what its compensation was decided to end in, or COMPLETED where there was none.
        """
        with self._database.fenced(fence) as connection:
            _settle(connection, fence.job_id, state)

    @repeated
    def needs_operator(self, fence: "Fence", reason: str) -> None:
        with self._database.fenced(fence) as connection:
            _set_state(
                connection, fence.job_id, JobState.NEEDS_OPERATOR, reason=reason, owner=None, lease_until=0.0
            )
            _tell(connection, fence.job_id, reason)

    # Wishes, in the name of the user

    @repeated
    def cancel(self, execution_id: str, *, force: bool) -> None:
        """Asks every unfinished job of the execution to be undone; force is never taken back. Queued ones end at
        once. One that needs an operator ends only by force, and what it left is then reported. Raises Conflict
        when there is nothing, or nothing without force, to cancel.
        """
        with self._database.write() as connection:
            get_row(connection, EXECUTION, "Execution", execution_id)
            jobs = _held_jobs(connection, execution_id)
            unfinished = [row for row in jobs if not JobState(row["state"]).finished]
            if not unfinished:
                raise Conflict(message=f"Execution {execution_id} is not active.")
            cancelled = [self._cancel_job(connection, row, force) for row in unfinished]
            if not any(cancelled):
                stuck = unfinished[0]
                raise Conflict(
                    message=f"Job {stuck['id']} needs an operator: {stuck['reason']} "
                    "Cancel it with force to end it."
                )
            refresh_status(connection, execution_id)

    def _cancel_job(self, connection: sa.Connection, row: Row, force: bool) -> bool:
        """False for one that only force can end."""
        state = JobState(row["state"])
        if state is JobState.NEEDS_OPERATOR and not force:
            return False
        if state is JobState.NEEDS_OPERATOR or (state is JobState.QUEUED and row["owner"] is None):
            fenced_off = sa.update(JOB).where(JOB.c.id == row["id"]).values(token=JOB.c.token + 1)
            connection.execute(fenced_off)
            _settle(connection, row["id"], JobState.CANCELLED)
            return True
        wish = Wish.FORCE_CANCEL if force or row["wish"] == Wish.FORCE_CANCEL else Wish.CANCEL
        change(connection, JOB, row["id"], {"wish": wish})
        if state is JobState.RUNNING:
            move_tasks(connection, row["id"], [TaskStatus.RUNNING], TaskStatus.CANCELLING)
            move_tasks(connection, row["id"], _WAITING_TASKS, TaskStatus.UNSCHEDULED)
        return True

    @repeated
    def reopen_for_cleanup(self, job_id: str) -> None:
        """Queues another try at what a finished job left behind. Raises NotFound when it left nothing,
        Conflict while it is still at work."""
        with self._database.write() as connection:
            connection.execute(sa.select(JOB.c.id).where(JOB.c.id == job_id).with_for_update())
            row = get_row(connection, JOB, "Job", job_id)
            if not JobState(row["state"]).finished:
                raise Conflict(message=f"Job {job_id} is still at work.")
            owed = sa.and_(RESOURCE.c.job_id == job_id, RESOURCE.c.state == ResourceState.LEFTOVER)
            if connection.scalar(sa.select(sa.func.count()).where(owed)) == 0:
                raise NotFound(kind="Leftover of job", name=job_id)
            # Of this job only the steps that owe something are to be undone, be it failed or completed.
            owing = sa.select(RESOURCE.c.step).where(owed)
            states = sa.update(STEP_STATE).where(STEP_STATE.c.job_id == job_id)
            connection.execute(states.values(reverted=STEP_STATE.c.step.not_in(owing)))
            _set_state(connection, job_id, JobState.COMPENSATING, outcome=row["state"], wish=Wish.NONE)


def _held_jobs(connection: sa.Connection, execution_id: str) -> list[Row]:
    """Locked: nobody may claim, begin or finish one of them before our transaction ends.

    Each by its id: a lock that waits in the index of executions misses a job whose state changes meanwhile, because
    the change moves its entry to a place that the scan has passed.
    """
    ids = connection.scalars(sa.select(JOB.c.id).where(JOB.c.execution_id == execution_id)).all()
    query = sa.select(JOB).where(JOB.c.id.in_(ids)).order_by(JOB.c.id).with_for_update()
    return list(connection.execute(query).mappings())


def job_record(row: Row, reveal: Callable[[Any], Any]) -> Job:
    """`reveal` decrypts what is secret in the plan."""
    return Job(
        id=row["id"],
        execution_id=row["execution_id"],
        instance=row["instance"],
        flow=row["flow"],
        flow_version=row["flow_version"],
        plan=reveal(row["plan"]),
        state=JobState(row["state"]),
        outcome=JobState(row["outcome"]) if row["outcome"] else None,
        wish=Wish(row["wish"]),
        owner=row["owner"],
        token=row["token"],
        lease_until=row["lease_until"],
        priority=row["priority"],
        position=row["position"],
        reason=row["reason"],
        **stamps(row),
    )


def begin_compensation(connection: sa.Connection, job_id: str, outcome: JobState) -> JobState:
    """See JobRepository.begin_compensation."""
    decided = connection.scalar(sa.select(JOB.c.outcome).where(JOB.c.id == job_id))
    if decided is None:
        decided = outcome
        _set_state(connection, job_id, JobState.COMPENSATING, outcome=outcome)
    return JobState(decided)


def _set_state(connection: sa.Connection, job_id: str, state: JobState, **values: Any) -> None:
    change(connection, JOB, job_id, {"state": state, **values})
    execution_id = connection.execute(sa.select(JOB.c.execution_id).where(JOB.c.id == job_id)).scalar_one()
    refresh_status(connection, execution_id)


def _settle(connection: sa.Connection, job_id: str, state: JobState | None) -> None:
    query = sa.select(JOB.c.wish, JOB.c.outcome, JOB.c.execution_id).where(JOB.c.id == job_id)
    row = connection.execute(query).one()
    stopped = TaskStatus.FORCE_CANCELED if row.wish == Wish.FORCE_CANCEL else TaskStatus.CANCELED
    ended = sa.case((TASK.c.status.in_(_BUSY_TASKS), stopped), else_=TaskStatus.UNSCHEDULED)
    move_tasks(connection, job_id, (*_BUSY_TASKS, *_WAITING_TASKS), ended)
    settle_resources(connection, job_id)
    decided = state or JobState(row.outcome or JobState.COMPLETED)
    change(connection, JOB, job_id, {"state": decided, "outcome": None, "owner": None, "lease_until": 0.0})
    refresh_status(connection, row.execution_id)


def _tell(connection: sa.Connection, job_id: str, message: str) -> None:
    """On the first task that has not ended, where the person who watches will look."""
    open_statuses: Sequence[TaskStatus] = (*_WAITING_TASKS, *_BUSY_TASKS)
    query = sa.select(TASK.c.step).where(TASK.c.job_id == job_id, TASK.c.status.in_(open_statuses))
    step = connection.scalar(query.order_by(TASK.c.index).limit(1))
    if step is not None:
        add_event(connection, job_id, step, EventLevel.ERROR, message)
