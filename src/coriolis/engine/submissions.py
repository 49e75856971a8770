"""Turning a request into queued jobs: everything that can be refused is refused before the first row is
written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from coriolis.engine.needs import (
    needs_of_deployment,
    needs_of_destination,
    needs_of_transfer,
)
from coriolis.engine.plan import new_job
from coriolis.engine.sessions import FindProvider
from coriolis.engine.step import load_value
from coriolis.errors import Conflict, InvalidInput, NotSupported
from coriolis.flows import delete_disks as delete_disks_flow
from coriolis.flows import deployment as deployment_flow
from coriolis.flows import transfer_execution as transfer_flow
from coriolis.flows import verification as verification_flow
from coriolis.model.enums import ExecutionStatus, ExecutionType, Scenario
from coriolis.model.instance import Instance
from coriolis.model.queue import Needs
from coriolis.model.records import Transfer
from coriolis.steps.morph_os import refuse_unmorphable
from coriolis.steps.validate_deployment import refuse_unsynced, replicas_to_deploy
from coriolis.store.database import Database
from coriolis.store.executions import NewJob, refresh_status
from coriolis.store.idempotency import CreationRequest
from coriolis.store.transfers import RUNNING_CHANGES, refuse_while_active

Submission = Callable[[sa.Connection], str]
"""Queues what was prepared, in the caller's transaction, and returns its id."""


@dataclass(frozen=True, slots=True)
class DeploymentWishes:
    """None: as the transfer says."""

    user_id: str
    project_id: str
    clone_disks: bool | None = None
    force: bool = False
    skip_os_morphing: bool | None = None
    instance_osmorphing_minion_pool_mappings: Mapping[str, str] | None = None
    user_scripts: Mapping[str, Any] | None = field(default=None, repr=False)


def execute_transfer(
    database: Database,
    transfer_id: str,
    *,
    shutdown_instances: bool,
    request: CreationRequest | None = None,
) -> str:
    """Returns the execution's id. Raises NotFound, or Conflict while the transfer is in use."""
    transfer = database.transfers.get(transfer_id)
    refuse_second_migration(database, transfer)
    needs = needs_of_transfer(database, transfer)
    jobs = transfer_jobs(database, transfer, needs, shutdown=shutdown_instances)
    return _submit(database, transfer_id, ExecutionType.TRANSFER_EXECUTION, jobs, request)


def deploy(
    database: Database,
    transfer_id: str,
    wishes: DeploymentWishes,
    request: CreationRequest | None = None,
    *,
    find_provider: FindProvider,
) -> str:
    """Returns the deployment's id. Raises NotFound, InvalidInput, Conflict, NotSupported (see
    FrontDoor.deploy)."""
    transfer = database.transfers.get(transfer_id, with_executions=True)
    if not clones_disks(transfer, wishes):
        _refuse_in_place(database, transfer, find_provider)
    refuse_second_migration(database, transfer)
    if not wishes.force:
        _refuse_never_completed(transfer)
    submission = prepare_deployment(database, transfer, wishes)

    def submit(connection: sa.Connection) -> str:
        refuse_while_active(connection, transfer_id)
        return submission(connection)

    return database.idempotency.create_once(request, submit)


def prepare_deployment(database: Database, transfer: Transfer, wishes: DeploymentWishes) -> Submission:
    """Raises NotFound, InvalidInput for replicas that are not whole. The caller has made sure that the destination can
    do without copies where none are wished."""
    cloning = clones_disks(transfer, wishes)
    skip = transfer.skip_os_morphing if wishes.skip_os_morphing is None else wishes.skip_os_morphing
    scripts = transfer.user_scripts if wishes.user_scripts is None else wishes.user_scripts
    jobs = [
        _deployment_job(
            database, transfer, instance, scripts, skip=skip, force=wishes.force, in_place=not cloning
        )
        for instance in transfer.instances
    ]
    pools = wishes.instance_osmorphing_minion_pool_mappings

    def submit(connection: sa.Connection) -> str:
        return database.deployments.submit(
            connection,
            transfer,
            user_id=wishes.user_id,
            project_id=wishes.project_id,
            clone_disks=cloning,
            skip_os_morphing=skip,
            force=wishes.force,
            instance_osmorphing_minion_pool_mappings=(
                transfer.instance_osmorphing_minion_pool_mappings if pools is None else pools
            ),
            user_scripts=scripts,
            jobs=jobs,
        )

    return submit


