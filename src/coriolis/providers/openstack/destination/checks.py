"""What can be known to fail before an import creates anything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from openstack import utils

from coriolis.errors import Conflict, InvalidInput, NameNotAllowed, NotFound, NotSupported
from coriolis.model.instance import Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.preflight.disk_sizes import check_disk_sizes
from coriolis.preflight.names import NameRule, check_name
from coriolis.providers.openstack.block_storage import Volumes, gib
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.nics import check_fixed_addresses, plan_ports
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.destination.placement import (
    COPY_ROLE,
    MORPHING_ROLE,
    Placement,
    placement,
    worker_plan,
)
from coriolis.providers.openstack.destination.rbd_volumes import RbdVolumes
from coriolis.providers.openstack.quota import Needs, check_needs
from coriolis.providers.openstack.workers import WorkerPlan

TAGS_SINCE = "2.26"
DELETE_ON_TERMINATION_SINCE = "2.85"
"""Nova's microversions; before, it was fixed when a server was made."""

_TAGS, _TAG_LENGTH, _METADATA_LENGTH = 50, 60, 255  # Nova's limits


def check_transfer(
    client: OpenStackClient,
    environment: DestinationEnvironment,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
) -> None:
    where = _check_common(client, environment, instance)
    check_fixed_addresses(environment, instance, where.networks)
    worker = Needs()
    if environment.data_transfer_mechanism == "rbd":
        RbdVolumes(client).check()
    else:
        worker = _worker_needs(client, worker_plan(client, environment, COPY_ROLE))
    there = {replica.disk_id: gib(replica.size_bytes) for replica in replicas}
    fresh = [disk for disk in instance.disks if disk.id not in there]
    grown = sum(max(0, gib(disk.size_bytes) - there.get(disk.id, 0)) for disk in instance.disks)
    needs = replace(worker, volumes=len(fresh) + worker.volumes, gigabytes=grown + worker.gigabytes)
    check_needs(client, needs, f"transfer instance {instance.name!r}")


def check_deployment(
    client: OpenStackClient,
    environment: DestinationEnvironment,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
) -> None:
    """The copies of the replicas need their full size once more. The worker is gone before the VM is made."""
    where = _check_common(client, environment, instance)
    plan_ports(client, environment, instance, where)
    _check_floating_addresses(client, environment, instance)
    _check_replicas(client, instance, replicas)
    worker = _worker_needs(client, worker_plan(client, environment, MORPHING_ROLE))
    own_address = 1 if environment.use_floating_ip else 0
    needs = replace(
        worker,
        volumes=len(replicas) + worker.volumes,
        gigabytes=sum(gib(replica.size_bytes) for replica in replicas) + worker.gigabytes,
        cores=max(worker.cores, where.flavor.vcpus),
        ram_mb=max(worker.ram_mb, where.flavor.ram_mb),
        ports=max(1, len(instance.nics)),
        floating_ips=max(worker.floating_ips, own_address),
    )
    check_needs(client, needs, f"deploy instance {instance.name!r}")


def _check_common(
    client: OpenStackClient, environment: DestinationEnvironment, instance: Instance
) -> Placement:
    check_disk_sizes(instance)
    _check_server_name(client.cloud, instance.name)
    _check_tags(client, environment.instance_tags)
    _check_metadata(environment.instance_metadata)
    later = environment.delete_disks_on_vm_termination
    if later and not utils.supports_microversion(client.compute, DELETE_ON_TERMINATION_SINCE):
        raise NotSupported(
            message=f"{client.cloud}: delete_disks_on_vm_termination needs Nova's microversion "
            f"{DELETE_ON_TERMINATION_SINCE} (Ussuri); unset it."
        )
    return placement(client, environment, instance)


def _check_server_name(cloud: str, name: str) -> None:
    """Nova takes any printable character, but no white space around the name."""
    rule = NameRule(cloud, "server", r" -~\u00a0-\U0010ffff", "printable characters", 255)
    check_name(name, rule)
    if name != name.strip():
        reason, better = "it begins or ends with white space", name.strip() or "vm"
        raise NameNotAllowed(cloud=cloud, name=name, kind="server", reason=reason, suggestion=better)


def _check_tags(client: OpenStackClient, tags: Sequence[str]) -> None:
    if not tags:
        return
    if len(set(tags)) > _TAGS:
        raise InvalidInput(message=f"Destination environment: instance_tags has more than {_TAGS} tags.")
    for tag in tags:
        if not 0 < len(tag) <= _TAG_LENGTH or "/" in tag or "," in tag:
            raise InvalidInput(
                message=f"Destination environment: instance_tags: {tag!r} is no tag for Nova: at most {_TAG_LENGTH} "
                "characters, no slash and no comma."
            )
    if not utils.supports_microversion(client.compute, TAGS_SINCE):
        raise NotSupported(
            message=f"{client.cloud}: instance_tags need Nova's microversion {TAGS_SINCE}; unset them."
        )


def _check_metadata(metadata: Mapping[str, str]) -> None:
    for key, value in metadata.items():
        if not key or len(key) > _METADATA_LENGTH or len(value) > _METADATA_LENGTH:
            raise InvalidInput(
                message=f"Destination environment: instance_metadata: {key!r}: keys and values have at most "
                f"{_METADATA_LENGTH} characters."
            )


def _check_floating_addresses(
    client: OpenStackClient, environment: DestinationEnvironment, instance: Instance
) -> None:
    """Raises Conflict for a floating address of the source that is still in use here."""
    if not environment.preserve_floating_ip:
        return
    for nic in instance.nics:
        for address in nic.floating_ips:
            listing = partial(client.network.ips, floating_ip_address=address)
            held = client.rows(f"look for floating IP {address}", listing)
            port_id = next((ip.port_id for ip in held if ip.port_id), None)
            if port_id is not None:
                raise Conflict(
                    message=f"{client.cloud}: floating IP {address} is in use by port {port_id}. Disassociate it, or "
                    "unset preserve_floating_ip."
                )


def _check_replicas(client: OpenStackClient, instance: Instance, replicas: Sequence[ReplicaDisk]) -> None:
    volumes = Volumes(client)
    for replica in replicas:
        volume = volumes.get(replica.volume_id)
        if volume is None:
            raise NotFound(kind=f"{client.cloud}: replica volume", name=replica.volume_name)
        if str(volume.status).startswith("error"):
            raise Conflict(
                message=f"{client.cloud}: replica volume {replica.volume_name} is in {volume.status}: it cannot be "
                "copied. Execute the transfer, which makes it anew."
            )
    if {replica.disk_id for replica in replicas} != {disk.id for disk in instance.disks}:
        raise InvalidInput(
            message=f"Instance {instance.name!r} has disks without a replica: execute the transfer."
        )


def _worker_needs(client: OpenStackClient, plan: WorkerPlan) -> Needs:
    flavor = client.call("read the worker's flavor", lambda: client.compute.get_flavor(plan.flavor_id))
    return Needs(
        volumes=1 if plan.boot_volume_gb else 0,
        gigabytes=plan.boot_volume_gb or 0,
        instances=1,
        cores=flavor.vcpus,
        ram_mb=flavor.ram,
        ports=1,
        floating_ips=1 if plan.pool else 0,
        security_groups=1,
    )
