"""An OpenStack as the contract sees it: one project of it, and what there is to build with."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from coriolis.config import Settings
from coriolis.providers.openstack.plugin import OpenStackProvider
from tests.memory_operation import MemoryOperation

GIB = 1 << 30


@dataclass
class Site:
    """Names of what is in the project. `address`: free in `network`, and in no allocation pool. Within
    `little_room` the project may have one more of Cinder's resource (a name of its quotas)."""

    settings: Settings
    connection_info: dict[str, Any]
    sdk: Any
    image: str
    flavor: str
    network: str
    external: str
    address: str
    server: str
    little_room: Callable[[str], AbstractContextManager[None]]

    def source(self) -> Any:
        return OpenStackProvider().connect_source(self.connection_info, "site", self.settings)

    def destination(self) -> Any:
        return OpenStackProvider().connect_destination(self.connection_info, "site", self.settings)

    def operation(self) -> MemoryOperation:
        return MemoryOperation(self.settings)

    def export_environment(self, **change: Any) -> dict[str, Any]:
        options = {
            "export_image": self.image,
            "export_flavor_name": self.flavor,
            "export_network": self.network,
            "export_fip_pool_name": self.external,
        }
        return {"coriolis_backups_options": {**options, **change}}

    def environment(self, **change: Any) -> dict[str, Any]:
        """Of a destination; instances of the contract have one NIC in network "old"."""
        known = {
            "network_map": {"old": self.network},
            "migr_image": self.image,
            "migr_flavor_name": self.flavor,
            "migr_network": self.network,
            "migr_fip_pool_name": self.external,
        }
        return {**known, **change}

    def things(self) -> dict[str, int]:
        """How many of each that Coriolis could leave behind."""
        compute, storage, network = self.sdk.compute, self.sdk.block_storage, self.sdk.network
        listings = {
            "servers": compute.servers,
            "key pairs": compute.keypairs,
            "volumes": storage.volumes,
            "snapshots": storage.snapshots,
            "ports": network.ports,
            "security groups": network.security_groups,
            "floating IPs": network.ips,
        }
        return {what: len(list(listing())) for what, listing in listings.items()}
