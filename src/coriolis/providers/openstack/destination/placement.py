"""Where an instance goes: the names of the environment, looked up."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from coriolis.errors import InvalidInput
from coriolis.model.instance import Instance
from coriolis.model.worker import GuestKind
from coriolis.preflight.network_map import check_network_map
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.flavors import ChosenFlavor, choose_flavor
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.lookup import Lookup
from coriolis.providers.openstack.workers import FloatingIpPool, WorkerPlan

COPY_ROLE = "copy-worker"
MORPHING_ROLE = "morphing-worker"


@dataclass(frozen=True, slots=True)
class MappedNetwork:
    """`subnets` as openstacksdk gives them."""

    id: str
    name: str
    subnets: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """`networks` and `volume_types` (ids; None: the cloud's default) in the order of the NICs and disks."""

    networks: tuple[MappedNetwork, ...]
    volume_types: tuple[str | None, ...]
    flavor: ChosenFlavor
    security_group_ids: tuple[str, ...]
    server_group_id: str | None
    pool: FloatingIpPool | None


def placement(client: OpenStackClient, environment: DestinationEnvironment, instance: Instance) -> Placement:
    """Raises InvalidInput and its kin, naming the option or what is not there."""
    lookup = Lookup(client)
    compute, storage = client.compute, client.storage
    _check_zone(client, "availability zone", environment.availability_zone, compute.availability_zones)
    _check_zone(
        client,
        "storage availability zone",
        environment.storage_availability_zone,
        storage.availability_zones,
    )
    if environment.keypair_name:
        _check_key_pair(client, environment.keypair_name)
    group = environment.server_group
    return Placement(
        networks=_networks(client, lookup, environment, instance),
        volume_types=volume_types(client, environment, instance),
        flavor=choose_flavor(client, environment.flavor_name, instance),
        security_group_ids=tuple(lookup.security_group(name).id for name in environment.security_groups),
        server_group_id=lookup.server_group(group).id if group else None,
        pool=_final_pool(client, environment),
    )


def volume_types(
    client: OpenStackClient, environment: DestinationEnvironment, instance: Instance
) -> tuple[str | None, ...]:
    asked = [environment.volume_type_of(disk) for disk in instance.disks]
    ids = {name: Lookup(client).volume_type(name).id for name in dict.fromkeys(asked) if name}
    return tuple(ids[name] if name else None for name in asked)


def worker_plan(
    client: OpenStackClient, environment: DestinationEnvironment, role: str, kind: GuestKind = "linux"
) -> WorkerPlan:
    """Raises InvalidInput naming the option or what is not there."""
    lookup = Lookup(client)
    option = f"migr_image_map.{kind}" + (" or migr_image" if kind == "linux" else "")
    image = lookup.image(_required(environment.worker_image(kind), option))
    if image.status != "active":
        raise InvalidInput(message=f"{client.cloud}: image {image.name!r} is {image.status}, not active.")
    flavor = lookup.flavor(_required(environment.migr_flavor_name, "migr_flavor_name"))
    network = environment.migr_network or next(iter(environment.network_map.values()), None)
    pool = None
    if environment.migr_worker_use_fip:
        pool = floating_ip_pool(client, _required(environment.migr_fip_pool_name, "migr_fip_pool_name"))
    volume_type = environment.migr_worker_volume_type
    from_volume = environment.migr_worker_boot_from_volume
    if from_volume and environment.migr_worker_volume_size < image.min_disk_gb:
        raise InvalidInput(
            message=f"Destination environment: migr_worker_volume_size is {environment.migr_worker_volume_size} GiB, "
            f"and image {image.name!r} needs {image.min_disk_gb}."
        )
    return WorkerPlan(
        role=role,
        image_id=image.id,
        flavor_id=flavor.id,
        network_id=lookup.network(_required(network, "migr_network")).id,
        pool=pool,
        config_drive=environment.migr_worker_use_config_drive,
        boot_volume_gb=environment.migr_worker_volume_size if from_volume else None,
        boot_volume_type=lookup.volume_type(volume_type).id if from_volume and volume_type else None,
        availability_zone=environment.availability_zone,
        storage_zone=environment.storage_availability_zone,
        windows=kind == "windows",
    )


def floating_ip_pool(client: OpenStackClient, name: str) -> FloatingIpPool:
    """`name`: an external network, or network/subnet. Names may hold slashes, so the whole is tried first."""
    lookup = Lookup(client)
    try:
        return FloatingIpPool(lookup.network(name, external=True).id)
    except InvalidInput:
        network_name, slash, subnet_name = name.rpartition("/")
        if not slash:
            raise
    network = lookup.network(network_name, external=True)
    return FloatingIpPool(network.id, lookup.subnet(network, subnet_name).id)


def _final_pool(client: OpenStackClient, environment: DestinationEnvironment) -> FloatingIpPool | None:
    if environment.use_floating_ip:
        return floating_ip_pool(client, _required(environment.floating_ip_pool, "floating_ip_pool"))
    return floating_ip_pool(client, environment.floating_ip_pool) if environment.floating_ip_pool else None


def _networks(
    client: OpenStackClient, lookup: Lookup, environment: DestinationEnvironment, instance: Instance
) -> tuple[MappedNetwork, ...]:
    targets = check_network_map(instance, environment.network_map)
    found = {name: _mapped(client, lookup.network(name)) for name in dict.fromkeys(targets.values())}
    return tuple(found[targets[nic.network_name]] for nic in instance.nics)


def _mapped(client: OpenStackClient, network: Any) -> MappedNetwork:
    """Nova boots no server on a network without subnets."""
    listing = partial(client.network.subnets, network_id=network.id)
    subnets = tuple(client.rows(f"list subnets of network {network.name!r}", listing))
    if not subnets:
        raise InvalidInput(
            message=f"{client.cloud}: network {network.name!r} has no subnet, so no VM can be put on it."
        )
    return MappedNetwork(network.id, network.name, subnets)


def _check_zone(
    client: OpenStackClient, what: str, wanted: str | None, listing: Callable[[], Iterable[Any]]
) -> None:
    if not wanted:
        return
    zones = client.rows(f"list {what}s", listing)
    found = next((zone for zone in zones if zone.name == wanted), None)
    if found is None:
        known = ", ".join(sorted(zone.name for zone in zones))
        raise InvalidInput(message=f"{client.cloud} has no {what} {wanted!r}; it has: {known}.")
    if not (found.state or {}).get("available", True):
        raise InvalidInput(message=f"{client.cloud}: {what} {wanted!r} is not available.")


def _check_key_pair(client: OpenStackClient, name: str) -> None:
    read = partial(client.compute.get_keypair, name)
    if client.optional(f"read key pair {name!r}", read) is None:
        raise InvalidInput(message=f"{client.cloud} has no key pair {name!r} for this user.")


def _required(value: str | None, option: str) -> str:
    if not value:
        raise InvalidInput(message=f"Destination environment: {option} is needed.")
    return value
