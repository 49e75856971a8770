"""The values that a cloud offers for the options of the destination environment."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from coriolis.model.instance import Network, ProviderOption
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.options import (
    DestinationEnvironment,
    DiskBus,
    HypervisorType,
    MechanismName,
    PortPolicy,
)
from coriolis.providers.openstack.images import Images

Values = tuple[str | Network, ...]


def destination_offers(
    client: OpenStackClient, environment: DestinationEnvironment, names: Sequence[str]
) -> list[ProviderOption]:
    """Only what is asked for is looked up. `names` empty: all. Options without a list are left out."""

    def listed(what: str, listing: Callable[[], Iterable[Any]]) -> Values:
        found = client.rows(f"list {what}", listing)
        return tuple(sorted((Network(i.id, i.name) for i in found), key=lambda pair: (pair.name, pair.id)))

    def named(what: str, listing: Callable[[], Iterable[Any]]) -> Values:
        return tuple(sorted(item.name for item in client.rows(f"list {what}", listing)))

    def images() -> Values:
        return listed("images", Images(client).active)

    def flavors() -> Values:
        return listed("flavors", client.compute.flavors)

    def volume_types() -> Values:
        return listed("volume types", client.storage.types)

    def pools() -> Values:
        return listed("external networks", lambda: client.network.networks(is_router_external=True))

    def zones() -> Values:
        return named("availability zones", client.compute.availability_zones)

    offers: dict[str, Callable[[], Values]] = {
        "default_cinder_volume_type": volume_types,
        "storage_availability_zone": lambda: named(
            "storage availability zones", client.storage.availability_zones
        ),
        "data_transfer_mechanism": lambda: get_args(MechanismName),
        "flavor_name": flavors,
        "availability_zone": zones,
        "server_group": lambda: listed("server groups", client.compute.server_groups),
        "hypervisor_type": lambda: get_args(HypervisorType),
        "disk_bus": lambda: get_args(DiskBus),
        "keypair_name": lambda: named("key pairs", client.compute.keypairs),
        "security_groups": lambda: listed(
            "security groups",
            lambda: client.network.security_groups(project_id=client.project_id),
        ),
        "port_reuse_policy": lambda: get_args(PortPolicy),
        "floating_ip_pool": pools,
        "migr_image": images,
        "migr_image_map": images,
        "migr_flavor_name": flavors,
        "migr_network": lambda: listed("networks", client.network.networks),
        "migr_fip_pool_name": pools,
        "migr_worker_volume_type": volume_types,
    }
    return [
        ProviderOption(name, offer(), _default(environment, name))
        for name, offer in offers.items()
        if not names or name in names
    ]


def _default(environment: DestinationEnvironment, name: str) -> str | bool | None:
    value = getattr(environment, name)
    return value if isinstance(value, str | bool) else None
