"""swift_backups: Cinder backs the volumes up to Swift (or RADOS Gateway), and their objects are read."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from coriolis.errors import NotSupported
from coriolis.images.cinder_backup import BackupParameters
from coriolis.images.swift import SwiftAccount
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.openstack.block_storage import gib
from coriolis.providers.openstack.checks import check_disks
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export import trial
from coriolis.providers.openstack.export.backups import Backups, Made, Wish
from coriolis.providers.openstack.export.freeze import Freezer
from coriolis.providers.openstack.export.points import Point
from coriolis.providers.openstack.login import login_of
from coriolis.providers.openstack.quota import Needs, check_needs
from coriolis.providers.openstack.session import verify_of

MECHANISM = "swift_backups"
KIND = "cinder-backup"


class SwiftBackupsExport:
    def __init__(
        self, client: OpenStackClient, backups: Backups, freezer: Freezer, *, container: str | None
    ) -> None:
        self._client = client
        self._backups = backups
        self._trial = trial.BackupTrial(client, backups)
        self._freezer = freezer
        self._container = container

    def validate(self, instance: Instance) -> None:
        check_disks(self._client, instance, MECHANISM)
        self._freezer.validate(instance)
        client = self._client
        client.call("look at the Swift account", client.object_store.get_account_metadata)
        latest = self._backups.latest()
        if latest is not None and latest.status == "available":
            self._require_in_swift(latest)
        gigabytes = sum(gib(disk.size_bytes) for disk in instance.disks)
        count = len(instance.disks)
        needs = Needs(snapshots=count, gigabytes=gigabytes, backups=count, backup_gigabytes=gigabytes)
        check_needs(client, needs + trial.NEEDS, f"export instance {instance.name!r}")

    def deploy(self, op: Operation, instance: Instance, points: Mapping[str, Point]) -> SourceResources:
        """The snapshots are of one moment, as far as that goes; the backups of them may take their time."""
        bases = {
            disk.id: self._backups.base(op, MECHANISM, disk, points.get(disk.id)) for disk in instance.disks
        }
        self._trial.run(op, instance.disks[0].id, self._container)
        snapshots = self._freezer.freeze(op, instance)
        wishes = [
            Wish(
                number, disk, snapshots[disk.id], self._backups.may_build_on(bases[disk.id]), self._container
            )
            for number, disk in enumerate(instance.disks)
        ]
        made = self._backups.make(op, wishes)
        images = []
        for wish, backup in zip(wishes, made, strict=True):
            self._require_in_swift(backup.backup)
            images.append(self._image(wish.disk, backup, points.get(wish.disk.id), bases[wish.disk.id]))
        ids = {f"backup/{w.disk.id}": m.kept.id for w, m in zip(wishes, made, strict=True)}
        return SourceResources(None, ids, tuple(images))

    def _image(self, disk: Disk, made: Made, before: Point | None, base: Point | None) -> ImageDisk:
        point = Point(MECHANISM, made.kept, gib(disk.size_bytes))
        if before is not None:
            point = before.followed_by(point, on_top=made.on_top)
        parameters = BackupParameters(
            account=self._account(),
            volume=disk.id,
            backup=made.kept.id,
            containers={b.id: b.container for b in self._backups.of_volume(disk.id)},
            since=None if base is None else base.id,
        )
        return ImageDisk(
            disk_id=disk.id,
            size_bytes=disk.size_bytes,
            kind=KIND,
            parameters=asdict(parameters),
            secrets=login_of(self._client.info).secrets,
            point=str(point),
            since=None if base is None else str(base),
        )

    def _account(self) -> SwiftAccount:
        info, login = self._client.info, login_of(self._client.info)
        return SwiftAccount(
            url=self._client.call("find Swift's URL", self._client.object_store.get_endpoint),
            plugin=login.plugin,
            arguments=login.arguments,
            verify=verify_of(info, untrusted=info.allow_untrusted_swift),
            verify_login=verify_of(info, untrusted=info.allow_untrusted),
        )

    def _require_in_swift(self, backup: Any) -> None:
        """Raises NotSupported where cinder-backup has another driver, or writes to another account."""
        container = backup.container or ""
        store, prefix = self._client.object_store, f"volume_{backup.volume_id}/"
        names = self._client.optional(
            "list the objects of a backup",
            lambda: [found.name for found in store.objects(container, prefix=prefix)] if container else [],
        )
        ending = f"_backup_{backup.id}_metadata"
        if not any(name.endswith(ending) for name in names or ()):
            raise NotSupported(
                message=f"{self._client.cloud}: backup {backup.id} is not in this project's Swift account (container "
                f"{container!r}). swift_backups needs a cinder-backup that writes to Swift as the user "
                "(backup_swift_auth = per_user); use coriolis_backups, or ceph_backups where it writes to Ceph. If it "
                "writes to Swift only since then, back any volume of the project up once: the newest backup is what "
                "tells."
            )
