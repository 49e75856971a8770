"""ceph_snapshots: Cinder snapshots, read from the volumes' RBD images; only what changed since the last one."""

from collections.abc import Mapping

from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.openstack.block_storage import gib
from coriolis.providers.openstack.checks import check_disks
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.ceph import CephAccess, volume_images
from coriolis.providers.openstack.export.freeze import Freezer
from coriolis.providers.openstack.export.points import Kept, Point
from coriolis.providers.openstack.quota import Needs, check_needs
from coriolis.providers.openstack.volumes import snapshot_name

MECHANISM = "ceph_snapshots"


class CephSnapshotsExport:
    """The snapshot of a run stays in Cinder until the next run has another one: RBD tells the difference of two."""

    def __init__(self, client: OpenStackClient, freezer: Freezer) -> None:
        self._client = client
        self._freezer = freezer
        self._ceph = CephAccess(client)

    def validate(self, instance: Instance) -> None:
        check_disks(self._client, instance, MECHANISM)
        self._freezer.validate(instance)
        self._ceph.require_images(volume_images(instance.disks))
        gigabytes = sum(gib(disk.size_bytes) for disk in instance.disks)
        needs = Needs(snapshots=len(instance.disks), gigabytes=gigabytes)
        check_needs(self._client, needs, f"export instance {instance.name!r}")

    def deploy(self, op: Operation, instance: Instance, points: Mapping[str, Point]) -> SourceResources:
        ids = self._freezer.freeze(op, instance)
        images = []
        for number, disk in enumerate(instance.disks):
            kept = Kept(ResourceKind.SNAPSHOT, ids[disk.id], snapshot_name(op, number))
            images.append(self._image(op, disk, kept, points.get(disk.id)))
        extra = {f"snapshot/{disk_id}": snapshot_id for disk_id, snapshot_id in ids.items()}
        return SourceResources(None, extra, tuple(images))

    def _image(self, op: Operation, disk: Disk, kept: Kept, before: Point | None) -> ImageDisk:
        name = volume_images([disk])[disk.id]
        point = Point(MECHANISM, kept, gib(disk.size_bytes), place=f"{name}@snapshot-{kept.id}")
        base = None
        if before is not None:
            point = before.followed_by(point, on_top=False)
            base = self._base(op, disk, name, before)
        base_place = base.place if base is not None else ""
        return self._ceph.image(
            disk,
            point.place,
            point=str(point),
            base=None if base is None else str(base),
            base_place=base_place,
        )

    def _base(self, op: Operation, disk: Disk, name: str, before: Point) -> Point | None:
        """The snapshot that the replica holds, if it is still there; else an event says why not."""
        snapshot = before.place.partition("@")[2]
        if before.mechanism != MECHANISM:
            why = f"the last run read it through {before.mechanism}"
        elif snapshot not in self._ceph.snapshots(name).get(name, ()):
            why = f"snapshot {snapshot} of the last run is gone"
        else:
            return before
        op.event(EventLevel.WARNING, f"Disk {disk.id} is read in full: {why}.")
        return None
