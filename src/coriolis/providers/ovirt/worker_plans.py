"""What a worker VM is made of: template, cluster, network, storage, login."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import InvalidInput
from coriolis.model.secret import Secret
from coriolis.model.worker import GuestKind
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.options import DestinationEnvironment

LEAST_CORES = 2
LEAST_MEMORY = 2 << 30
"""Bytes."""


@dataclass(frozen=True, slots=True)
class PresetUser:
    """Of a template."""

    name: str
    password: Secret


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What to boot, by ids.

    `profile_id`: of the NIC, where the template brings none. `clones`: attachments of full copies of the template's
    disks, where they have to be on another storage domain; empty: thin ones beside the template's. `user`: preset in
    the template, as on Windows always; None: cloud-init makes one with a key of ours. `weakness`: why the copy will be
    slow, for a warning.
    """

    template_id: str
    template_name: str
    cluster_id: str
    profile_id: str | None
    clones: tuple[Any, ...] = ()
    weakness: str = ""
    user: PresetUser | None = None
    kind: GuestKind = "linux"


def worker_plan(
    client: OvirtClient,
    environment: DestinationEnvironment,
    kind: GuestKind = "linux",
    *,
    whole: bool = False,
) -> WorkerPlan:
    """Resolves the names. `whole`: with a full copy of the template's only disk, which can leave its VM. Raises
    InvalidInput naming the option or what is not there."""
    inventory = Inventory(client)
    named = environment.migr_template_map.get(kind)
    if not named:
        raise InvalidInput(message=f"Destination environment: migr_template_map.{kind} is needed.")
    user = preset_user(environment, kind)
    cluster = _cluster(inventory, environment)
    template = inventory.template(named)
    if kind == "linux" and _runs_windows(template):
        raise InvalidInput(
            message=f"{client.cloud}: template {template.name!r} (migr_template_map.linux) is of OS type "
            f"{template.os.type}. Copies and OSMorphing take a worker that runs Linux."
        )
    disks = inventory.template_disks(template)
    if not disks:
        raise InvalidInput(
            message=f"{client.cloud}: template {template.name!r} (migr_template_map.{kind}) has no disk to boot from."
        )
    if whole and len(disks) > 1:
        raise InvalidInput(
            message=f"{client.cloud}: template {template.name!r} (migr_template_map.{kind}) has {len(disks)} disks. To "
            "deploy without copies of the replica disks (clone_disks=false) it takes one with a single disk."
        )
    return WorkerPlan(
        template_id=template.id,
        template_name=template.name,
        cluster_id=cluster.id,
        profile_id=_profile(inventory, cluster, environment),
        clones=_clones(inventory, cluster, environment, disks, whole=whole),
        weakness=_weakness(template),
        user=user,
        kind=kind,
    )


def preset_user(environment: DestinationEnvironment, kind: GuestKind) -> PresetUser | None:
    """Raises InvalidInput for half of one, and for none on Windows: the engine silently ignores cloud-init there."""
    name = environment.migr_template_username_map.get(kind)
    password = environment.migr_template_password_map.get(kind)
    if name is not None and password is not None:
        return PresetUser(name, password)
    both = f"both migr_template_username_map.{kind} and migr_template_password_map.{kind}"
    if kind == "windows":
        raise InvalidInput(
            message=f"Destination environment: migr_template_map.windows needs {both}, of an administrator that is "
            "preset in the template: engines do not run cloud-init on Windows."
        )
    if name is not None or password is not None:
        raise InvalidInput(message=f"Destination environment: give {both}, or neither.")
    return None


def _runs_windows(template: Any) -> bool:
    return template.os is not None and (template.os.type or "").startswith("windows")


def _cluster(inventory: Inventory, environment: DestinationEnvironment) -> Any:
    """Raises InvalidInput for one of another data centre, whose hosts do not reach the disks' storage."""
    main = inventory.cluster(environment.cluster)
    if not environment.migr_minion_cluster:
        return main
    found = inventory.cluster(environment.migr_minion_cluster)
    if found.data_center.id != main.data_center.id:
        raise InvalidInput(
            message=f"Destination environment: migr_minion_cluster {found.name!r} is not in the data centre of cluster "
            f"{main.name!r}, so that its VMs cannot use the disks."
        )
    return found


def _clones(
    inventory: Inventory,
    cluster: Any,
    environment: DestinationEnvironment,
    disks: Sequence[Any],
    *,
    whole: bool,
) -> tuple[Any, ...]:
    """A thin disk has to be where its template's is; anywhere else only a full copy can be."""
    if not environment.migr_minion_storage_domain:
        return tuple(_copy_of(disk, disk.storage_domains[0].id) for disk in disks) if whole else ()
    domain = inventory.domain(cluster, environment.migr_minion_storage_domain)
    if domain.managed:
        raise InvalidInput(
            message=f"Destination environment: migr_minion_storage_domain {domain.name!r} is managed block storage, "
            "which holds no disks of templates: choose a data domain."
        )
    there = all(domain.id in {place.id for place in disk.storage_domains or ()} for disk in disks)
    return () if there and not whole else tuple(_copy_of(disk, domain.id) for disk in disks)


def _copy_of(disk: Any, domain_id: str) -> Any:
    return types.DiskAttachment(
        disk=types.Disk(
            id=disk.id,
            format=types.DiskFormat.COW,  # with sparse, what file and block storage both take
            sparse=True,
            storage_domains=[types.StorageDomain(id=domain_id)],
        )
    )


def _weakness(template: Any) -> str:
    topology = template.cpu.topology if template.cpu is not None else None
    cores = topology.sockets * topology.cores * topology.threads if topology is not None else LEAST_CORES
    memory = template.memory or LEAST_MEMORY
    if cores >= LEAST_CORES and memory >= LEAST_MEMORY:
        return ""
    return (
        f"Template {template.name!r} has {cores} core(s) and {memory >> 20} MiB of memory; workers should have at "
        f"least {LEAST_CORES} and {LEAST_MEMORY >> 20} MiB: the copy may be slow or fail."
    )


def _profile(inventory: Inventory, cluster: Any, environment: DestinationEnvironment) -> str | None:
    """Of the first mapped network that the worker's cluster has: the conductor likely reaches that one."""
    there = {name for network in inventory.networks(cluster) for name in (network.id, network.name)}
    for target in environment.network_map.values():
        if target in there:
            return inventory.vnic_profile(cluster, target)
    return inventory.any_vnic_profile(cluster)
