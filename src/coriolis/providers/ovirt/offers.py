"""The values that an engine offers for the options of the destination environment."""

from collections.abc import Callable, Sequence
from typing import Any

from ovirtsdk4 import types

from coriolis.model.instance import Network, ProviderOption
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.options import DestinationEnvironment

Values = tuple[str | Network, ...]


def destination_offers(
    client: OvirtClient, environment: DestinationEnvironment, names: Sequence[str]
) -> list[ProviderOption]:
    """Only what is asked for is looked up. `names` empty: all. Options without a list are left out."""
    inventory = Inventory(client)

    def clusters() -> Values:
        return _pairs(inventory.clusters())

    def domains() -> Values:
        found = inventory.domains(inventory.cluster(environment.cluster))
        return _pairs([domain for domain in found if domain.active])

    def worker_domains() -> Values:
        found = inventory.domains(inventory.cluster(environment.migr_minion_cluster or environment.cluster))
        return _pairs([domain for domain in found if domain.active and not domain.managed])

    def templates() -> Values:
        return _pairs(
            [found for found in inventory.templates() if found.status != types.TemplateStatus.LOCKED]
        )

    def pools() -> Values:
        cluster = inventory.cluster(environment.cluster)
        return _pairs([p for p in inventory.vm_pools() if p.cluster is None or p.cluster.id == cluster.id])

    offers: dict[str, Callable[[], Values]] = {
        "cluster": clusters,
        "storage_domain": domains,
        "vm_pool": pools,
        "os_release": lambda: tuple(sorted(inventory.operating_systems())),
        "optimized_for": lambda: ("desktop", "server", "high_performance"),
        "data_transfer_mechanism": lambda: ("auto", "ssh", "https", "imageio"),
        "disk_clone_mechanism": lambda: ("copy", "snapshot"),
        "migr_minion_cluster": clusters,
        "migr_minion_storage_domain": worker_domains,
        "migr_template_map": templates,
        "migr_blank_template": templates,
    }
    return [
        ProviderOption(name, offer(), _default(environment, name))
        for name, offer in offers.items()
        if not names or name in names
    ]


def _pairs(items: Sequence[Any]) -> Values:
    return tuple(sorted((Network(i.id, i.name) for i in items), key=lambda pair: (pair.name, pair.id)))


def _default(environment: DestinationEnvironment, name: str) -> str | bool | None:
    value = getattr(environment, name)
    return value if isinstance(value, str | bool) else None
