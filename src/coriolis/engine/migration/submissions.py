"""The runs of a migration: each prepared so that it can be queued in the transaction of the move to it."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from coriolis.engine.needs import needs_of_cutover, needs_of_source, needs_of_transfer
from coriolis.engine.plan import new_job
from coriolis.engine.submissions import (
    DeploymentWishes,
    Submission,
    refuse_second_migration,
    refuse_uncloned,
    transfer_jobs,
)
from coriolis.errors import InvalidInput
from coriolis.flows import start_source as start_flow
from coriolis.model.enums import ExecutionType, Scenario
from coriolis.model.migration import MigrationLimits
from coriolis.model.records import Transfer
from coriolis.store.database import Database
from coriolis.store.idempotency import CreationRequest
from coriolis.store.live_migrations import NewMigration
from coriolis.store.transfers import refuse_while_active


def migrate(
    database: Database,
    transfer_id: str,
    limits: MigrationLimits,
    wishes: DeploymentWishes,
    *,
    restart_source_on_failure: bool,
    request: CreationRequest | None = None,
) -> str:
    """Begins a migration with its first pass; its next runs are submitted by `engine.migration`. Returns the
    migration's id. Raises NotFound, InvalidInput for a replica, Conflict while the transfer is in use."""
    transfer = database.transfers.get(transfer_id)
    if transfer.scenario is not Scenario.LIVE_MIGRATION:
        raise InvalidInput(
            message=f"Transfer {transfer_id} is a {transfer.scenario}: only a {Scenario.LIVE_MIGRATION} can be "
            "migrated. Execute and deploy it instead."
        )
    refuse_uncloned(transfer, wishes)
    refuse_second_migration(database, transfer)
    first_pass = prepare_pass(database, transfer, cutover=False)

    def submit(connection: sa.Connection) -> str:
        refuse_while_active(connection, transfer_id)
        new = NewMigration(
            transfer_id=transfer_id,
            user_id=wishes.user_id,
            project_id=wishes.project_id,
            execution_id=first_pass(connection),
            limits=limits,
            restart_source_on_failure=restart_source_on_failure,
            deployment_wishes=asdict(wishes),
        )
        return database.live_migrations.begin(connection, new)

    return database.idempotency.create_once(request, submit)


def prepare_pass(database: Database, transfer: Transfer, *, cutover: bool) -> Submission:
    """One run of a migration. Raises NotFound."""
    needs = needs_of_cutover(database, transfer) if cutover else needs_of_transfer(database, transfer)
    jobs = transfer_jobs(database, transfer, needs, shutdown=cutover, migrating=True)
    kind = ExecutionType.TRANSFER_EXECUTION
    return lambda connection: database.executions.submit(connection, transfer.id, kind, jobs)


def prepare_source_start(database: Database, transfer: Transfer, instances: Sequence[str]) -> Submission:
    """Raises NotFound."""
    needs = needs_of_source(database, transfer)
    jobs = []
    for instance in instances:
        steps = start_flow.steps(instance, transfer.origin_endpoint_id, transfer.source_environment)
        flow = (start_flow.NAME, start_flow.VERSION, steps)
        jobs.append(new_job(instance, *flow, codec=database.codec, needs=needs))
    kind = ExecutionType.TRANSFER_SOURCE_START
    return lambda connection: database.executions.submit(connection, transfer.id, kind, jobs)
