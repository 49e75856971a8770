"""What can be known to fail before an import creates anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import Conflict, InvalidInput, NotFound
from coriolis.model.instance import Disk, Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.preflight.disk_sizes import check_disk_sizes
from coriolis.preflight.names import NameRule, check_name
from coriolis.preflight.network_map import check_network_map
from coriolis.preflight.space import Storage, check_space
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks
from coriolis.providers.ovirt.hardware import cpu_of, needs_tpm
from coriolis.providers.ovirt.inventory import Domain, Inventory
from coriolis.providers.ovirt.options import DestinationEnvironment
from coriolis.providers.ovirt.vms import Vms
from coriolis.providers.ovirt.worker_plans import preset_user, worker_plan

LARGEST_BLOCK_DISK = 8192 << 30
"""Bytes; MaxBlockDiskSizeInGibiBytes of every engine."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an instance goes. `domains` and `profiles` (ids of vNIC profiles) in the order of its disks and NICs."""

    cluster: Any
    domains: tuple[Domain, ...]
    profiles: tuple[str, ...]


def vm_name_rule(cloud: str) -> NameRule:
    """The engine takes any letter, but the name also becomes part of disk aliases and file names."""
    return NameRule(cloud, "VM", r"\w.-", "letters, digits and -_.", 64)


def placement(client: OvirtClient, environment: DestinationEnvironment, instance: Instance) -> Placement:
    """Resolves cluster, domains and networks. Raises InvalidInput and its kin."""
    inventory = Inventory(client)
    cluster = inventory.cluster(environment.cluster)
    asked = {disk.id: _domain_name(environment, disk) for disk in instance.disks}
    domains = {name: inventory.domain(cluster, name) for name in dict.fromkeys(asked.values())}
    return Placement(
        cluster=cluster,
        domains=tuple(domains[asked[disk.id]] for disk in instance.disks),
        profiles=tuple(_profiles(inventory, cluster, environment, instance)),
    )


def _profiles(
    inventory: Inventory, cluster: Any, environment: DestinationEnvironment, instance: Instance
) -> list[str]:
    """Each network and profile is looked up once. Raises NetworkNotMapped, InvalidInput."""
    chosen = {
        nic: mapping.vnic_profile
        for nic in instance.nics
        if (mapping := environment.mapping_of(nic)) is not None and mapping.vnic_profile
    }
    mapped = replace(instance, nics=tuple(nic for nic in instance.nics if nic not in chosen))
    targets = check_network_map(mapped, environment.network_map)
    by_network = {name: inventory.vnic_profile(cluster, target) for name, target in targets.items()}
    by_name = {name: inventory.named_vnic_profile(cluster, name) for name in dict.fromkeys(chosen.values())}
    return [by_name[chosen[nic]] if nic in chosen else by_network[nic.network_name] for nic in instance.nics]


def check_transfer(
    client: OvirtClient,
    environment: DestinationEnvironment,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
) -> None:
    where = _check_vm(client, environment, instance)
    if environment.data_transfer_mechanism != "imageio" or any(domain.managed for domain in where.domains):
        worker_plan(client, environment)
    _check_block_sizes(instance, where)
    there = {replica.disk_id: replica.size_bytes for replica in replicas}
    _check_space(
        (domain, max(0, disk.size_bytes - there.get(disk.id, 0)))
        for disk, domain in zip(instance.disks, where.domains, strict=True)
    )


def check_deployment(
    client: OvirtClient,
    environment: DestinationEnvironment,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
) -> None:
    """The copies of the replica disks need their full size once more, each in the domain of its replica."""
    where = _check_vm(client, environment, instance)
    worker_plan(client, environment)
    found = _check_replicas(client, instance, replicas)
    inventory = Inventory(client)
    by_id = {domain.id: domain for domain in inventory.domains(where.cluster)}
    _check_space(
        (by_id[disk.storage_domains[0].id], replica.size_bytes)
        for replica, disk in zip(replicas, found, strict=True)
        if disk.storage_domains and disk.storage_domains[0].id in by_id
    )


def check_in_place(
    client: OvirtClient,
    environment: DestinationEnvironment,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
) -> None:
    """Only what is changed of the replica disks needs space, and nobody knows how much that will be."""
    _check_vm(client, environment, instance)
    worker_plan(client, environment, whole=True)
    for replica, disk in zip(replicas, _check_replicas(client, instance, replicas), strict=True):
        if disk.vms:
            raise Conflict(
                message=f"{client.cloud}: replica disk {replica.volume_name} is attached to VM {disk.vms[0].id}: "
                "detach it."
            )


def _check_replicas(client: OvirtClient, instance: Instance, replicas: Sequence[ReplicaDisk]) -> list[Any]:
    """The disks, in the order of `replicas`; and nobody has the VM's name."""
    if Vms(client).named(instance.name):
        raise Conflict(message=f"{client.cloud} already has a VM named {instance.name!r}.")
    found = [_replica_disk(client, replica) for replica in replicas]
    if {replica.disk_id for replica in replicas} != {disk.id for disk in instance.disks}:
        raise InvalidInput(
            message=f"Instance {instance.name!r} has disks without a replica: execute the transfer."
        )
    return found


def _check_vm(client: OvirtClient, environment: DestinationEnvironment, instance: Instance) -> Placement:
    """What the migrated VM needs, which a transfer is of no use without."""
    check_disk_sizes(instance)
    check_name(instance.name, vm_name_rule(client.cloud))
    where = placement(client, environment, instance)
    inventory = Inventory(client)
    inventory.blank_template(environment.migr_blank_template)
    if environment.vm_pool:
        inventory.vm_pool(where.cluster, environment.vm_pool)
    for kind in environment.migr_template_map:
        preset_user(environment, kind)
    cpu_of(instance)
    _check_os_release(inventory, client.cloud, environment, instance)
    return where


def _check_block_sizes(instance: Instance, where: Placement) -> None:
    for disk, domain in zip(instance.disks, where.domains, strict=True):
        if domain.block and disk.size_bytes > LARGEST_BLOCK_DISK:
            raise InvalidInput(
                message=f"Disk {disk.id!r} of instance {instance.name!r} is larger than 8192 GiB, the most that a disk "
                f"on block storage ({domain.name}) can have: choose a file domain."
            )


def _replica_disk(client: OvirtClient, replica: ReplicaDisk) -> Any:
    disk = Disks(client).get(replica.volume_id)
    if disk is None:
        raise NotFound(kind=f"{client.cloud}: replica disk", name=replica.volume_name)
    if disk.status == types.DiskStatus.ILLEGAL:
        raise Conflict(
            message=f"{client.cloud}: replica disk {replica.volume_name} is illegal. Execute the transfer: it is made "
            "anew."
        )
    return disk


def _check_space(needs: Any) -> None:
    total: Counter[Storage] = Counter()
    for domain, size in needs:
        total[Storage(domain.id, domain.name, domain.available)] += size
    check_space(total)


def _check_os_release(
    inventory: Inventory, cloud: str, environment: DestinationEnvironment, instance: Instance
) -> None:
    release = environment.os_release
    if not release:
        return
    known = inventory.operating_systems()
    if release not in known:
        raise InvalidInput(message=f"{cloud} knows no OS type {release!r} (os_release).")
    needs_tpm(instance, release, known[release])


def _domain_name(environment: DestinationEnvironment, disk: Disk) -> str:
    name = environment.domain_of(disk)
    if not name:
        raise InvalidInput(
            message=f"No storage domain for disk {disk.id!r}: set storage_domain or the storage mappings."
        )
    return name