def clones_disks(transfer: Transfer, wishes: DeploymentWishes) -> bool:
    return transfer.clone_disks if wishes.clone_disks is None else wishes.clone_disks


def refuse_uncloned(transfer: Transfer, wishes: DeploymentWishes) -> None:
    """Raises NotSupported."""
    if not clones_disks(transfer, wishes):
        raise NotSupported(
            message="A live migration deploys copies of the replica disks: set clone_disks=true for the transfer."
        )


def _refuse_in_place(database: Database, transfer: Transfer, find_provider: FindProvider) -> None:
    """Raises NotSupported where the destination works on copies only."""
    platform = database.endpoints.get(transfer.destination_endpoint_id).type
    if not find_provider(platform).deploys_in_place:
        raise NotSupported(
            message=f"Deployments to platform {platform!r} work on copies of the replica disks: clone_disks=false is "
            "not supported there."
        )


def update_transfer(database: Database, transfer_id: str, changes: Mapping[str, Any]) -> str:
    """Returns the id of a run that is over already, or of the one under way whose bandwidth is changed. Raises as
    TransferRepository.update does."""
    database.transfers.update(transfer_id, **changes)
    if set(changes) == RUNNING_CHANGES:
        runs = database.transfers.get(transfer_id, with_executions=True).executions
        if runs and not runs[-1].status.finished:
            return runs[-1].id

    def submit(connection: sa.Connection) -> str:
        run = database.executions.submit(connection, transfer_id, ExecutionType.TRANSFER_UPDATE, [])
        refresh_status(connection, run)
        return run

    return database.transact(submit)


def delete_disks(database: Database, transfer_id: str) -> str:
    """Returns the execution's id. Raises NotFound, InvalidInput when there is nothing to delete, Conflict."""
    transfer = database.transfers.get(transfer_id)
    replicas = database.replicas.list(transfer_id)
    if not replicas:
        raise InvalidInput(message=f"Transfer {transfer_id} has no replica disks.")
    jobs = []
    kept = any(replica.source_point is not None for replica in replicas)
    source = (transfer.origin_endpoint_id, transfer.source_environment) if kept else None
    needs = needs_of_transfer(database, transfer) if kept else needs_of_destination(database, transfer)
    for instance in dict.fromkeys(replica.instance for replica in replicas):
        steps = delete_disks_flow.steps(transfer_id, instance, transfer.destination_endpoint_id, source)
        flow = (delete_disks_flow.NAME, delete_disks_flow.VERSION, steps)
        jobs.append(new_job(instance, *flow, codec=database.codec, needs=needs))
    return _submit(database, transfer_id, ExecutionType.TRANSFER_DISKS_DELETE, jobs)


def verify(database: Database, transfer_id: str, request: CreationRequest | None = None) -> str:
    """Returns the execution's id. Raises NotFound, InvalidInput when there is nothing to verify, Conflict."""
    transfer = database.transfers.get(transfer_id)
    copied = {replica.instance for replica in database.replicas.list(transfer_id) if replica.generation}
    if not copied:
        raise InvalidInput(message=f"Transfer {transfer_id} has no replica that was copied to the end.")
    jobs = []
    needs = needs_of_destination(database, transfer)
    for name in transfer.instances:
        if name in copied:
            instance = _last_copied(database, transfer_id, name, force=False)
            cloud = (transfer.destination_endpoint_id, transfer.destination_environment)
            steps = verification_flow.steps(transfer_id, name, instance, *cloud)
            flow = (verification_flow.NAME, verification_flow.VERSION, steps)
            jobs.append(new_job(name, *flow, codec=database.codec, needs=needs))
    return _submit(database, transfer_id, ExecutionType.TRANSFER_VERIFY, jobs, request)


