"""The values that a cloud offers for the options of its environments."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from coriolis.model.instance import Network, ProviderOption
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.options import DEFAULT_MECHANISM, CoriolisBackupsOptions, Mechanism

_MECHANISM = "replica_export_mechanism"


def source_offers(client: OpenStackClient, names: Sequence[str]) -> list[ProviderOption]:
    """Only what is asked for is looked up. `names` empty: all. Options without a list are left out."""

    def listed(what: str, listing: Callable[[], Iterable[Any]]) -> tuple[Network, ...]:
        found = client.rows(f"list {what}", listing)
        return tuple(sorted((Network(i.id, i.name) for i in found), key=lambda pair: (pair.name, pair.id)))

    offers: dict[str, Callable[[], tuple[str | Network, ...]]] = {
        _MECHANISM: lambda: get_args(Mechanism),
        "export_image": lambda: listed("images", lambda: client.image.images(status="active")),
        "export_flavor_name": lambda: listed("flavors", client.compute.flavors),
        "export_network": lambda: listed("networks", client.network.networks),
        "export_fip_pool_name": lambda: listed(
            "external networks", lambda: client.network.networks(is_router_external=True)
        ),
        "export_worker_volume_type": lambda: listed("volume types", client.storage.types),
        "export_interim_volume_type": lambda: listed("volume types", client.storage.types),
    }
    return [
        ProviderOption(name, offer(), _default(name))
        for name, offer in offers.items()
        if not names or name in names
    ]


def _default(name: str) -> str | bool | None:
    if name == _MECHANISM:
        return DEFAULT_MECHANISM
    default: str | bool | None = CoriolisBackupsOptions.model_fields[name].default
    return default
