"""What can be known to fail before an export creates anything."""

from functools import partial

from coriolis.errors import InvalidInput, NotSupported
from coriolis.model.instance import Instance
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.inventory import EPHEMERAL_PREFIX
from coriolis.providers.openstack.lookup import Lookup
from coriolis.providers.openstack.options import CoriolisBackupsOptions
from coriolis.providers.openstack.quota import Needs, check_needs
from coriolis.providers.openstack.workers import FloatingIpPool, WorkerPlan

EXPORT_ROLE = "export-worker"


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


def check_disks(client: OpenStackClient, instance: Instance) -> None:
    """Raises NotSupported or InvalidInput naming the disk that cannot be exported."""
    if not instance.disks:
        raise InvalidInput(message=f"Instance {instance.name!r} has no disks.")
    for disk in instance.disks:
        if disk.id.startswith(EPHEMERAL_PREFIX):
            raise NotSupported(
                message=f"Disk {disk.id!r} of instance {instance.name!r} is a local disk made from an image; "
                "this release exports Cinder volumes only. Boot the instance from a volume."
            )
        volume = client.optional(f"read volume {disk.id!r}", partial(client.storage.get_volume, disk.id))
        if volume is None:
            raise InvalidInput(message=f"Volume {disk.id!r} of instance {instance.name!r} is gone.")
        if volume.status not in {"in-use", "available"}:
            raise InvalidInput(
                message=f"Volume {disk.id!r} of instance {instance.name!r} is {volume.status}: "
                "no snapshot is possible."
            )


def check_quota(client: OpenStackClient, instance: Instance, plan: WorkerPlan) -> None:
    """Raises QuotaExceeded."""
    count = len(instance.disks)
    boot = plan.boot_volume_gb or 0
    needs = Needs(
        volumes=count + (1 if boot else 0),
        snapshots=count,
        gigabytes=sum(disk.size_bytes >> 30 for disk in instance.disks) + boot,
        instances=1,
    )
    check_needs(client, needs, f"export instance {instance.name!r}")


def _required(value: str | None, option: str) -> str:
    if not value:
        raise InvalidInput(message=f"Source environment: coriolis_backups_options.{option} is needed.")
    return value