def _submit(
    database: Database,
    transfer_id: str,
    kind: ExecutionType,
    jobs: list[NewJob],
    request: CreationRequest | None = None,
) -> str:
    def submit(connection: sa.Connection) -> str:
        refuse_while_active(connection, transfer_id)
        return database.executions.submit(connection, transfer_id, kind, jobs)

    return database.idempotency.create_once(request, submit)


def transfer_jobs(
    database: Database, transfer: Transfer, needs: Needs, *, shutdown: bool, migrating: bool = False
) -> list[NewJob]:
    jobs = []
    for instance in transfer.instances:
        what = transfer_flow.TransferExecution(
            transfer_id=transfer.id,
            instance_name=instance,
            source_id=transfer.origin_endpoint_id,
            source=transfer.source_environment,
            destination_id=transfer.destination_endpoint_id,
            destination=transfer.destination_environment,
            shutdown=shutdown,
            migrating=migrating,
        )
        steps = transfer_flow.steps(what)
        flow = (transfer_flow.NAME, transfer_flow.VERSION, steps)
        jobs.append(new_job(instance, *flow, codec=database.codec, needs=needs))
    return jobs


def _deployment_job(
    database: Database,
    transfer: Transfer,
    instance_name: str,
    user_scripts: Mapping[str, Any],
    *,
    skip: bool,
    force: bool,
    in_place: bool,
) -> NewJob:
    instance = _last_copied(database, transfer.id, instance_name, force=force)
    replicas = replicas_to_deploy(database, transfer.id, instance_name, instance)
    if not force:
        refuse_unsynced(instance_name, replicas)
    if not skip:
        refuse_unmorphable(instance)
    kept = any(replica.source_point is not None for replica in replicas)
    what = deployment_flow.InstanceDeployment(
        transfer_id=transfer.id,
        instance_name=instance_name,
        instance=instance,
        destination_id=transfer.destination_endpoint_id,
        destination=transfer.destination_environment,
        user_scripts=user_scripts,
        skip_os_morphing=skip,
        force=force,
        in_place=in_place,
        source=(transfer.origin_endpoint_id, transfer.source_environment) if in_place and kept else None,
    )
    steps = deployment_flow.steps(what)
    flow = (deployment_flow.NAME, deployment_flow.VERSION, steps)
    return new_job(
        instance_name,
        *flow,
        codec=database.codec,
        needs=needs_of_deployment(database, transfer, morphing=not skip),
    )


def _last_copied(database: Database, transfer_id: str, instance_name: str, *, force: bool) -> Instance:
    """The instance as it was when its disks were last copied; by force, as it was last looked at."""
    wanted, copied = transfer_flow.INSTANCE_STEP, transfer_flow.COPY_STEP
    found = database.steps.latest_result(transfer_id, instance_name, wanted, completed=copied)
    if found is None and force:
        found = database.steps.latest_result(transfer_id, instance_name, wanted, completed=wanted)
    if found is None:
        raise InvalidInput(
            message=f"Instance {instance_name!r} was never replicated. Execute the transfer first."
        )
    instance: Instance = load_value(Instance, found, database.codec)
    return instance


def _refuse_never_completed(transfer: Transfer) -> None:
    copies = (e for e in transfer.executions if e.type is ExecutionType.TRANSFER_EXECUTION)
    if not any(execution.status is ExecutionStatus.COMPLETED for execution in copies):
        raise InvalidInput(
            message=f"Transfer {transfer.id}: no execution has completed. Execute it or force a deployment."
        )


def refuse_second_migration(database: Database, transfer: Transfer) -> None:
    """A live migration ends with its deployment: going on from the source would overwrite what runs by
    now."""
    if transfer.scenario is not Scenario.LIVE_MIGRATION:
        return
    for deployment in database.deployments.list(transfer.project_id, transfer_id=transfer.id):
        if deployment.execution.status is ExecutionStatus.COMPLETED:
            raise Conflict(message=f"Live migration {transfer.id} was deployed already, as {deployment.id}.")
