"""Removing what exports made, and keeping what the next one needs."""

from collections.abc import Iterable, Mapping
from functools import partial

from coriolis.errors import CloudError
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all
from coriolis.providers.openstack.checks import EXPORT_ROLE
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.backups import Backups, trial_name
from coriolis.providers.openstack.export.freeze import frozen_name
from coriolis.providers.openstack.export.points import Kept, Point, stale_of
from coriolis.providers.openstack.export.worker import root_image_name
from coriolis.providers.openstack.server_images import ServerImages
from coriolis.providers.openstack.volumes import ExportVolumes, snapshot_name
from coriolis.providers.openstack.workers import Workers


class Leftovers:
    """Of all mechanisms: the environment may have named another one when they were made."""

    def __init__(self, client: OpenStackClient, backups: Backups) -> None:
        self._workers = Workers(client)
        self._volumes = ExportVolumes(client)
        self._images = ServerImages(client)
        self._backups = backups

    def delete(self, op: Operation, instance: Instance, points: Mapping[str, Point]) -> None:
        """The worker first: it holds the clones, which hold the snapshots (and the image of the root disk), which
        backups are made of."""
        kept = {point.head.name for point in points.values()}
        numbers = range(len(instance.disks))
        backups = [name for n in numbers for name in self._backups.names_of(op, n) if name not in kept]
        snapshots = [name for n in numbers if (name := snapshot_name(op, n)) not in kept]
        run_all(
            [
                partial(self._workers.delete, op, EXPORT_ROLE),
                partial(self._volumes.delete_clones, op, instance),
                *(partial(self._backups.remove, op, name) for name in backups),
                partial(self._backups.remove, op, trial_name(op)),
                partial(self._volumes.delete_volume, op, trial_name(op)),
                *(partial(self._volumes.delete_snapshot, op, name) for name in snapshots),
                *(partial(self._images.delete, op, name) for name in (root_image_name(op), frozen_name(op))),
            ]
        )
        for disk_id, point in points.items():
            if op.ledger.find(point.head.kind, point.head.name) is not None:
                reason = f"the next incremental run of disk {disk_id} starts from it"
                op.ledger.keep(point.head.kind, point.head.name, reason)
            self._prune(op, stale_of(op, point))

    def delete_points(self, op: Operation, points: Iterable[Point]) -> None:
        for point in points:
            self._prune(op, point.everything)

    def _prune(self, op: Operation, unneeded: Iterable[Kept]) -> None:
        """What somebody else depends on (a backup of another tool's on top of ours) stays in the ledger, and is tried
        again after the next run."""
        for kind, _, name in unneeded:
            remove = self._backups.remove if kind == ResourceKind.BACKUP else self._volumes.delete_snapshot
            try:
                remove(op, name)
            except CloudError as error:
                op.event(EventLevel.WARNING, f"{kind} {name} of an earlier run stays: {error.message}")
