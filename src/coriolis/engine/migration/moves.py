"""From one run of a migration to the next: what follows from how the present one ended."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from coriolis.engine.migration import facts
from coriolis.engine.migration.submissions import prepare_pass, prepare_source_start
from coriolis.engine.progress import readable_seconds
from coriolis.engine.submissions import DeploymentWishes, Submission, prepare_deployment
from coriolis.errors import Conflict, CoriolisError, EngineError
from coriolis.model.enums import ExecutionStatus
from coriolis.model.migration import Migration, MigrationPhase
from coriolis.model.records import Transfer, Wish
from coriolis.store.database import Database
from coriolis.store.transfers import refuse_while_active

LOG = logging.getLogger(__name__)
_CANCELLED = (ExecutionStatus.CANCELED, "Cancelled.")
_WISHES = TypeAdapter(DeploymentWishes)


class Moves:
    """`make` may be called by any number of conductors for the same migration at once: one of them moves it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, migration: Migration, ended: ExecutionStatus) -> bool:
        """Whether something was queued. `ended`: how the migration's present run did. Raises database errors
        only: then nothing was changed."""
        try:
            return self._next(migration, ended)
        except Conflict as error:
            # Somebody cleans up after an earlier run of the transfer: the next look finds it done.
            LOG.info("migration %s waits: %s", migration.id, error)
            return False
        except CoriolisError as error:
            return self._go_back(migration, ExecutionStatus.ERROR, f"{error} [{error.code}]")
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:
            # A fault of ours, which would come again at each look, while the instances may be down.
            LOG.exception("migration %s met a fault of the engine", migration.id)
            reason = f"Unexpected {type(error).__name__}: {error} [{EngineError.code}]"
            return self._go_back(migration, ExecutionStatus.ERROR, reason)

    def _next(self, migration: Migration, ended: ExecutionStatus) -> bool:
        if migration.phase is MigrationPhase.STARTING_SOURCE:
            return self._end_after_start(migration, ended)
        if ended is not ExecutionStatus.COMPLETED:
            return self._go_back(migration, *self._told_of(migration, ended))
        if migration.phase is MigrationPhase.DEPLOYING:
            return self._complete(migration)
        if migration.wish is not Wish.NONE:
            return self._go_back(migration, *_CANCELLED)
        transfer = self._database.transfers.get(migration.transfer_id)
        if migration.phase is MigrationPhase.CUTTING_OVER:
            return self._deploy(migration, transfer)
        return self._copy_again(migration, transfer)

    # Forward

    def _copy_again(self, migration: Migration, transfer: Transfer) -> bool:
        """Another pass, or the last one with the instances shut down."""
        made = facts.pass_of(self._database, migration.execution_id, cutover=False)
        passes = (*migration.passes, made)
        reason = migration.limits.reason_to_cut_over(passes)
        submission = prepare_pass(self._database, transfer, cutover=reason is not None)

        def values(execution_id: str) -> dict[str, Any]:
            if reason is None:
                return {"execution_id": execution_id, "passes": passes}
            return {
                "execution_id": execution_id,
                "passes": passes,
                "phase": MigrationPhase.CUTTING_OVER,
                "cutover_execution_id": execution_id,
                "cutover_reason": reason,
            }

        def work(connection: sa.Connection) -> bool:
            if not self._may_move(connection, migration):
                return False
            self._database.live_migrations.move(connection, migration, **values(submission(connection)))
            return True

        return self._database.transact(work)

    def _deploy(self, migration: Migration, transfer: Transfer) -> bool:
        last = facts.pass_of(self._database, migration.execution_id, cutover=True)
        wishes = _WISHES.validate_python(dict(migration.deployment_wishes))
        submission = prepare_deployment(self._database, transfer, wishes)

        def work(connection: sa.Connection) -> bool:
            if not self._may_move(connection, migration):
                return False
            deployment_id = submission(connection)
            self._database.live_migrations.move(
                connection,
                migration,
                phase=MigrationPhase.DEPLOYING,
                passes=(*migration.passes, last),
                deployment_id=deployment_id,
                execution_id=self._database.deployments.run_of(connection, deployment_id),
            )
            return True

        return self._database.transact(work)

    def _complete(self, migration: Migration) -> bool:
        """A wish to cancel that came after the deployment's last step came too late."""
        downtime = facts.downtime_of(self._database, migration)
        return self._end(migration, ExecutionStatus.COMPLETED, downtime=downtime)

    # Back

    def _told_of(self, migration: Migration, ended: ExecutionStatus) -> tuple[ExecutionStatus, str]:
        if ended is ExecutionStatus.CANCELED:
            return _CANCELLED
        reason = facts.failure_of(self._database, migration.execution_id)
        return ExecutionStatus.ERROR, reason or f"The run ended in {ended}."

    def _go_back(self, migration: Migration, outcome: ExecutionStatus, reason: str) -> bool:
        """Ends the migration, after the instances that it shut down were started again, where that is wished and
        can do no harm."""
        to_start, beyond = facts.instances_to_start(self._database, migration)
        message = " ".join([reason, *_told_of_those_beyond(beyond)])
        if not to_start:
            return self._end(migration, outcome, message=message)
        if not migration.restart_source_on_failure or migration.phase is MigrationPhase.STARTING_SOURCE:
            return self._end(migration, outcome, message=f"{message} {_told_of_those_off(to_start)}")
        try:
            transfer = self._database.transfers.get(migration.transfer_id)
            submission = prepare_source_start(self._database, transfer, to_start)
        except CoriolisError as error:
            told = f"{message} {_told_of_those_off(to_start)} Starting failed: {error}"
            return self._end(migration, outcome, message=told)
        return self._start_source(migration, submission, outcome=outcome, message=message)

    def _start_source(
        self, migration: Migration, submission: Submission, *, outcome: ExecutionStatus, message: str
    ) -> bool:
        def work(connection: sa.Connection) -> bool:
            # No look at who uses the transfer: what else is done to its replicas is no reason to stay down.
            if not self._database.live_migrations.still(connection, migration):
                return False
            self._database.live_migrations.move(
                connection,
                migration,
                phase=MigrationPhase.STARTING_SOURCE,
                execution_id=submission(connection),
                outcome=outcome,
                message=message,
            )
            return True

        return self._database.transact(work)

    def _end_after_start(self, migration: Migration, ended: ExecutionStatus) -> bool:
        if ended is ExecutionStatus.COMPLETED:
            told = _told_of_those_on(facts.outage_of(self._database, migration))
        else:
            failure = facts.failure_of(self._database, migration.execution_id)
            names = [job.instance for job in self._database.jobs.list(migration.execution_id)]
            told = f"{_told_of_those_off(names)} Starting ended in {ended}. {failure}"
        message = f"{migration.message} {told}".strip()
        return self._end(migration, migration.outcome or ExecutionStatus.ERROR, message=message)

    def _end(self, migration: Migration, status: ExecutionStatus, **values: Any) -> bool:
        def work(connection: sa.Connection) -> None:
            if self._database.live_migrations.still(connection, migration):
                self._database.live_migrations.move(connection, migration, status=status, **values)

        self._database.transact(work)
        return False

    def _may_move(self, connection: sa.Connection, migration: Migration) -> bool:
        """Raises Conflict. The transfer is locked before the migration, as who begins one does."""
        refuse_while_active(connection, migration.transfer_id, migration_id=migration.id)
        return self._database.live_migrations.still(connection, migration)


def _told_of_those_on(outage: Mapping[str, float]) -> str:
    shown = ", ".join(f"{name!r} after {readable_seconds(seconds)}" for name, seconds in outage.items())
    return f"Started again on the source: {shown}."


def _told_of_those_off(names: Sequence[str]) -> str:
    return f"Still shut down on the source, to be started there by hand: {', '.join(map(repr, names))}."


def _told_of_those_beyond(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(map(repr, names))
    return [
        f"Left shut down on the source, since its VM on the destination is there or could not be removed: {shown}."
    ]
