"""How many jobs are at work, and which limit keeps another from being begun."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from coriolis.model.queue import Limits, WaitReason
from coriolis.model.records import JobState
from coriolis.store.tables import JOB

BEGUN = (JobState.RUNNING, JobState.COMPENSATING)
ENDPOINTS = (JOB.c.origin_endpoint_id, JOB.c.destination_endpoint_id)


@dataclass(frozen=True, slots=True)
class AtWork:
    """Jobs that have begun and not ended; `here`: those that somebody on one host holds."""

    total: int
    here: int
    by_endpoint: Counter[str]

    def hinders(self, limits: Limits, endpoints: Iterable[str | None]) -> WaitReason | None:
        """Why a job between these endpoints may not begin."""
        if _reached(self.total, limits.total):
            return WaitReason.TOTAL_LIMIT
        if any(end is not None and _reached(self.by_endpoint[end], limits.per_endpoint) for end in endpoints):
            return WaitReason.ENDPOINT_LIMIT
        return WaitReason.NO_CONDUCTOR_FREE if _reached(self.here, limits.per_host) else None

    def not_hindered(self, limits: Limits) -> sa.ColumnElement[bool] | None:
        """What a job must fulfil to begin; None: none may."""
        if self.hinders(limits, ()) is not None:
            return None
        full = [end for end, jobs in self.by_endpoint.items() if _reached(jobs, limits.per_endpoint)]
        if not full:
            return sa.true()
        return sa.and_(*(sa.or_(column.is_(None), column.not_in(full)) for column in ENDPOINTS))


def at_work(connection: sa.Connection, here: sa.ColumnElement[bool] | None = None) -> AtWork:
    """`here`: which jobs are held on the host that asks."""
    held = sa.func.sum(sa.case((sa.false() if here is None else here, 1), else_=0))
    query = sa.select(*ENDPOINTS, sa.func.count(), held).where(JOB.c.state.in_(BEGUN)).group_by(*ENDPOINTS)
    total, on_host = 0, 0
    by_endpoint: Counter[str] = Counter()
    for origin, destination, jobs, held_here in connection.execute(query):
        total += jobs
        on_host += int(held_here)
        for endpoint in {origin, destination} - {None}:  # one job, also where both its ends are one endpoint
            by_endpoint[endpoint] += jobs
    return AtWork(total, on_host, by_endpoint)


def _reached(number: int, limit: int) -> bool:
    return 0 < limit <= number
