"""The ledger's rows: every resource in a cloud that somebody must one day delete."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.model.enums import ResourceKind, ResourceState
from coriolis.model.records import LedgerEntry
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, change, new_id, stamps
from coriolis.store.tables import RESOURCE

if TYPE_CHECKING:
    from coriolis.store.database import Fence

_OWED = (ResourceState.PLANNED, ResourceState.PRESENT)


class ResourceRepository(Repository):
    def list(
        self, *, job_id: str | None = None, states: Sequence[ResourceState] = ()
    ) -> builtins.list[LedgerEntry]:
        query = sa.select(RESOURCE).order_by(RESOURCE.c.created_at, RESOURCE.c.id)
        if job_id is not None:
            query = query.where(RESOURCE.c.job_id == job_id)
        if states:
            query = query.where(RESOURCE.c.state.in_(states))
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def find(self, endpoint_id: str, kind: ResourceKind, name: str) -> LedgerEntry | None:
        """The row that is not yet removed. Names are unique to an endpoint, whichever job made them."""
        with self._database.read() as connection:
            row = _find(connection, endpoint_id, kind, name)
        return None if row is None or row["state"] == ResourceState.REMOVED else _record(row)

    @repeated
    def plan(
        self, fence: "Fence", step: str, endpoint_id: str, kind: ResourceKind, name: str
    ) -> tuple[LedgerEntry, bool]:
        """The row as it stands once it is committed, and whether an earlier attempt had written it."""
        with self._database.fenced(fence) as connection:
            row = _find(connection, endpoint_id, kind, name)
            attempted = row is not None and row["state"] != ResourceState.REMOVED
            if row is None:
                connection.execute(
                    sa.insert(RESOURCE).values(
                        id=new_id(),
                        job_id=fence.job_id,
                        step=step,
                        endpoint_id=endpoint_id,
                        kind=kind,
                        name=name,
                        state=ResourceState.PLANNED,
                        **born(),
                    )
                )
            elif not attempted:
                fresh = {"job_id": fence.job_id, "step": step, "state": ResourceState.PLANNED}
                change(connection, RESOURCE, row["id"], {**fresh, "cloud_id": None, "reason": None})
            present = connection.execute(sa.select(RESOURCE).where(_named(endpoint_id, kind, name)))
            return _record(present.mappings().one()), attempted

    @repeated
    def set_state(
        self,
        fence: "Fence",
        endpoint_id: str,
        kind: ResourceKind,
        name: str,
        state: ResourceState,
        **values: Any,
    ) -> None:
        """Nothing happens where there is no such row: removing what was never begun is no fault."""
        with self._database.fenced(fence) as connection:
            row = _find(connection, endpoint_id, kind, name)
            if row is not None:
                change(connection, RESOURCE, row["id"], {"state": state, "reason": None, **values})


def abandon(connection: sa.Connection, job_id: str, step: str, reason: str) -> list[LedgerEntry]:
    """What the step made and a clean-up could not remove becomes LEFTOVER; returns those rows."""
    owed = sa.and_(
        RESOURCE.c.job_id == job_id,
        RESOURCE.c.step == step,
        RESOURCE.c.state.in_((*_OWED, ResourceState.LEFTOVER)),
    )
    rows = connection.execute(sa.select(RESOURCE).where(owed)).mappings().all()
    for row in rows:
        change(connection, RESOURCE, row["id"], {"state": ResourceState.LEFTOVER, "reason": reason})
    return [_record(row) for row in rows]


def settle_resources(connection: sa.Connection, job_id: str) -> None:
    """At a job's end nothing may be merely planned or present: what nobody removed or kept is a leftover."""
    owed = sa.and_(RESOURCE.c.job_id == job_id, RESOURCE.c.state.in_(_OWED))
    for row in connection.execute(sa.select(RESOURCE.c.id).where(owed)).all():
        reason = "The job ended while the ledger still held it."
        change(connection, RESOURCE, row.id, {"state": ResourceState.LEFTOVER, "reason": reason})


def _find(connection: sa.Connection, endpoint_id: str, kind: ResourceKind, name: str) -> Row | None:
    query = sa.select(RESOURCE).where(_named(endpoint_id, kind, name))
    return connection.execute(query).mappings().first()


def _named(endpoint_id: str, kind: ResourceKind, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(RESOURCE.c.endpoint_id == endpoint_id, RESOURCE.c.kind == kind, RESOURCE.c.name == name)


def _record(row: Row) -> LedgerEntry:
    return LedgerEntry(
        id=row["id"],
        job_id=row["job_id"],
        step=row["step"],
        endpoint_id=row["endpoint_id"],
        kind=ResourceKind(row["kind"]),
        name=row["name"],
        state=ResourceState(row["state"]),
        cloud_id=row["cloud_id"],
        reason=row["reason"],
        **stamps(row),
    )
