"""What the faces (api, cli, web) may ask of the engine and, through it, of the clouds.

They reach nothing else than this and the store. Every method raises errors of `coriolis.errors` only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coriolis.config import Settings
from coriolis.engine import submissions
from coriolis.engine.credentials import resolve
from coriolis.engine.inventory import Inventory, LocalInventory
from coriolis.engine.migration.submissions import migrate
from coriolis.engine.sessions import FindProvider
from coriolis.errors import Conflict, NotSupported
from coriolis.model.enums import ProviderType, ResourceState
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption, StorageBackend
from coriolis.model.migration import Migration, MigrationLimits
from coriolis.model.records import Deployment, Execution, LedgerEntry
from coriolis.model.secret import Secret
from coriolis.providers import registry
from coriolis.providers.base import Provider
from coriolis.store.database import Database
from coriolis.store.idempotency import CreationRequest


class FrontDoor:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        wake: Callable[[], None],
        *,
        find_provider: FindProvider = registry.provider,
        all_providers: Callable[[], Mapping[str, Provider]] = registry.providers,
        inventory: Callable[[str], Inventory] | None = None,
        require_conductor: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """`wake` tells the conductors to look for work now. `inventory`: who asks the cloud of that endpoint
        (None: this process). `require_conductor` raises where nobody who is up could work on these endpoints."""
        self._database = database
        self._settings = settings
        self._wake = wake
        self._find_provider = find_provider
        self._all_providers = all_providers
        local = LocalInventory(database, settings, find_provider)
        self._inventory: Callable[[str], Inventory] = inventory or (lambda _endpoint_id: local)
        self._require_conductor = require_conductor or (lambda _endpoint_ids: None)

    # What the platforms are

    def platforms(self) -> Mapping[str, Sequence[int]]:
        """Platform to the numbers of `ProviderType` it offers."""
        return {name: [int(c) for c in plugin.capabilities] for name, plugin in self._all_providers().items()}

    def schemas(self, platform: str, provider_type: int) -> Mapping[str, Any]:
        """{schema name: JSON schema} by provider type: 16 connection_info_schema, 4
        destination_environment_schema, 8 source_environment_schema. Raises InvalidInput (unknown platform) or
        NotSupported (no such schema)."""
        plugin = self._find_provider(platform)
        makers: Mapping[int, tuple[str, Callable[[], Mapping[str, Any] | None]]] = {
            ProviderType.ENDPOINT: ("connection_info_schema", plugin.connection_schema),
            ProviderType.TRANSFER_IMPORT: (
                "destination_environment_schema",
                plugin.destination_environment_schema,
            ),
            ProviderType.TRANSFER_EXPORT: ("source_environment_schema", plugin.source_environment_schema),
        }
        if provider_type in plugin.capabilities and provider_type in makers:
            name, make = makers[provider_type]
            schema = make()
            if schema is not None:
                return {name: schema}
        raise NotSupported(message=f"Platform {platform!r} has no schema of provider type {provider_type}.")

    def check_connection_info(
        self, platform: str, connection_info: Mapping[str, Any], *, token: Secret | None = None
    ) -> None:
        """Raises InvalidInput naming the field. Asks no cloud; what a `secret_ref` stands for is read with the
        user's `token`, so that nobody uses a secret that only Coriolis may read (see
        `engine.credentials.resolve`)."""
        resolved = resolve(self._settings, connection_info, token=token)
        self._find_provider(platform).check_connection_info(resolved)

    # What an endpoint has. Asked from here, or by a conductor of the endpoint's region

    def validate_endpoint(self, endpoint_id: str) -> Sequence[str]:
        """Logs in, and says what the cloud lacks. Raises AuthenticationFailed, CloudError, InvalidInput…"""
        return self._inventory(endpoint_id).validate_endpoint(endpoint_id)

    def list_instances(
        self,
        endpoint_id: str,
        env: Mapping[str, Any],
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        inventory = self._inventory(endpoint_id)
        return inventory.list_instances(endpoint_id, env, marker=marker, limit=limit, name=name)

    def get_instance(self, endpoint_id: str, env: Mapping[str, Any], name_or_id: str) -> Instance:
        return self._inventory(endpoint_id).get_instance(endpoint_id, env, name_or_id)

    def list_networks(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[Network]:
        """Of a platform that is a destination those that VMs can be put on; else those that a source has."""
        return self._inventory(endpoint_id).list_networks(endpoint_id, env)

    def list_storage(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[StorageBackend]:
        return self._inventory(endpoint_id).list_storage(endpoint_id, env)

    def source_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        return self._inventory(endpoint_id).source_options(endpoint_id, env, names)

    def destination_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        return self._inventory(endpoint_id).destination_options(endpoint_id, env, names)

    # Work

    def update_transfer(self, transfer_id: str, **changes: Any) -> Execution:
        """Sets what `store.transfers` lets a user change, and answers with the run that clients expect for
        it: of type transfer_update, without tasks, completed. Raises NotFound, InvalidInput, Conflict while
        the transfer is in use."""
        execution_id = submissions.update_transfer(self._database, transfer_id, changes)
        return self._database.executions.get(execution_id)

    def execute_transfer(
        self,
        transfer_id: str,
        *,
        shutdown_instances: bool = False,
        auto_deploy: bool = False,
        request: CreationRequest | None = None,
    ) -> Execution:
        """Queues one job per instance. Raises Conflict while another execution of the transfer is active.

        `request`: what an earlier attempt at the same request queued is answered again.
        """
        known = self._database.idempotency.find(request)
        if known is not None:
            return self._database.executions.get(known)
        if auto_deploy:
            raise NotSupported(message="Automatic deployment after an execution is not supported yet.")
        self._require_conductors_of(transfer_id, source=True)
        execution_id = submissions.execute_transfer(
            self._database, transfer_id, shutdown_instances=shutdown_instances, request=request
        )
        self._wake()
        return self._database.executions.get(execution_id)

    def deploy(
        self,
        transfer_id: str,
        *,
        user_id: str,
        project_id: str,
        clone_disks: bool | None = None,
        force: bool = False,
        skip_os_morphing: bool | None = None,
        instance_osmorphing_minion_pool_mappings: Mapping[str, str] | None = None,
        user_scripts: Mapping[str, Any] | None = None,
        request: CreationRequest | None = None,
    ) -> Deployment:
        """`request` as for `execute_transfer`. Raises InvalidInput when the replica was never completed (unless
        `force`), Conflict while the transfer is being executed, NotSupported for `clone_disks=False` where the
        destination works on copies only."""
        known = self._database.idempotency.find(request)
        if known is not None:
            return self._database.deployments.get(known)
        wishes = submissions.DeploymentWishes(
            user_id=user_id,
            project_id=project_id,
            clone_disks=clone_disks,
            force=force,
            skip_os_morphing=skip_os_morphing,
            instance_osmorphing_minion_pool_mappings=instance_osmorphing_minion_pool_mappings,
            user_scripts=user_scripts,
        )
        self._require_conductors_of(transfer_id, source=False)
        deployment_id = submissions.deploy(
            self._database, transfer_id, wishes, request, find_provider=self._find_provider
        )
        self._wake()
        return self._database.deployments.get(deployment_id)

    def migrate(
        self,
        transfer_id: str,
        *,
        user_id: str,
        project_id: str,
        max_passes: int | None = None,
        small_delta_bytes: int | None = None,
        small_delta_seconds: float | None = None,
        restart_source_on_failure: bool | None = None,
        skip_os_morphing: bool | None = None,
        instance_osmorphing_minion_pool_mappings: Mapping[str, str] | None = None,
        user_scripts: Mapping[str, Any] | None = None,
        request: CreationRequest | None = None,
    ) -> Migration:
        """Carries a live migration over: passes until the delta is small, shut down, last delta, deployment. None:
        as [migration] of the settings, or the transfer, says. `request` as for `execute_transfer`. Raises
        InvalidInput for a replica, Conflict while the transfer is in use or where it was deployed already."""
        known = self._database.idempotency.find(request)
        if known is not None:
            return self._database.live_migrations.get(known)
        self._require_conductors_of(transfer_id, source=True)
        given = self._settings.migration
        limits = MigrationLimits(
            given.max_passes if max_passes is None else max_passes,
            given.small_delta_bytes if small_delta_bytes is None else small_delta_bytes,
            given.small_delta_seconds if small_delta_seconds is None else small_delta_seconds,
        )
        restart = restart_source_on_failure
        migration_id = migrate(
            self._database,
            transfer_id,
            limits,
            submissions.DeploymentWishes(
                user_id=user_id,
                project_id=project_id,
                skip_os_morphing=skip_os_morphing,
                instance_osmorphing_minion_pool_mappings=instance_osmorphing_minion_pool_mappings,
                user_scripts=user_scripts,
            ),
            restart_source_on_failure=given.restart_source_on_failure if restart is None else restart,
            request=request,
        )
        self._wake()
        return self._database.live_migrations.get(migration_id)

    def cancel_migration(self, migration_id: str, *, force: bool = False) -> None:
        """What its present run made is undone, and instances that it shut down are started again. Raises
        Conflict when it is not active."""
        execution_id = self._database.live_migrations.wish_away(migration_id, force=force)
        try:
            self._database.jobs.cancel(execution_id, force=force)
        except Conflict:
            # That run has just ended: whoever makes the next move sees the wish. One that needs an operator is
            # not over, and says what to do.
            if not self._database.live_migrations.has_ended(execution_id):
                raise
        self._wake()

    def delete_disks(self, transfer_id: str) -> Execution:
        """Raises InvalidInput when nothing was replicated, Conflict while the transfer is in use."""
        self._require_conductors_of(transfer_id, source=False)
        execution_id = submissions.delete_disks(self._database, transfer_id)
        self._wake()
        return self._database.executions.get(execution_id)

    def verify(self, transfer_id: str, *, request: CreationRequest | None = None) -> Execution:
        """Re-reads all replica disks; one that does not hold what was copied is marked, and the next execution
        mends it. `request` as for `execute_transfer`. Raises InvalidInput when nothing was replicated, Conflict
        while the transfer is in use."""
        known = self._database.idempotency.find(request)
        if known is not None:
            return self._database.executions.get(known)
        self._require_conductors_of(transfer_id, source=False)
        execution_id = submissions.verify(self._database, transfer_id, request)
        self._wake()
        return self._database.executions.get(execution_id)

    def cancel_execution(self, execution_id: str, *, force: bool = False) -> None:
        """What was made is undone. `force`: without retries, and what does not go is reported as left behind.
        Raises Conflict when the execution is not active."""
        self._database.jobs.cancel(execution_id, force=force)
        self._wake()

    def cancel_deployment(self, deployment_id: str, *, force: bool = False) -> None:
        self.cancel_execution(self._database.deployments.get(deployment_id).execution.id, force=force)

    # What was left behind

    def leftovers(self) -> Sequence[LedgerEntry]:
        """Resources that a clean-up could not remove, with the reason."""
        return self._database.resources.list(states=[ResourceState.LEFTOVER])

    def retry_cleanup(self, job_id: str) -> Sequence[LedgerEntry]:
        """Queues another try to remove what this job left behind, and returns what that is: look at
        `leftovers()` once the job has ended again. Raises NotFound when it left nothing, Conflict while it is
        at work."""
        self._database.jobs.reopen_for_cleanup(job_id)
        self._wake()
        return self._database.resources.list(job_id=job_id, states=[ResourceState.LEFTOVER])

    def _require_conductors_of(self, transfer_id: str, *, source: bool) -> None:
        transfer = self._database.transfers.get(transfer_id)
        ends = [transfer.origin_endpoint_id] if source else []
        self._require_conductor([*ends, transfer.destination_endpoint_id])
