"""What the faces (api, cli, web) may ask of the engine and, through it, of the clouds.

They reach nothing else than this and the store. Every method raises errors of `coriolis.errors` only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coriolis.config import Settings
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption, StorageBackend
from coriolis.model.records import Deployment, Execution, LedgerEntry
from coriolis.store.database import Database


class FrontDoor:
    def __init__(self, database: Database, settings: Settings, wake: Callable[[], None]) -> None:
        """`wake` tells the conductor to look for work now."""

    # What the platforms are

    def platforms(self) -> Mapping[str, Sequence[int]]:
        """Platform to the numbers of `ProviderType` it offers."""

    def schemas(self, platform: str, provider_type: int) -> Mapping[str, Any]:
        """{schema name: JSON schema} by provider type: 16 connection_info_schema, 4 destination_environment_schema,
        8 source_environment_schema. Raises InvalidInput (unknown platform) or NotSupported (no such schema)."""

    def check_connection_info(self, platform: str, connection_info: Mapping[str, Any]) -> None:
        """Raises InvalidInput naming the field; does not touch the network."""

    # What an endpoint has

    def validate_endpoint(self, endpoint_id: str) -> None:
        """Logs in. Raises AuthenticationFailed, CloudError, InvalidInput…"""

    def list_instances(
        self,
        endpoint_id: str,
        env: Mapping[str, Any],
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]: ...

    def get_instance(self, endpoint_id: str, env: Mapping[str, Any], name_or_id: str) -> Instance: ...

    def list_networks(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[Network]: ...

    def list_storage(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[StorageBackend]: ...

    def source_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]: ...

    def destination_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]: ...

    # Work

    def execute_transfer(
        self, transfer_id: str, *, shutdown_instances: bool = False, auto_deploy: bool = False
    ) -> Execution:
        """Queues one job per instance. Raises Conflict while another execution of the transfer is active."""

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
    ) -> Deployment:
        """Raises InvalidInput when the replica was never completed (unless `force`), Conflict while the transfer is
        being executed, NotSupported for `clone_disks=False`."""

    def delete_disks(self, transfer_id: str) -> Execution:
        """Raises InvalidInput when nothing was replicated."""

    def cancel_execution(self, execution_id: str, *, force: bool = False) -> None:
        """Raises Conflict when the execution is not active."""

    def cancel_deployment(self, deployment_id: str, *, force: bool = False) -> None: ...

    # What was left behind

    def leftovers(self) -> Sequence[LedgerEntry]:
        """Resources that a clean-up could not remove, with the reason."""

    def retry_cleanup(self, job_id: str) -> Sequence[LedgerEntry]:
        """Tries again to remove what this job left behind; returns what still remains."""
