"""The line of jobs: who takes the next one, who holds which, and where each stands.

A job has begun once it was claimed for the first time, and counts against the limits from then to its end, also
while nobody holds it: what it made in the clouds is there. A claim therefore asks of the limits only when it
begins a job; a begun one goes on, and one that is to be undone waits for nothing.
"""

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.model.queue import (
    ANYWHERE,
    Claimant,
    Demand,
    Limits,
    Posting,
    QueuePlace,
    Served,
    WaitReason,
)
from coriolis.model.records import Job, JobState, Wish
from coriolis.store.clock import clock, utcnow
from coriolis.store.executions import refresh_status
from coriolis.store.faults import repeated
from coriolis.store.jobs import job_record
from coriolis.store.limits import BEGUN, ENDPOINTS, at_work
from coriolis.store.repository import Repository, Row, get_row
from coriolis.store.tables import JOB, JOB_DEMAND
from coriolis.store.turnstile import CLAIMS, pass_turnstile

if TYPE_CHECKING:
    from coriolis.store.database import Database, Fence

ON_THE_BOARD = (JobState.QUEUED, *BEGUN)
_POSTED = tuple(JOB.c[name] for name in Posting.__dataclass_fields__)


class QueueRepository(Repository):
    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self._demands: dict[str, Demand] = {ANYWHERE: Demand()}  # an id stands for the same demand for ever

    @property
    def _now(self) -> sa.ColumnElement[float]:
        return clock(self._database.engine.dialect.name)

    # Looking

    def left(self, served: Served, size: int) -> list[Posting]:
        """Begun jobs that nobody holds any more, at most `size`: those to be undone first."""
        free = sa.and_(JOB.c.state.in_(BEGUN), JOB.c.lease_until < self._now)
        with self._database.read() as connection:
            demands = connection.scalars(sa.select(JOB.c.demand_id).distinct().where(free)).all()
            met = self._met(connection, demands, served)
            if not met:
                return []
            query = sa.select(*_POSTED).where(free, JOB.c.demand_id.in_(met))
            moving = sa.case((sa.or_(JOB.c.state != JobState.RUNNING, JOB.c.wish != Wish.NONE), 0), else_=1)
            query = query.order_by(moving, JOB.c.priority.desc(), JOB.c.position).limit(size)
            return [_posting(row) for row in connection.execute(query).mappings()]

    def waiting(self, claimant: Claimant, size: int, after: Posting | None = None) -> builtins.list[Posting]:
        """Queued jobs that the claimant may begin, at most `size`, in their order, behind `after`. The limits
        are those of this moment; `claim` has the last word."""
        with self._database.read() as connection:
            lines = self._lines(connection, claimant.served, after)
            if not lines:
                return []
            within: sa.ColumnElement[bool] | None = sa.true()
            if claimant.limits != Limits():
                within = at_work(connection, self._here(claimant)).not_hindered(claimant.limits)
            if within is None:
                return []
            found = []
            for line in lines:
                query = sa.select(*_POSTED).where(line, within).order_by(JOB.c.position).limit(size)
                found += [_posting(row) for row in connection.execute(query).mappings()]
        return sorted(found, key=lambda job: (-job.priority, job.position))[:size]

    def postings(self, size: int, after: Posting | None = None) -> builtins.list[Posting]:
        """Everything on the board, claimed or not, in the order of priority and position."""
        query = sa.select(*_POSTED).where(JOB.c.state.in_(ON_THE_BOARD))
        query = query.order_by(JOB.c.priority.desc(), JOB.c.position).limit(size)
        if after is not None:
            same = sa.and_(JOB.c.priority == after.priority, JOB.c.position > after.position)
            query = query.where(sa.or_(JOB.c.priority < after.priority, same))
        with self._database.read() as connection:
            return [_posting(row) for row in connection.execute(query).mappings()]

    def posting(self, connection: sa.Connection, job_id: str) -> Posting:
        """Raises NotFound."""
        return _posting(get_row(connection, JOB, "Job", job_id))

    def count(self) -> int:
        query = sa.select(sa.func.count()).where(JOB.c.state.in_(ON_THE_BOARD))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def holder(self, job_id: str) -> tuple[JobState, str | None, float]:
        """The job's state, who holds it, and for how many seconds more. Raises NotFound."""
        left = (JOB.c.lease_until - self._now).label("left")
        query = sa.select(JOB.c.state, JOB.c.owner, left).where(JOB.c.id == job_id)
        with self._database.read() as connection:
            row = connection.execute(query).first() or get_row(connection, JOB, "Job", job_id)
        held = row.left >= 0
        return JobState(row.state), row.owner if held else None, row.left if held else 0.0

    # Claims

    @repeated
    def claim(self, job_id: str, claimant: Claimant, lease_seconds: float) -> Job | None:
        """Takes the job, raises its token, and begins it if nobody has; None when somebody holds it, it has
        ended, or it is over a limit. Raises NotFound."""
        with self._database.write() as connection:
            pass_turnstile(connection, CLAIMS)
            query = sa.select(JOB, self._now.label("now")).where(JOB.c.id == job_id).with_for_update()
            row = connection.execute(query).mappings().first() or get_row(connection, JOB, "Job", job_id)
            free = row["state"] in ON_THE_BOARD and row["lease_until"] < row["now"]
            if not free or not self._may(connection, row, claimant):
                return None
            begun = row["state"] == JobState.QUEUED
            claimed: dict[str, Any] = {
                "owner": claimant.owner,
                "token": row["token"] + 1,
                "lease_until": row["now"] + lease_seconds,
                "state": JobState.RUNNING if begun else JobState(row["state"]),
                "updated_at": utcnow(),
            }
            connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(**claimed, host=claimant.host))
            if begun:
                refresh_status(connection, row["execution_id"])
            return replace(job_record(row, self._reveal), **claimed)

    def claim_next(self, claimant: Claimant, lease_seconds: float) -> Job | None:
        """Takes the first of the jobs that the claimant may have."""
        for posting in [*self.left(claimant.served, 1), *self.waiting(claimant, 1)]:
            job = self.claim(posting.id, claimant, lease_seconds)
            if job is not None:
                return job
        return None

    @repeated
    def renew(self, tokens: dict[str, int], lease_seconds: float) -> dict[str, Wish]:
        """Extends the leases that `tokens` names (job to token) in one statement. Returns what is wished of
        those that are still held; the others are lost."""
        held = sa.or_(
            *(sa.and_(JOB.c.id == job_id, JOB.c.token == token) for job_id, token in tokens.items())
        )
        renewed = sa.update(JOB).where(held, JOB.c.owner.is_not(None))
        with self._database.write() as connection:
            connection.execute(renewed.values(lease_until=self._now + lease_seconds))
            return _wishes(connection, tokens)

    def wishes(self, tokens: dict[str, int]) -> dict[str, Wish]:
        """As `renew` answers, without writing anything."""
        with self._database.read() as connection:
            return _wishes(connection, tokens)

    @repeated
    def release(self, fence: "Fence") -> bool:
        """Gives the claim back unfinished; whoever looks next may take it. False when it was lost already."""
        mine = sa.and_(JOB.c.id == fence.job_id, JOB.c.token == fence.token, JOB.c.owner.is_not(None))
        with self._database.write() as connection:
            given_back = sa.update(JOB).where(mine).values(owner=None, host=None, lease_until=0.0)
            return connection.execute(given_back).rowcount == 1

    @repeated
    def void_all_claims(self) -> None:
        """Only for one who knows that no other conductor lives: ends every lease, and fences off its
        writer."""
        with self._database.write() as connection:
            held = sa.update(JOB).where(JOB.c.state.in_(BEGUN), JOB.c.owner.is_not(None))
            values = {"owner": None, "host": None, "lease_until": 0.0, "token": JOB.c.token + 1}
            connection.execute(held.values(**values))

    # What users see

    def places(self, execution_ids: Sequence[str], limits: Limits) -> dict[str, QueuePlace]:
        """By execution, of those whose jobs wait for their turn: where the first of these stands, and why."""
        mine = (
            sa.select(JOB.c.execution_id, JOB.c.position, *ENDPOINTS)
            .where(JOB.c.execution_id.in_(execution_ids), JOB.c.state == JobState.QUEUED)
            .order_by(JOB.c.priority, JOB.c.position.desc())
        )
        with self._database.read() as connection:
            first = {row.execution_id: row for row in connection.execute(mine)}
            if not first:
                return {}
            numbers = _numbers(connection, [row.position for row in first.values()])
            busy = at_work(connection)
        found = {}
        for execution_id, row in first.items():
            ends = (row.origin_endpoint_id, row.destination_endpoint_id)
            reason = busy.hinders(limits, ends) or WaitReason.NO_CONDUCTOR_FREE
            if row.position in numbers:  # else it was claimed meanwhile
                found[execution_id] = QueuePlace(numbers[row.position], reason)
        return found

    # Demands, limits

    def _met(self, connection: sa.Connection, ids: Iterable[str], served: Served) -> builtins.list[str]:
        unknown = [demand_id for demand_id in ids if demand_id not in self._demands]
        if unknown:
            query = sa.select(JOB_DEMAND).where(JOB_DEMAND.c.id.in_(unknown))
            for row in connection.execute(query):
                groups = tuple(tuple(group) for group in row.regions)
                self._demands[row.id] = Demand(groups, tuple(row.capabilities))
        return [i for i in ids if i in self._demands and self._demands[i].met_by(served)]

    def _lines(
        self, connection: sa.Connection, served: Served, after: Posting | None
    ) -> builtins.list[sa.ColumnElement[bool]]:
        """One condition per line of queued jobs: those of one demand and one priority. Each line is a range of
        the index, in the order of its positions; across lines no index would help."""
        queued = JOB.c.state == JobState.QUEUED
        kinds = connection.execute(sa.select(JOB.c.demand_id, JOB.c.priority).distinct().where(queued)).all()
        met = self._met(connection, {kind.demand_id for kind in kinds}, served)
        lines = []
        for demand_id, priority in kinds:
            if demand_id not in met or (after is not None and priority > after.priority):
                continue
            line = sa.and_(queued, JOB.c.demand_id == demand_id, JOB.c.priority == priority)
            if after is not None and priority == after.priority:
                line = sa.and_(line, JOB.c.position > after.position)
            lines.append(line)
        return lines

    def _may(self, connection: sa.Connection, row: Row, claimant: Claimant) -> bool:
        limits = claimant.limits
        if row["state"] in BEGUN:
            limits = Limits(per_host=limits.per_host)  # for the others it counts already
        if _posting(row).undoing or limits == Limits():
            return True
        ends = (row["origin_endpoint_id"], row["destination_endpoint_id"])
        return at_work(connection, self._here(claimant)).hinders(limits, ends) is None

    def _here(self, claimant: Claimant) -> sa.ColumnElement[bool]:
        return sa.and_(JOB.c.host == claimant.host, JOB.c.lease_until >= self._now)


def _numbers(connection: sa.Connection, positions: Sequence[int]) -> dict[int, int]:
    """Where the queued jobs of these positions stand among those of the same demand, from 1."""
    number = sa.func.row_number().over(
        partition_by=JOB.c.demand_id, order_by=(JOB.c.priority.desc(), JOB.c.position)
    )
    line = sa.select(JOB.c.position, number.label("number")).where(JOB.c.state == JobState.QUEUED).subquery()
    query = sa.select(line.c.position, line.c.number).where(line.c.position.in_(positions))
    return {row.position: row.number for row in connection.execute(query)}


def _wishes(connection: sa.Connection, tokens: dict[str, int]) -> dict[str, Wish]:
    query = sa.select(JOB.c.id, JOB.c.token, JOB.c.wish)
    query = query.where(JOB.c.id.in_(tokens), JOB.c.owner.is_not(None))
    return {row.id: Wish(row.wish) for row in connection.execute(query) if row.token == tokens[row.id]}


def _posting(row: Row) -> Posting:
    values = {column.name: row[column.name] for column in _POSTED}
    return Posting(**{**values, "state": JobState(row["state"]), "wish": Wish(row["wish"])})
