"""What can be known to fail before an export creates anything."""

from functools import partial

from coriolis.errors import InvalidInput, NotSupported
from coriolis.model.instance import Instance
from coriolis.providers.openstack.block_storage import gib
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.inventory import is_local
from coriolis.providers.openstack.lookup import Lookup
from coriolis.providers.openstack.options import CoriolisBackupsOptions
from coriolis.providers.openstack.quota import Needs, check_needs
from coriolis.providers.openstack.workers import FloatingIpPool, WorkerPlan

EXPORT_ROLE = "export-worker"
_IMAGEABLE = frozenset({"ACTIVE", "PAUSED", "SHUTOFF", "SUSPENDED"})


def export_plan(client: OpenStackClient, options: CoriolisBackupsOptions) -> WorkerPlan:
    """Resolves the names of the options. Raises InvalidInput naming the option or what is not there."""
    image = _required(options.export_image, "export_image")
    flavor = _required(options.export_flavor_name, "export_flavor_name")
    network = _required(options.export_network, "export_network")
    lookup = Lookup(client)
    pool = None
    if options.export_worker_use_fip:
        pool = _required(options.export_fip_pool_name, "export_fip_pool_name")
    if options.export_worker_boot_from_volume and options.export_worker_volume_type:
        lookup.volume_type(options.export_worker_volume_type)
    if options.export_interim_volume_type:
        lookup.volume_type(options.export_interim_volume_type)
    found_image = lookup.image(image)
    if found_image.status != "active":
        raise InvalidInput(message=f"{client.cloud}: image {image!r} is {found_image.status}, not active.")
    return WorkerPlan(
        role=EXPORT_ROLE,
        image_id=found_image.id,
        flavor_id=lookup.flavor(flavor).id,
        network_id=lookup.network(network).id,
        pool=FloatingIpPool(lookup.network(pool, external=True).id) if pool else None,
        config_drive=options.export_worker_use_config_drive,
        boot_volume_gb=options.export_worker_volume_size if options.export_worker_boot_from_volume else None,
        boot_volume_type=options.export_worker_volume_type,
    )


def check_disks(
    client: OpenStackClient, instance: Instance, mechanism: str, *, local_root: bool = False
) -> None:
    """Raises NotSupported or InvalidInput naming the disk that `mechanism` cannot export. `local_root`: it can read the
    local root disk of an instance that was booted from an image."""
    if not instance.disks:
        raise InvalidInput(message=f"Instance {instance.name!r} has no disks.")
    for disk in instance.disks:
        if is_local(disk):
            if local_root:
                continue
            raise NotSupported(
                message=f"Disk {disk.id!r} of instance {instance.name!r} is a local disk of Nova's, since the instance "
                f"was booted from an image, and {mechanism} reads Cinder volumes only. Use "
                "replica_export_mechanism=coriolis_backups."
            )
        volume = client.optional(f"read volume {disk.id!r}", partial(client.storage.get_volume, disk.id))
        if volume is None:
            raise InvalidInput(message=f"Volume {disk.id!r} of instance {instance.name!r} is gone.")
        if volume.status not in {"in-use", "available"}:
            raise InvalidInput(
                message=f"Volume {disk.id!r} of instance {instance.name!r} is {volume.status}: "
                "no snapshot is possible."
            )


def check_server(client: OpenStackClient, instance: Instance) -> None:
    """Raises InvalidInput where Nova would refuse to make an image of its root disk."""
    server = client.optional(f"read server {instance.id}", partial(client.compute.get_server, instance.id))
    status = "gone" if server is None else str(server.status)
    if status not in _IMAGEABLE:
        raise InvalidInput(
            message=f"Instance {instance.name!r} is {status}, and Nova makes an image of its root disk only while it "
            f"is {', '.join(sorted(_IMAGEABLE))}."
        )


def check_quota(client: OpenStackClient, instance: Instance, plan: WorkerPlan) -> None:
    """Raises QuotaExceeded."""
    boot = plan.boot_volume_gb or 0
    needs = Needs(
        volumes=len(instance.disks) + (1 if boot else 0),
        snapshots=sum(not is_local(disk) for disk in instance.disks),
        gigabytes=sum(gib(disk.size_bytes) for disk in instance.disks) + boot,
        instances=1,
    )
    check_needs(client, needs, f"export instance {instance.name!r}")


def _required(value: str | None, option: str) -> str:
    if not value:
        raise InvalidInput(message=f"Source environment: coriolis_backups_options.{option} is needed.")
    return value
