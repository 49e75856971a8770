"""ceph_backups: Cinder backs the volumes up to Ceph, and the backups' RBD images are read.

cinder-backup's driver for Ceph keeps them so (`cinder/backup/drivers/ceph.py`): of a volume that is in Ceph too, an
image `volume-<id>.backup.base` or `volume-<id>.backup.<backup id>` of the full backup, and in it a snapshot
`backup.<backup id>.snap.<time>` for each; of any other volume an image `volume-<id>.backup.<backup id>`.
"""

from collections.abc import Mapping

from coriolis.errors import NotSupported
from coriolis.model.enums import EventLevel
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.openstack.block_storage import gib
from coriolis.providers.openstack.checks import check_disks
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.backups import Backups, Made, Wish
from coriolis.providers.openstack.export.ceph import CephAccess
from coriolis.providers.openstack.export.points import Point
from coriolis.providers.openstack.options import Quiesce
from coriolis.providers.openstack.quota import Needs, check_needs

MECHANISM = "ceph_backups"


class CephBackupsExport:
    """Of the volumes themselves, not of snapshots: only so Cinder's driver makes differential backups."""

    def __init__(
        self, client: OpenStackClient, backups: Backups, quiesce: Quiesce, digest: str | None
    ) -> None:
        """`digest`: see `ImageDisk`."""
        self._client = client
        self._digest = digest
        self._quiesce = quiesce
        self._backups = backups
        self._ceph = CephAccess(client)

    def validate(self, instance: Instance) -> None:
        check_disks(self._client, instance, MECHANISM)
        if self._quiesce == "required" and instance.running:
            raise NotSupported(
                message=f"Source environment: guest_quiesce=required, but {MECHANISM} backs the disks of instance "
                f"{instance.name!r} up one after the other while it runs. Use another replica_export_mechanism, or "
                "shut the instance down first."
            )
        self._ceph.require_images({})
        latest = self._backups.latest()
        if latest is not None and latest.status == "available":
            self._place(latest.volume_id, latest.id)
        gigabytes = sum(gib(disk.size_bytes) for disk in instance.disks)
        needs = Needs(backups=len(instance.disks), backup_gigabytes=gigabytes)
        check_needs(self._client, needs, f"export instance {instance.name!r}")

    def deploy(self, op: Operation, instance: Instance, points: Mapping[str, Point]) -> SourceResources:
        if len(instance.disks) > 1:
            text = "Its disks are backed up one after the other; ceph_snapshots and swift_backups freeze them together."
            op.event(EventLevel.INFO, text)
        bases = {
            disk.id: self._backups.base(op, MECHANISM, disk, points.get(disk.id)) for disk in instance.disks
        }
        wishes = [
            Wish(number, disk, None, self._backups.may_build_on(bases[disk.id]))
            for number, disk in enumerate(instance.disks)
        ]
        made = self._backups.make(op, wishes)
        images = tuple(
            self._image(wish.disk, backup, points.get(wish.disk.id), bases[wish.disk.id])
            for wish, backup in zip(wishes, made, strict=True)
        )
        ids = {f"backup/{w.disk.id}": m.kept.id for w, m in zip(wishes, made, strict=True)}
        return SourceResources(None, ids, images)

    def _image(self, disk: Disk, made: Made, before: Point | None, base: Point | None) -> ImageDisk:
        place = self._place(disk.id, made.kept.id)
        point = Point(MECHANISM, made.kept, gib(disk.size_bytes), place=place)
        if before is not None:
            point = before.followed_by(point, on_top=made.on_top)
        return self._ceph.image(
            disk,
            place,
            point=str(point),
            base=None if base is None else str(base),
            base_place="" if base is None else base.place,
            digest=self._digest,
        )

    def _place(self, volume_id: str, backup_id: str) -> str:
        """Image and snapshot. Raises NotSupported where the backup is not in the pool."""
        images = self._ceph.snapshots(f"volume-{volume_id}.backup.")
        for name, snapshots in images.items():
            for snapshot in snapshots:
                if snapshot.startswith(f"backup.{backup_id}.snap."):
                    return f"{name}@{snapshot}"
        own = f"volume-{volume_id}.backup.{backup_id}"
        if own in images:
            return own
        raise NotSupported(
            message=f"{self._client.cloud}: backup {backup_id} is not in pool {self._ceph.pool!r}. ceph_backups needs "
            "a cinder-backup that writes to Ceph and ceph_pool_name to be its pool; use swift_backups where it writes "
            "to Swift. If it writes to this pool only since then, back any volume of the project up once: the newest "
            "backup is what tells."
        )
