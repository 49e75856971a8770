"""Migrations: which run each waits for, and its moves from one run to the next.

A move is one transaction with the submission of the next run, and is made only by who saw the present one end: so
no crash and no second conductor comes between, and no claim is needed.
"""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict
from coriolis.model.enums import ExecutionStatus
from coriolis.model.migration import (
    CutoverReason,
    Downtime,
    Migration,
    MigrationLimits,
    MigrationPass,
    MigrationPhase,
)
from coriolis.model.records import ALIVE, Paging, Wish
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, change, get_row, new_id, page, stamps
from coriolis.store.tables import EXECUTION, MIGRATION

# One that waits for an operator goes on after that: nothing may be concluded from it yet.
_ENDED = tuple(s for s in ExecutionStatus if s.finished and s is not ExecutionStatus.DEADLOCKED)


@dataclass(frozen=True, kw_only=True)
class NewMigration:
    transfer_id: str
    user_id: str
    project_id: str
    execution_id: str
    limits: MigrationLimits
    restart_source_on_failure: bool
    deployment_wishes: Mapping[str, Any] = field(repr=False)


class LiveMigrationRepository(Repository):
    def get(self, migration_id: str) -> Migration:
        """Raises NotFound."""
        with self._database.read() as connection:
            return self._record(get_row(connection, MIGRATION, "Migration", migration_id))

    def list(self, transfer_id: str, paging: Paging = Paging()) -> Sequence[Migration]:  # noqa: B008 -- frozen
        conditions = [MIGRATION.c.transfer_id == transfer_id]
        if paging.status is not None:
            conditions.append(MIGRATION.c.status == paging.status)
        with self._database.read() as connection:
            return [self._record(row) for row in page(connection, MIGRATION, conditions, paging)]

    def last(self, transfer_id: str) -> Migration | None:
        return self._first(MIGRATION.c.transfer_id == transfer_id)

    def of_deployment(self, deployment_id: str) -> Migration | None:
        """The one that the deployment belongs to, if any."""
        return self._first(MIGRATION.c.deployment_id == deployment_id)

    def to_be_moved(self) -> builtins.list[tuple[Migration, ExecutionStatus]]:
        """Those whose present run has ended, and how; also where somebody deleted the record of that run."""
        query = sa.select(MIGRATION, EXECUTION.c.status.label("ended"))
        query = query.join(EXECUTION, EXECUTION.c.id == MIGRATION.c.execution_id)
        query = query.where(MIGRATION.c.status == ExecutionStatus.RUNNING, EXECUTION.c.status.in_(_ENDED))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [(self._record(row), ExecutionStatus(row["ended"])) for row in rows]

    def has_ended(self, execution_id: str) -> bool:
        """Whether a migration that waits for this run may move."""
        query = sa.select(EXECUTION.c.status).where(EXECUTION.c.id == execution_id)
        with self._database.read() as connection:
            return connection.scalar(query) in _ENDED

    def begin(self, connection: sa.Connection, new: NewMigration) -> str:
        """Its first run was submitted in the same transaction, behind the lock on the transfer. Returns its id."""
        numbers = sa.select(sa.func.max(MIGRATION.c.number)).where(MIGRATION.c.transfer_id == new.transfer_id)
        migration_id = new_id()
        connection.execute(
            sa.insert(MIGRATION).values(
                id=migration_id,
                transfer_id=new.transfer_id,
                user_id=new.user_id,
                project_id=new.project_id,
                number=(connection.scalar(numbers) or 0) + 1,
                status=ExecutionStatus.RUNNING,
                phase=MigrationPhase.COPYING,
                wish=Wish.NONE,
                execution_id=new.execution_id,
                **asdict(new.limits),
                restart_source_on_failure=new.restart_source_on_failure,
                wishes=self._protect(new.deployment_wishes),
                passes=[],
                **born(),
            )
        )
        return migration_id

    def still(self, connection: sa.Connection, seen: Migration) -> bool:
        """Whether it stands as it was seen; from here on, until the transaction ends, nobody else moves it."""
        query = sa.select(MIGRATION.c.execution_id, MIGRATION.c.status, MIGRATION.c.wish)
        row = connection.execute(query.where(MIGRATION.c.id == seen.id).with_for_update()).one()
        return (row.execution_id, row.status, row.wish) == (seen.execution_id, seen.status, seen.wish)

    def move(self, connection: sa.Connection, seen: Migration, **values: Any) -> None:
        """Behind `still`: always with another `execution_id` or `status`, so that it is made once. `values` are
        fields of `Migration`."""
        stored = dict(values)
        if "passes" in values:
            stored["passes"] = [asdict(item) for item in values["passes"]]
        if values.get("downtime") is not None:
            stored["downtime"] = {name: asdict(value) for name, value in values["downtime"].items()}
        change(connection, MIGRATION, seen.id, stored)

    @repeated
    def wish_away(self, migration_id: str, *, force: bool) -> str:
        """From now on it makes no move forward; force is never taken back. Returns the id of the run that is to
        be cancelled. Raises NotFound, or Conflict where it has ended or is ending already."""
        with self._database.write() as connection:
            connection.execute(
                sa.select(MIGRATION.c.id).where(MIGRATION.c.id == migration_id).with_for_update()
            )
            row = get_row(connection, MIGRATION, "Migration", migration_id)
            if row["status"] != ExecutionStatus.RUNNING:
                raise Conflict(message=f"Migration {migration_id} is not active.")
            if row["phase"] == MigrationPhase.STARTING_SOURCE:
                raise Conflict(message=f"Migration {migration_id} is ending: it starts the source again.")
            wish = Wish.FORCE_CANCEL if force or row["wish"] == Wish.FORCE_CANCEL else Wish.CANCEL
            change(connection, MIGRATION, migration_id, {"wish": wish})
            return str(row["execution_id"])

    def _first(self, condition: sa.ColumnElement[bool]) -> Migration | None:
        query = sa.select(MIGRATION).where(condition, MIGRATION.c.deleted == ALIVE)
        query = query.order_by(MIGRATION.c.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else self._record(row)

    def _record(self, row: Row) -> Migration:
        plain = (
            "id",
            "transfer_id",
            "user_id",
            "project_id",
            "number",
            "execution_id",
            "cutover_execution_id",
            "deployment_id",
            "restart_source_on_failure",
            "message",
        )
        downtime = None
        if row["downtime"] is not None:
            downtime = {name: Downtime(**parts) for name, parts in row["downtime"].items()}
        return Migration(
            **{name: row[name] for name in plain},
            status=ExecutionStatus(row["status"]),
            phase=MigrationPhase(row["phase"]),
            outcome=ExecutionStatus(row["outcome"]) if row["outcome"] else None,
            wish=Wish(row["wish"]),
            limits=MigrationLimits(row["max_passes"], row["small_delta_bytes"], row["small_delta_seconds"]),
            deployment_wishes=self._reveal(row["wishes"]),
            passes=tuple(MigrationPass(**item) for item in row["passes"]),
            cutover_reason=CutoverReason(row["cutover_reason"]) if row["cutover_reason"] else None,
            downtime=downtime,
            **stamps(row),
        )
