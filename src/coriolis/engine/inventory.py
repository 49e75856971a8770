"""What an endpoint's cloud has, asked of it now: from here, or by a conductor near it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from coriolis.config import Settings
from coriolis.engine.credentials import usable_endpoint
from coriolis.engine.sessions import FindProvider, Sessions
from coriolis.model.enums import ProviderType
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption, StorageBackend
from coriolis.providers.base import DestinationCloud, SourceCloud
from coriolis.store.database import Database


class Inventory(Protocol):
    """Every method raises errors of `coriolis.errors` only."""

    def validate_endpoint(self, endpoint_id: str) -> Sequence[str]:
        """Logs in, and says what the cloud lacks. Raises AuthenticationFailed, CloudError, InvalidInput…"""

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

    def list_networks(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[Network]:
        """Of a platform that is a destination those that VMs can be put on; else those that a source has."""

    def list_storage(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[StorageBackend]: ...

    def source_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]: ...

    def destination_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]: ...


class LocalInventory:
    """Asked from this process."""

    def __init__(self, database: Database, settings: Settings, find_provider: FindProvider) -> None:
        self._database = database
        self._settings = settings
        self._find_provider = find_provider

    def validate_endpoint(self, endpoint_id: str) -> Sequence[str]:
        endpoint = usable_endpoint(self._database, self._settings, endpoint_id)
        plugin = self._find_provider(endpoint.type)
        plugin.check_connection_info(endpoint.connection_info)
        is_source = ProviderType.TRANSFER_EXPORT in plugin.capabilities
        with self._source(endpoint_id) if is_source else self._destination(endpoint_id) as cloud:
            cloud.validate_connection()
            return cloud.remarks()

    def list_instances(
        self,
        endpoint_id: str,
        env: Mapping[str, Any],
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        with self._source(endpoint_id) as cloud:
            return cloud.list_instances(env, marker=marker, limit=limit, name=name)

    def get_instance(self, endpoint_id: str, env: Mapping[str, Any], name_or_id: str) -> Instance:
        with self._source(endpoint_id) as cloud:
            return cloud.get_instance(env, name_or_id)

    def list_networks(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[Network]:
        plugin = self._find_provider(self._database.endpoints.get(endpoint_id).type)
        is_destination = ProviderType.TRANSFER_IMPORT in plugin.capabilities
        with self._destination(endpoint_id) if is_destination else self._source(endpoint_id) as cloud:
            return cloud.list_networks(env)

    def list_storage(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[StorageBackend]:
        with self._destination(endpoint_id) as cloud:
            return cloud.list_storage(env)

    def source_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        with self._source(endpoint_id) as cloud:
            return cloud.source_options(env, names)

    def destination_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        with self._destination(endpoint_id) as cloud:
            return cloud.destination_options(env, names)

    @contextmanager
    def _source(self, endpoint_id: str) -> Iterator[SourceCloud]:
        with self._sessions() as sessions:
            yield sessions.source(endpoint_id)

    @contextmanager
    def _destination(self, endpoint_id: str) -> Iterator[DestinationCloud]:
        with self._sessions() as sessions:
            yield sessions.destination(endpoint_id)

    def _sessions(self) -> closing[Sessions]:
        return closing(Sessions(self._database, self._settings, self._find_provider))
