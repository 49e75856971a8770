"""The values that a cloud offers for the options of its source environment."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from coriolis.model.instance import Network, ProviderOption
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.images import Images
from coriolis.providers.openstack.options import Mechanism, SourceEnvironment

_MECHANISM = "replica_export_mechanism"
_CONTAINER = "volume_backups_container"

Values = tuple[str | Network, ...]


def source_offers(
    client: OpenStackClient, environment: SourceEnvironment, names: Sequence[str]
) -> list[ProviderOption]:
    """Only what is asked for is looked up. `names` empty: all that the mechanism of the environment, if it names one,
    has a use for. Options without a list are left out. Defaults are what the environment says already.
    """

    def listed(what: str, listing: Callable[[], Iterable[Any]]) -> Values:
        found = client.rows(f"list {what}", listing)
        return tuple(sorted((Network(i.id, i.name) for i in found), key=lambda pair: (pair.name, pair.id)))

    def containers() -> Values:
        found = client.rows("list Swift containers", client.object_store.containers)
        return tuple(sorted(container.name for container in found))

    offers: dict[str, Callable[[], Values]] = {
        _MECHANISM: lambda: _mechanisms(client),
        "export_image": lambda: listed("images", Images(client).active),
        "export_flavor_name": lambda: listed("flavors", client.compute.flavors),
        "export_network": lambda: listed("networks", client.network.networks),
        "export_fip_pool_name": lambda: listed(
            "external networks", lambda: client.network.networks(is_router_external=True)
        ),
        "export_worker_volume_type": lambda: listed("volume types", client.storage.types),
        "export_interim_volume_type": lambda: listed("volume types", client.storage.types),
        _CONTAINER: containers,
    }
    wanted = set(names) or _used(client, environment, offers)
    return [
        ProviderOption(name, offer(), _default(environment, name))
        for name, offer in offers.items()
        if name in wanted
    ]


def _used(client: OpenStackClient, environment: SourceEnvironment, offered: Iterable[str]) -> set[str]:
    """Names of options. Without a mechanism those of all that the cloud has."""
    if _MECHANISM in environment.model_fields_set:
        mechanisms = {environment.replica_export_mechanism}
    else:
        mechanisms = set(_mechanisms(client))
    of_worker = "coriolis_backups" in mechanisms
    of_swift = "swift_backups" in mechanisms
    return {
        name
        for name in offered
        if name == _MECHANISM or (name == _CONTAINER and of_swift) or (name != _CONTAINER and of_worker)
    }


def _mechanisms(client: OpenStackClient) -> tuple[Mechanism, ...]:
    """Without those for which there is no Swift in the catalog or no `ceph_options` in the connection info."""
    swift = client.call("find Swift", lambda: client.sdk.config.get_endpoint_from_catalog("object-store"))
    there = {
        "coriolis_backups": True,
        "swift_backups": swift is not None,
        "ceph_backups": client.info.ceph_options is not None,
        "ceph_snapshots": client.info.ceph_options is not None,
    }
    return tuple(mechanism for mechanism in get_args(Mechanism) if there[mechanism])


def _default(environment: SourceEnvironment, name: str) -> str | bool | None:
    if name == _MECHANISM:
        return environment.replica_export_mechanism
    holder = environment.swift_backups_options if name == _CONTAINER else environment.coriolis_backups_options
    value: str | bool | None = getattr(holder, name)
    return value
