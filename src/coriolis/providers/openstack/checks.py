"""What can be known to fail before an export creates anything."""

from functools import partial

from coriolis.errors import InvalidInput, NotSupported, QuotaExceeded
from coriolis.model.instance import Instance
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.inventory import EPHEMERAL_PREFIX
from coriolis.providers.openstack.lookup import Lookup
from coriolis.providers.openstack.options import CoriolisBackupsOptions
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
    """Volumes, snapshots, gigabytes and instances. A limit of -1 means none. Raises QuotaExceeded."""
    count = len(instance.disks)
    gigabytes = sum(disk.size_bytes >> 30 for disk in instance.disks)
    boot = plan.boot_volume_gb
    volumes = count + (1 if boot else 0)
    storage = client.call("read the storage quota", client.storage.get_limits).absolute
    compute = client.call("read the compute quota", client.compute.get_limits).absolute
    # Cinder counts the snapshots' size as gigabytes too, unless its operator says no_snapshot_gb_quota.
    wanted = (
        ("volumes", volumes, storage.max_total_volumes, storage.total_volumes_used),
        ("snapshots", count, storage.max_total_snapshots, storage.total_snapshots_used),
        (
            "gigabytes of volumes",
            gigabytes + (boot or 0),
            storage.max_total_volume_gigabytes,
            storage.total_gigabytes_used,
        ),
        ("instances", 1, compute.instances, compute.instances_used),
    )
    for what, needed, limit, used in wanted:
        if limit is not None and used is not None and limit >= 0 and used + needed > limit:
            reason = f"{needed} {what} needed, {used} of {limit} are used"
            raise QuotaExceeded(
                cloud=client.cloud, action=f"export instance {instance.name!r}", reason=reason
            )


def _required(value: str | None, option: str) -> str:
    if not value:
        raise InvalidInput(message=f"Source environment: coriolis_backups_options.{option} is needed.")
    return value
