"""Jobs: what is queued, who holds it, how it ended."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import EventLevel, ResourceState, TaskStatus
from coriolis.model.records import Job, JobState, Wish
from coriolis.store.clock import clock
from coriolis.store.executions import refresh_status
from coriolis.store.repository import Repository, Row, change, get_row, stamps
from coriolis.store.resources import settle_resources
from coriolis.store.tables import EXECUTION, JOB, RESOURCE, TASK
from coriolis.store.tasks import add_event, move_tasks

if TYPE_CHECKING:
    from coriolis.store.database import Fence

_CLAIMABLE = (JobState.QUEUED, JobState.RUNNING, JobState.COMPENSATING)
_WAITING_TASKS = (TaskStatus.SCHEDULED, TaskStatus.PENDING, TaskStatus.STARTING)
_BUSY_TASKS = (TaskStatus.RUNNING, TaskStatus.CANCELLING)


class JobRepository(Repository):
    def get(self, job_id: str) -> Job:
        with self._database.read() as connection:
            return self._record(get_row(connection, JOB, "Job", job_id))

    def list(self, execution_id: str) -> builtins.list[Job]:
        query = sa.select(JOB).where(JOB.c.execution_id == execution_id).order_by(JOB.c.position)
        with self._database.read() as connection:
            return [self._record(row) for row in connection.execute(query).mappings()]

    # Claims

    def claim_next(self, owner: str, lease_seconds: float) -> Job | None:
        """Takes the next job that nobody holds, or None. The token decides between two takers."""
        now = clock(self._database.engine.dialect.name)
        free = sa.and_(JOB.c.state.in_(_CLAIMABLE), JOB.c.lease_until < now)
        query = sa.select(JOB.c.id, JOB.c.token).where(free)
        with self._database.read() as connection:
            candidates = connection.execute(query.order_by(JOB.c.priority.desc(), JOB.c.position)).all()
        for job_id, seen in candidates:
            take = sa.update(JOB).where(JOB.c.id == job_id, JOB.c.token == seen, free)
            values = {"owner": owner, "token": seen + 1, "lease_until": now + lease_seconds}
            with self._database.write() as connection:
                if connection.execute(take.values(**values)).rowcount == 1:
                    return self._record(get_row(connection, JOB, "Job", job_id))
        return None

    def renew(self, fence: "Fence", lease_seconds: float) -> Wish | None:
        """Extends the lease and tells what is wished; None when the claim was lost."""
        now = clock(self._database.engine.dialect.name)
        mine = sa.and_(JOB.c.id == fence.job_id, JOB.c.token == fence.token)
        with self._database.write() as connection:
            changed = connection.execute(sa.update(JOB).where(mine).values(lease_until=now + lease_seconds))
            if changed.rowcount != 1:
                return None
            return Wish(connection.execute(sa.select(JOB.c.wish).where(mine)).scalar_one())

    def release(self, fence: "Fence") -> None:
        """Gives the claim back unfinished; whoever looks next may take it. No error when it was lost
        already."""
        mine = sa.and_(JOB.c.id == fence.job_id, JOB.c.token == fence.token)
        with self._database.write() as connection:
            connection.execute(sa.update(JOB).where(mine).values(owner=None, lease_until=0.0))

    def void_all_claims(self) -> None:
        """Only for one who knows that no other conductor lives: ends every lease, and fences off its
        writer."""
        with self._database.write() as connection:
            held = sa.update(JOB).where(JOB.c.owner.is_not(None))
            connection.execute(held.values(owner=None, lease_until=0.0, token=JOB.c.token + 1))

    def retry_stuck(self) -> None:
        """At a start, perhaps of another version: jobs that needed an operator are tried again."""
        with self._database.write() as connection:
            stuck = sa.select(JOB.c.id, JOB.c.outcome).where(JOB.c.state == JobState.NEEDS_OPERATOR)
            for job_id, outcome in connection.execute(stuck).all():
                state = JobState.RUNNING if outcome is None else JobState.COMPENSATING
                _set_state(connection, job_id, state, reason=None)

    # Life cycle, in the name of a claim

    def begin(self, fence: "Fence") -> None:
        with self._database.fenced(fence) as connection:
            _set_state(connection, fence.job_id, JobState.RUNNING)

    def begin_compensation(self, fence: "Fence", outcome: JobState) -> JobState:
        """The first caller decides whether the job will end FAILED or CANCELLED; returns what was decided."""
        with self._database.fenced(fence) as connection:
            decided = connection.scalar(sa.select(JOB.c.outcome).where(JOB.c.id == fence.job_id))
            if decided is None:
                decided = outcome
                _set_state(connection, fence.job_id, JobState.COMPENSATING, outcome=outcome)
            return JobState(decided)

    def finish(self, fence: "Fence", state: JobState) -> None:
        """Ends the job: its tasks, its ledger rows and its execution's status are settled in one
        transaction."""
        with self._database.fenced(fence) as connection:
            _settle(connection, fence.job_id, state)

    def needs_operator(self, fence: "Fence", reason: str) -> None:
        with self._database.fenced(fence) as connection:
            _set_state(
                connection, fence.job_id, JobState.NEEDS_OPERATOR, reason=reason, owner=None, lease_until=0.0
            )
            _tell(connection, fence.job_id, reason)

    # Wishes, in the name of the user

    def cancel(self, execution_id: str, *, force: bool) -> None:
        """Asks every unfinished job of the execution to be undone. Queued ones end at once; one that needs an
        operator ends only by force, and what it left is then reported. Raises Conflict when nothing can be
        cancelled.
        """
        with self._database.write() as connection:
            get_row(connection, EXECUTION, "Execution", execution_id)
            jobs = (
                connection.execute(sa.select(JOB).where(JOB.c.execution_id == execution_id)).mappings().all()
            )
            unfinished = [row for row in jobs if not JobState(row["state"]).finished]
            if not unfinished:
                raise Conflict(message=f"Execution {execution_id} is not active.")
            for row in unfinished:
                self._cancel_job(connection, row, force)
            refresh_status(connection, execution_id)

    def _cancel_job(self, connection: sa.Connection, row: Row, force: bool) -> None:
        state = JobState(row["state"])
        if state is JobState.NEEDS_OPERATOR and not force:
            raise Conflict(
                message=f"Job {row['id']} needs an operator: {row['reason']} Cancel it with force to end it."
            )
        if state is JobState.NEEDS_OPERATOR or (state is JobState.QUEUED and row["owner"] is None):
            fenced_off = sa.update(JOB).where(JOB.c.id == row["id"]).values(token=JOB.c.token + 1)
            connection.execute(fenced_off)
            _settle(connection, row["id"], JobState.CANCELLED)
            return
        wish = Wish.FORCE_CANCEL if force or row["wish"] == Wish.FORCE_CANCEL else Wish.CANCEL
        change(connection, JOB, row["id"], {"wish": wish})
        if state is JobState.RUNNING:
            move_tasks(connection, row["id"], [TaskStatus.RUNNING], TaskStatus.CANCELLING)
            move_tasks(connection, row["id"], _WAITING_TASKS, TaskStatus.UNSCHEDULED)

    def reopen_for_cleanup(self, job_id: str) -> None:
        """Queues another try at what a finished job left behind. Raises NotFound when it left nothing,
        Conflict while it is still at work."""
        with self._database.write() as connection:
            row = get_row(connection, JOB, "Job", job_id)
            if not JobState(row["state"]).finished:
                raise Conflict(message=f"Job {job_id} is still at work.")
            owed = sa.and_(RESOURCE.c.job_id == job_id, RESOURCE.c.state == ResourceState.LEFTOVER)
            if connection.scalar(sa.select(sa.func.count()).where(owed)) == 0:
                raise NotFound(kind="Leftover of job", name=job_id)
            _set_state(connection, job_id, JobState.COMPENSATING, outcome=row["state"], wish=Wish.NONE)

    def _record(self, row: Row) -> Job:
        return Job(
            id=row["id"],
            execution_id=row["execution_id"],
            instance=row["instance"],
            flow=row["flow"],
            flow_version=row["flow_version"],
            plan=self._reveal(row["plan"]),
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


def _set_state(connection: sa.Connection, job_id: str, state: JobState, **values: Any) -> None:
    change(connection, JOB, job_id, {"state": state, **values})
    execution_id = connection.execute(sa.select(JOB.c.execution_id).where(JOB.c.id == job_id)).scalar_one()
    refresh_status(connection, execution_id)


def _settle(connection: sa.Connection, job_id: str, state: JobState) -> None:
    wish = connection.execute(sa.select(JOB.c.wish).where(JOB.c.id == job_id)).scalar_one()
    stopped = TaskStatus.FORCE_CANCELED if wish == Wish.FORCE_CANCEL else TaskStatus.CANCELED
    move_tasks(connection, job_id, _BUSY_TASKS, stopped)
    move_tasks(connection, job_id, _WAITING_TASKS, TaskStatus.UNSCHEDULED)
    settle_resources(connection, job_id)
    _set_state(connection, job_id, state, outcome=None, owner=None, lease_until=0.0)


def _tell(connection: sa.Connection, job_id: str, message: str) -> None:
    """On the first task that has not ended, where the person who watches will look."""
    open_statuses: Sequence[TaskStatus] = (*_WAITING_TASKS, *_BUSY_TASKS)
    query = sa.select(TASK.c.step).where(TASK.c.job_id == job_id, TASK.c.status.in_(open_statuses))
    step = connection.scalar(query.order_by(TASK.c.index).limit(1))
    if step is not None:
        add_event(connection, job_id, step, EventLevel.ERROR, message)
