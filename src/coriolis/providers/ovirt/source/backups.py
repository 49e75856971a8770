"""Backups of a VM: all its disks at one point in time, read through image transfers while the VM goes on.

Each backup leaves a checkpoint, from which the next one can tell what changed. The engine removes only the oldest
checkpoint of a VM, so those of runs that failed go with the next one that succeeds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudError, Conflict
from coriolis.model.enums import ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, delete_and_wait, run_all, wait_until
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.image_transfers import ImageTransfers, TransferPlan

ROLE = "backup"
_PHASE = types.BackupPhase
_ENDED = (_PHASE.SUCCEEDED, _PHASE.FAILED)


@dataclass(frozen=True, slots=True)
class Point:
    """What a replica holds: a checkpoint of a VM. Text, for the record."""

    vm_id: str
    checkpoint_id: str

    def __str__(self) -> str:
        return f"{self.vm_id}/{self.checkpoint_id}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        vm_id, _, checkpoint_id = text.partition("/")
        return cls(vm_id, checkpoint_id)


class Backups:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._transfers = ImageTransfers(client)

    def open(self, op: Operation, instance: Instance, since: Point | None) -> tuple[ImageDisk, ...]:
        """The disks of the instance as they are now, ready to be read. `since`: an existing checkpoint.

        The caller has closed what an earlier attempt left.
        """
        op.progress("Starting a backup of the VM")
        backup_id = self._begin(op, instance, since)
        backup = self._wait_ready(op, instance, backup_id)
        point = self._record_checkpoint(op, instance, backup)
        modes = self._modes(instance.id, backup_id)
        plans = {disk.id: _plan(op, disk, backup_id) for disk in instance.disks}
        begun = {disk.id: self._transfers.begin(op, plans[disk.id]) for disk in instance.disks}
        images = []
        for number, disk in enumerate(instance.disks):
            op.progress("Opening the disks of the backup", number, len(instance.disks))
            incremental = modes.get(disk.id) == types.DiskBackupMode.INCREMENTAL and since is not None
            image = self._transfers.opened(
                op,
                plans[disk.id],
                begun[disk.id],
                subject=disk.id,
                size=disk.size_bytes,
                point=str(point) if point is not None else None,
                since=str(since) if incremental else None,
            )
            images.append(image)
        op.progress("Opening the disks of the backup", len(images), len(images))
        return tuple(images)

    def close(self, op: Operation, instance: Instance) -> None:
        """Ends the transfers, then the backup. The VM's checkpoints stay."""
        row = op.ledger.find(ResourceKind.BACKUP, op.name(ROLE))
        if row is None:
            return
        for backup_id in [row.cloud_id] if row.cloud_id else self._running(op, instance.id):
            plans = [_plan(op, disk, backup_id) for disk in instance.disks]
            run_all([partial(self._transfers.close, op, plan) for plan in plans])
            self._finalize(op, instance, backup_id)
        op.ledger.removed(ResourceKind.BACKUP, op.name(ROLE))

    def prune(self, op: Operation, vm_id: str, kept: Collection[str]) -> None:
        """Removes the checkpoints that are ours, from the oldest on, as far as to one that is `kept` (ids) or not ours:
        the engine removes no other."""
        service = self._client.system.vms_service().vm_service(vm_id).checkpoints_service()
        listed = self._client.optional("list checkpoints", service.list) or []
        oldest_first = _in_order(listed)
        blocked = False
        for checkpoint in oldest_first:
            if op.ledger.find(ResourceKind.CHECKPOINT, checkpoint.id) is None:
                blocked = True
            elif checkpoint.id in kept:
                blocked = True
                op.ledger.keep(ResourceKind.CHECKPOINT, checkpoint.id, f"for the next run of VM {vm_id}")
            elif blocked:
                reason = "goes with the next run that succeeds: the engine removes only a VM's oldest"
                op.ledger.keep(ResourceKind.CHECKPOINT, checkpoint.id, reason)
            else:
                self._remove(op, service, checkpoint.id)

    def has(self, point: Point) -> bool:
        service = self._client.system.vms_service().vm_service(point.vm_id).checkpoints_service()
        get = service.checkpoint_service(point.checkpoint_id).get
        return self._client.optional("read a checkpoint", get) is not None

    def forget_if_gone(self, op: Operation, point: Point) -> None:
        """Somebody deleted it, or the VM, or detached a disk that it was about."""
        if op.ledger.find(ResourceKind.CHECKPOINT, point.checkpoint_id) is not None and not self.has(point):
            op.ledger.removed(ResourceKind.CHECKPOINT, point.checkpoint_id)

    def _begin(self, op: Operation, instance: Instance, since: Point | None) -> str:
        name = op.name(ROLE)
        wanted = types.Backup(
            disks=[types.Disk(id=disk.id) for disk in instance.disks],
            description=name,
            from_checkpoint_id=since.checkpoint_id if since is not None else None,
        )
        add = self._service(instance.id).add

        def create() -> str:
            made = self._client.call(
                f"start a backup of VM {instance.name}",
                lambda: add(wanted, query=self._client.query),
                idempotent=False,
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.BACKUP,
            name,
            find=lambda: next(iter(self._running(op, instance.id)), None),
            create=create,
            discard=partial(self._ask_to_finalize, instance.id),
        )

    def _running(self, op: Operation, vm_id: str) -> list[str]:
        """The engine runs one backup of a VM at a time."""
        listed = self._client.optional("list backups", self._service(vm_id).list) or []
        return [b.id for b in listed if b.description == op.name(ROLE) and b.phase not in _ENDED]

    def _wait_ready(self, op: Operation, instance: Instance, backup_id: str) -> Any:
        action = f"start a backup of VM {instance.name}"

        def look() -> Any | None:
            backup = self._get(instance.id, backup_id)
            if backup is None or backup.phase in _ENDED:
                reason = "the engine gave it up: see its events"
                raise CloudError(cloud=self._client.cloud, action=action, reason=reason)
            return backup if backup.phase == _PHASE.READY else None

        return wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def _record_checkpoint(self, op: Operation, instance: Instance, backup: Any) -> Point | None:
        """None for a VM none of whose disks records changes."""
        checkpoint_id = backup.to_checkpoint_id
        if not checkpoint_id or not self.has(Point(instance.id, checkpoint_id)):
            return None
        with op.ledger.creating(ResourceKind.CHECKPOINT, checkpoint_id) as row:
            row.created(checkpoint_id)
        return Point(instance.id, checkpoint_id)

    def _modes(self, vm_id: str, backup_id: str) -> Mapping[str, Any]:
        service = self._service(vm_id).backup_service(backup_id).disks_service()
        listed = self._client.call("list the disks of a backup", service.list)
        return {disk.id: disk.backup_mode for disk in listed}

    def _finalize(self, op: Operation, instance: Instance, backup_id: str) -> None:
        def look() -> bool | None:
            backup = self._get(instance.id, backup_id)  # engines before 4.4.7 forget it at its end
            if backup is None or backup.phase in _ENDED:
                return True
            if backup.phase == _PHASE.READY:
                self._record_checkpoint(op, instance, backup)
                self._ask_to_finalize(instance.id, backup_id)
            return None

        action = f"end the backup of VM {instance.name}"
        wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def _ask_to_finalize(self, vm_id: str, backup_id: str) -> None:
        service = self._service(vm_id).backup_service(backup_id)
        try:
            self._client.call("end a backup", lambda: service.finalize(query=self._client.query))
        except Conflict:
            return  # its phase has changed meanwhile, or a transfer has not quite ended; the next look tells

    def _remove(self, op: Operation, service: Any, checkpoint_id: str) -> None:
        checkpoint = service.checkpoint_service(checkpoint_id)

        def delete(_: str) -> None:
            self._client.call("delete a checkpoint", lambda: checkpoint.remove(query=self._client.query))

        delete_and_wait(
            op,
            checkpoint_id,
            delete=delete,
            exists=lambda _: self._client.optional("read a checkpoint", checkpoint.get) is not None,
            patience=self._client.patience,
            cloud=self._client.cloud,
            what=f"checkpoint {checkpoint_id}",
        )
        op.ledger.removed(ResourceKind.CHECKPOINT, checkpoint_id)

    def _get(self, vm_id: str, backup_id: str) -> Any | None:
        return self._client.optional("read a backup", self._service(vm_id).backup_service(backup_id).get)

    def _service(self, vm_id: str) -> Any:
        return self._client.system.vms_service().vm_service(vm_id).backups_service()


def _plan(op: Operation, disk: Disk, backup_id: str) -> TransferPlan:
    download = types.ImageTransferDirection.DOWNLOAD
    return TransferPlan(op.name("read", disk.id[:8]), disk.id, download, backup_id)


def _in_order(checkpoints: Sequence[Any]) -> list[Any]:
    """The oldest first: each names its parent."""
    by_parent = {checkpoint.parent_id or "": checkpoint for checkpoint in checkpoints}
    ids = {checkpoint.id for checkpoint in checkpoints}
    found = [checkpoint for checkpoint in checkpoints if (checkpoint.parent_id or "") not in ids][:1]
    while found and (following := by_parent.get(found[-1].id)) is not None:
        found.append(following)
    return found
