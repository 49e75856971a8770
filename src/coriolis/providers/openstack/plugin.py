"""Platform `openstack`."""

from collections.abc import Mapping
from typing import Any

from coriolis.config import Settings
from coriolis.errors import NotSupported
from coriolis.model.enums import ProviderType
from coriolis.providers.base import DestinationCloud, Provider, SourceCloud
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.options import SourceEnvironment
from coriolis.providers.openstack.source import OpenStackSource


class OpenStackProvider(Provider):
    platform = "openstack"
    capabilities = (
        ProviderType.TRANSFER_EXPORT,
        ProviderType.ENDPOINT,
        ProviderType.ENDPOINT_INSTANCES,
        ProviderType.ENDPOINT_NETWORKS,
        ProviderType.VALIDATE_TRANSFER_EXPORT,
        ProviderType.SOURCE_ENDPOINT_OPTIONS,
    )

    def connection_schema(self) -> Mapping[str, Any]:
        return OpenStackConnectionInfo.json_schema()

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return SourceEnvironment.json_schema()

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return None

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        _parse(connection_info)

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        return OpenStackSource(OpenStackClient(_parse(connection_info), endpoint_name, settings))

    def connect_destination(
        self,
        connection_info: Mapping[str, Any],  # noqa: ARG002 - of the contract
        endpoint_name: str,
        settings: Settings,  # noqa: ARG002
    ) -> DestinationCloud:
        raise NotSupported(
            message=f"Endpoint {endpoint_name!r}: OpenStack is only a source in this release, no destination."
        )


def _parse(connection_info: Mapping[str, Any]) -> OpenStackConnectionInfo:
    return OpenStackConnectionInfo.parse(connection_info, "Connection info")
