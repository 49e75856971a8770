"""The flavor of a migrated VM."""

from dataclasses import dataclass
from typing import Any

from coriolis.errors import InvalidInput
from coriolis.model.instance import Instance
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.lookup import Lookup

# Extra specs that bind a flavor to special hardware or to hosts set apart.
_SPECIAL = ("pci_passthrough:", "resources:", "trait:", "aggregate_instance_extra_specs:", "accel:")


@dataclass(frozen=True, slots=True)
class ChosenFlavor:
    """`reason` says to a person why it was chosen; `lacks`, what the VM had more on its source."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    reason: str
    lacks: str = ""


def choose_flavor(client: OpenStackClient, wanted: str | None, instance: Instance) -> ChosenFlavor:
    """The flavor that was asked for by name or id, else the one that fits best. Raises InvalidInput."""
    if wanted:
        found = Lookup(client).flavor(wanted)
        lacks = [
            f"{have} of {need} {unit}"
            for have, need, unit in (
                (found.vcpus, instance.num_cpu, "vCPUs"),
                (found.ram, instance.memory_mb, "MiB"),
            )
            if have < need
        ]
        reason = f"Flavor {found.name} is used: flavor_name asks for it."
        return _chosen(found, reason, ", ".join(lacks))
    return _best(client, instance)


def _best(client: OpenStackClient, instance: Instance) -> ChosenFlavor:
    """The least too large one: by the sum of how many times it holds the vCPUs and the memory. Among equals the
    one that is called as on the source, then the one with the smallest local disk."""
    flavors = client.rows("list flavors", lambda: client.compute.flavors(details=True))
    fitting = [
        f
        for f in flavors
        if f.vcpus >= instance.num_cpu and f.ram >= instance.memory_mb and not f.is_disabled
    ]
    plain = [flavor for flavor in fitting if not _is_special(flavor)]
    shape = f"{instance.num_cpu} vCPUs and {instance.memory_mb} MiB"
    if not plain:
        special = f" ({len(fitting)} that would do are bound to special hardware)" if fitting else ""
        raise InvalidInput(
            message=f"{client.cloud}: no flavor holds the {shape} of instance {instance.name!r}{special}: "
            "create one, or choose one with flavor_name."
        )

    def excess(flavor: Any) -> tuple[float, bool, int, str]:
        relative = flavor.vcpus / max(1, instance.num_cpu) + flavor.ram / max(1, instance.memory_mb)
        return (relative, flavor.name != instance.flavor_name, flavor.disk or 0, flavor.name)

    best = min(plain, key=excess)
    reason = (
        f"Flavor {best.name} ({best.vcpus} vCPUs, {best.ram} MiB) is used: of {len(plain)} that hold {shape} it is "
        f"{'an exact fit' if (best.vcpus, best.ram) == (instance.num_cpu, instance.memory_mb) else 'the nearest'}."
    )
    return _chosen(best, reason)


def _chosen(flavor: Any, reason: str, lacks: str = "") -> ChosenFlavor:
    return ChosenFlavor(flavor.id, flavor.name, flavor.vcpus, flavor.ram, reason, lacks)


def _is_special(flavor: Any) -> bool:
    return any(key.startswith(_SPECIAL) for key in flavor.extra_specs or ())
