"""Cinder backups of an instance's volumes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from coriolis.errors import CloudError
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Disk
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience, create_resource, remove_resource, wait_until
from coriolis.providers.openstack.block_storage import GIB, gib
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.points import Kept, Point

_NAMES = ("backup", "full-backup")
"""Of a disk's backup in one run, and of the full one that is made where an incremental one failed."""

_NO_SERVICE = "Service not found for creating backup"
"""What a backup fails with while the scheduler knows of no cinder-backup that works: so for up to a minute after its
restart, as it reports its driver's state once a minute and is not ready in the first report (seen on Zed)."""
_SERVICE_SECONDS = 180.0
_SERVICE_PAUSE = 15.0

_TRIAL = "trial"
_FRESH = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Wish:
    """`snapshot_id`: what the backup is of; None: the volume as it is when Cinder comes to it."""

    number: int
    disk: Disk
    snapshot_id: str | None
    incremental: bool
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """`on_top`: it is incremental, and needs the earlier ones to be read."""

    kept: Kept
    backup: Any
    on_top: bool


class Backups:
    """Named by the disk's place in the instance."""

    def __init__(self, client: OpenStackClient, seconds: float, full_every: int) -> None:
        """`seconds`: how long one backup may take; Cinder reads the whole volume for it. `full_every`: after so many on
        top of each other the next one is full."""
        self._client = client
        self._patience = Patience(seconds, client.patience.interval)
        self._full_every = full_every

    @property
    def _storage(self) -> Any:
        return self._client.storage

    def latest(self) -> Any | None:
        """Of all volumes of the project."""
        storage = self._storage
        listed = partial(storage.backups, details=True, limit=1)
        return self._client.call("list backups", lambda: next(iter(listed()), None))

    def were_taken_lately(self) -> bool:
        """The newest backup shows that a service was there a moment ago."""
        latest = self.latest()
        if latest is None or latest.status != "available":
            return False
        moment = datetime.fromisoformat(latest.updated_at or latest.created_at)
        return datetime.now(UTC) - moment.replace(tzinfo=UTC) < _FRESH

    def try_out(self, op: Operation, volume_id: str, container: str | None) -> None:
        """Backs up a volume of ours that has no other purpose, once somebody is there to do it; its name is
        `trial_name`. Raises CloudError if nobody comes."""
        wish = Wish(0, Disk(volume_id, GIB), None, incremental=False, container=container)
        begun = self._begin(op, wish, _TRIAL, incremental=False)
        self._taken(op, wish, _TRIAL, begun, incremental=False)

    def base(self, op: Operation, mechanism: str, disk: Disk, point: Point | None) -> Point | None:
        """The backup that the replica holds, if a new one can be compared with it; else an event says why not."""
        if point is None:
            return None
        if point.mechanism != mechanism:
            why = f"the last run read it through {point.mechanism}"
        elif point.size_gb != gib(disk.size_bytes):
            why = f"it had {point.size_gb} GiB in the last run"
        elif not self._available(point.id):
            why = f"backup {point.id} of the last run is gone"
        else:
            return point
        op.event(EventLevel.WARNING, f"Disk {disk.id} is read in full: {why}.")
        return None

    def may_build_on(self, base: Point | None) -> bool:
        return base is not None and len(base.chain) + 1 < self._full_every

    def make(self, op: Operation, wishes: Sequence[Wish]) -> list[Made]:
        """Asked for all together, then waited for. Where an incremental one fails, a full one is made instead."""
        begun = [self._asked(op, wish) for wish in wishes]
        made = []
        for place, (wish, asked) in enumerate(zip(wishes, begun, strict=True)):
            op.progress("Backing up volumes", place, len(begun))
            made.append(self._finish(op, wish, asked))
        op.progress("Backing up volumes", len(begun), len(begun))
        return made

    def _asked(self, op: Operation, wish: Wish) -> Kept | CloudError:
        """The refusal of an incremental backup."""
        try:
            return self._begin(op, wish, _NAMES[0], incremental=wish.incremental)
        except CloudError as error:
            if not wish.incremental or error.retryable:
                raise
            return error

    def _finish(self, op: Operation, wish: Wish, asked: Kept | CloudError) -> Made:
        try:
            if isinstance(asked, CloudError):
                raise asked
            asked, backup = self._taken(op, wish, _NAMES[0], asked, incremental=wish.incremental)
        except CloudError as error:
            if not wish.incremental or error.retryable or _NO_SERVICE in error.message:
                raise
            text = f"Disk {wish.disk.id} is backed up in full: an incremental backup failed. {error.message}"
            op.event(EventLevel.WARNING, text)
            self.remove(op, op.name(_NAMES[0], str(wish.number)))
            full = self._begin(op, wish, _NAMES[1], incremental=False)
            return Made(*self._taken(op, wish, _NAMES[1], full, incremental=False), on_top=False)
        # Cinder takes the latest earlier backup as the parent, or says that there is none.
        return Made(asked, backup, on_top=wish.incremental and bool(backup.is_incremental))

    def _taken(
        self, op: Operation, wish: Wish, label: str, kept: Kept, *, incremental: bool
    ) -> tuple[Kept, Any]:
        """The backup once it is made; begun anew where no service was there to take it, unless it is of a snapshot,
        which cannot be backed up again then (see `trial`)."""
        deadline = time.monotonic() + _SERVICE_SECONDS
        while True:
            try:
                return kept, self._wait(op, wish, kept)
            except CloudError as error:
                lost = _NO_SERVICE not in error.message or wish.snapshot_id is not None
                if lost or time.monotonic() > deadline:
                    raise
            self.remove(op, kept.name)
            op.sleep(_SERVICE_PAUSE)
            kept = self._begin(op, wish, label, incremental=incremental)

    def _begin(self, op: Operation, wish: Wish, label: str, *, incremental: bool) -> Kept:
        name = op.name(label, str(wish.number))
        wanted: dict[str, Any] = {
            "name": name,
            "volume_id": wish.disk.id,
            "is_incremental": incremental,
            "force": True,  # the volume is in use by the running instance
            "container": wish.container,
            "snapshot_id": wish.snapshot_id,
        }
        wanted = {key: value for key, value in wanted.items() if value is not None}

        def create() -> str:
            action = f"back up volume {wish.disk.id}"
            made = self._client.call(action, lambda: self._storage.create_backup(**wanted), idempotent=False)
            return str(made.id)

        cloud_id = create_resource(
            op,
            ResourceKind.BACKUP,
            name,
            find=lambda: next(iter(self._ids(name)), None),
            create=create,
            discard=partial(self._delete, name),
        )
        return Kept(ResourceKind.BACKUP, cloud_id, name)

    def _wait(self, op: Operation, wish: Wish, kept: Kept) -> Any:
        read = partial(self._storage.get_backup, kept.id)

        def look() -> Any | None:
            backup = self._client.call(f"read backup {kept.name}", read)
            if str(backup.status).startswith("error"):
                action, reason = f"back up volume {wish.disk.id}", backup.fail_reason or "it says no reason"
                raise CloudError(cloud=self._client.cloud, action=action, reason=reason)
            op.progress(f"Backing up volume {wish.disk.id}")  # it may take hours, and is no stall
            return backup if backup.status == "available" else None

        action = f"wait for the backup of volume {wish.disk.id}"
        return wait_until(op, look, self._patience, cloud=self._client.cloud, action=action)

    def of_volume(self, volume_id: str) -> list[Any]:
        """Those that can be read, whoever made them."""
        listed = self._client.rows(
            "list backups", lambda: self._storage.backups(details=True, volume_id=volume_id)
        )
        return [backup for backup in listed if backup.status == "available"]

    def _available(self, backup_id: str) -> bool:
        found = self._client.optional(
            f"read backup {backup_id}", partial(self._storage.get_backup, backup_id)
        )
        return found is not None and found.status == "available"

    def names_of(self, op: Operation, number: int) -> tuple[str, ...]:
        """That this run may have given to backups of a disk; the one that lies on the others first."""
        return tuple(op.name(label, str(number)) for label in reversed(_NAMES))

    def remove(self, op: Operation, name: str) -> None:
        remove_resource(
            op,
            ResourceKind.BACKUP,
            name,
            find=lambda: self._ids(name),
            delete=partial(self._delete, name),
            exists=self._exists,
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def _ids(self, name: str) -> list[str]:
        return [b.id for b in self._client.rows("list backups", lambda: self._storage.backups(name=name))]

    def _exists(self, backup_id: str) -> bool:
        """Raises CloudError for one that failed to be deleted."""
        found = self._client.optional("read a backup", partial(self._storage.get_backup, backup_id))
        if found is not None and found.status == "error_deleting":
            reason = f"backup {found.name} is in error_deleting"
            raise CloudError(cloud=self._client.cloud, action="delete a backup", reason=reason)
        return found is not None

    def _delete(self, name: str, backup_id: str) -> None:
        self._client.call(f"delete backup {name}", lambda: self._storage.delete_backup(backup_id))


def trial_name(op: Operation) -> str:
    return op.name(_TRIAL, "0")
