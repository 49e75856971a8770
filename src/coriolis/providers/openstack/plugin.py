"""Platform `openstack`."""

from collections.abc import Mapping
from typing import Any

from coriolis.config import Settings
from coriolis.model.enums import ProviderType
from coriolis.providers.base import DestinationCloud, Provider, SourceCloud
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.destination.cloud import OpenStackDestination
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.options import SourceEnvironment
from coriolis.providers.openstack.source import OpenStackSource


class OpenStackProvider(Provider):
    platform = "openstack"
    capabilities = (
        ProviderType.TRANSFER_IMPORT,
        ProviderType.TRANSFER_EXPORT,
        ProviderType.ENDPOINT,
        ProviderType.ENDPOINT_INSTANCES,
        ProviderType.OS_MORPHING,
        ProviderType.ENDPOINT_NETWORKS,
        ProviderType.DESTINATION_ENDPOINT_OPTIONS,
        ProviderType.VALIDATE_TRANSFER_EXPORT,
        ProviderType.VALIDATE_TRANSFER_IMPORT,
        ProviderType.ENDPOINT_STORAGE,
        ProviderType.SOURCE_ENDPOINT_OPTIONS,
    )

    def connection_schema(self) -> Mapping[str, Any]:
        return OpenStackConnectionInfo.json_schema()

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return SourceEnvironment.json_schema()

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return DestinationEnvironment.json_schema()

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        _parse(connection_info)

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        client = OpenStackClient(_parse(connection_info), endpoint_name, settings)
        return OpenStackSource(client, settings.openstack_migration_provider)

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        client = OpenStackClient(_parse(connection_info), endpoint_name, settings)
        return OpenStackDestination(client, settings.openstack_migration_provider)


def _parse(connection_info: Mapping[str, Any]) -> OpenStackConnectionInfo:
    return OpenStackConnectionInfo.parse(connection_info, "Connection info")
