"""Platform `ovirt`: oVirt, RHV and OLVM."""

from collections.abc import Mapping
from typing import Any

from coriolis.config import Settings
from coriolis.model.enums import ProviderType
from coriolis.providers.base import DestinationCloud, Provider, SourceCloud
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.connection import OvirtConnectionInfo
from coriolis.providers.ovirt.destination import OvirtDestination
from coriolis.providers.ovirt.options import DestinationEnvironment
from coriolis.providers.ovirt.source.cloud import OvirtSource
from coriolis.providers.ovirt.source.options import SourceEnvironment


class OvirtProvider(Provider):
    platform = "ovirt"
    deploys_in_place = True
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
        return OvirtConnectionInfo.json_schema()

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return SourceEnvironment.json_schema()

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return DestinationEnvironment.json_schema()

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        _parse(connection_info)

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        return OvirtSource(OvirtClient(_parse(connection_info), endpoint_name, settings))

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return OvirtDestination(OvirtClient(_parse(connection_info), endpoint_name, settings))


def _parse(connection_info: Mapping[str, Any]) -> OvirtConnectionInfo:
    return OvirtConnectionInfo.parse(connection_info, "Connection info")
