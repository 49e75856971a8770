"""Platform `ovirt`: oVirt, RHV and OLVM."""

from collections.abc import Mapping
from typing import Any

from coriolis.config import Settings
from coriolis.errors import NotSupported
from coriolis.model.enums import ProviderType
from coriolis.providers.base import DestinationCloud, Provider, SourceCloud
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.connection import OvirtConnectionInfo
from coriolis.providers.ovirt.destination import OvirtDestination
from coriolis.providers.ovirt.options import DestinationEnvironment


class OvirtProvider(Provider):
    platform = "ovirt"
    capabilities = (
        ProviderType.TRANSFER_IMPORT,
        ProviderType.ENDPOINT,
        ProviderType.OS_MORPHING,
        ProviderType.ENDPOINT_NETWORKS,
        ProviderType.DESTINATION_ENDPOINT_OPTIONS,
        ProviderType.VALIDATE_TRANSFER_IMPORT,
        ProviderType.ENDPOINT_STORAGE,
    )

    def connection_schema(self) -> Mapping[str, Any]:
        return OvirtConnectionInfo.json_schema()

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return None

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return DestinationEnvironment.json_schema()

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        _parse(connection_info)

    def connect_source(
        self,
        connection_info: Mapping[str, Any],  # noqa: ARG002 - of the contract
        endpoint_name: str,
        settings: Settings,  # noqa: ARG002
    ) -> SourceCloud:
        raise NotSupported(
            message=f"Endpoint {endpoint_name!r}: oVirt is only a destination in this release, no source."
        )

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return OvirtDestination(OvirtClient(_parse(connection_info), endpoint_name, settings))


def _parse(connection_info: Mapping[str, Any]) -> OvirtConnectionInfo:
    return OvirtConnectionInfo.parse(connection_info, "Connection info")
