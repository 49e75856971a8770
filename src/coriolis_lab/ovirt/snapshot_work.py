"""Taking, deleting and restoring snapshots of a VM. The caller holds the engine's lock."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from coriolis_lab.ovirt.backup_work import check_no_backup, forget_checkpoints
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import (
    SNAPSHOT_CREATED,
    SNAPSHOT_FAILED,
    SNAPSHOT_REMOVE_FAILED,
    SNAPSHOT_REMOVED,
    SNAPSHOT_RESTORE_FAILED,
    SNAPSHOT_RESTORED,
    SNAPSHOT_STARTED,
    EventKind,
)
from coriolis_lab.ovirt.records import Disk, DiskStatus, Job, Snapshot, SnapshotDisk, Vm, VmStatus, now
from coriolis_lab.ovirt.refusals import conflict, disks_locked
from coriolis_lab.ovirt.tasks import Task


def check_idle(engine: Engine, vm: Vm, action: str) -> None:
    """No other snapshot at work, no locked disk, no passing status."""
    if vm.locking_snapshot:
        raise conflict(
            f"Cannot {action} Snapshot. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )
    check_no_backup(vm, action, "Snapshot")
    if in_preview(vm):
        raise conflict(f"Cannot {action} Snapshot. VM is previewing a Snapshot.")
    if vm.status == VmStatus.IMAGE_LOCKED:
        raise conflict(f"Cannot {action} Snapshot: VM is locked. Please try again in a few minutes.")
    locked = [disk.alias for disk in engine.attached_disks(vm) if disk.is_locked]
    if locked:
        raise disks_locked(action, "Snapshot", locked)


def in_preview(vm: Vm) -> bool:
    return any(snapshot.type == "preview" for snapshot in vm.snapshots.values())


def take_snapshot(
    engine: Engine, vm: Vm, description: str, disks: Sequence[Disk], correlation_id: str | None
) -> tuple[Snapshot, threading.Event]:
    """All disks at one instant. They keep their ids and get new image ids; a failed one disappears."""
    fault = engine.admit("snapshot.create", vm.name)
    snapshot = Snapshot(
        id=new_id(),
        vm_id=vm.id,
        description=description,
        date=now(),
        status="locked",
        settings=vm.settings,
        vm_name=vm.name,
    )
    entries = [snapshot_entry(engine, vm, disk) for disk in disks]
    vm.snapshots[snapshot.id] = snapshot
    for disk in disks:
        disk.status = DiskStatus.LOCKED
    job = engine.journal.open_job(f"Creating VM Snapshot {description} for VM {vm.name}", correlation_id)
    _tell(
        engine,
        SNAPSHOT_STARTED,
        f"Snapshot '{description}' creation for VM '{vm.name}' was initiated.",
        job,
        vm,
    )

    def work() -> None:
        if entries:
            engine.hypervisor.snapshot_disks({entry.disk_id: entry.image_id for entry in entries})

    def done() -> None:
        snapshot.disks = entries
        for disk in disks:
            disk.image_id = new_id()
            disk.status = DiskStatus.OK
        snapshot.status = "ok"
        _tell(
            engine,
            SNAPSHOT_CREATED,
            f"Snapshot '{description}' creation for VM '{vm.name}' has been completed.",
            job,
            vm,
        )

    def failed(reason: str) -> None:
        for disk in disks:
            disk.status = DiskStatus.OK
        vm.snapshots.pop(snapshot.id, None)
        text = f"Failed to complete snapshot '{description}' creation for VM '{vm.name}': {reason}."
        _tell(engine, SNAPSHOT_FAILED, text, job, vm)

    return snapshot, engine.tasks.start(Task(job, engine.settings.delays.snapshot, work, done, failed, fault))


def snapshot_entry(engine: Engine, vm: Vm, disk: Disk) -> SnapshotDisk:
    """The disk as it is now."""
    return SnapshotDisk(
        disk_id=disk.id,
        image_id=disk.image_id,
        alias=disk.alias,
        format=engine.disk_format(disk),
        provisioned_size=disk.provisioned_size,
        attachment=replace(vm.attachments[disk.id]),
    )


def remove_snapshot(
    engine: Engine, vm: Vm, snapshot: Snapshot, correlation_id: str | None
) -> tuple[Job, threading.Event]:
    snapshot.status = "locked"
    disks = _lock_disks(engine, snapshot)
    job = engine.journal.open_job(f"Removing Snapshot {snapshot.description} of VM {vm.name}", correlation_id)

    def work() -> None:
        for entry in snapshot.disks:
            engine.hypervisor.delete_snapshot(entry.image_id)

    def done() -> None:
        _unlock(disks)
        vm.snapshots.pop(snapshot.id, None)
        _tell(
            engine,
            SNAPSHOT_REMOVED,
            f"Snapshot '{snapshot.description}' of VM '{vm.name}' was removed.",
            job,
            vm,
        )

    def failed(reason: str) -> None:
        _unlock(disks)
        snapshot.status = "ok"
        text = f"Failed to remove snapshot '{snapshot.description}' of VM '{vm.name}': {reason}."
        _tell(engine, SNAPSHOT_REMOVE_FAILED, text, job, vm)

    return job, engine.tasks.start(Task(job, engine.settings.delays.snapshot, work, done, failed))


def restore_snapshot(engine: Engine, vm: Vm, snapshot: Snapshot, correlation_id: str | None) -> Job:
    """Preview and commit in one: later snapshots go, and disks attached since are dropped from the VM."""
    later = [
        other for other in vm.snapshots.values() if other.type == "regular" and other.date > snapshot.date
    ]
    vm.status = VmStatus.IMAGE_LOCKED
    disks = _lock_disks(engine, snapshot)
    job = engine.journal.open_job(
        f"Restoring VM {vm.name} from Snapshot {snapshot.description}", correlation_id
    )

    def work() -> None:
        for entry in snapshot.disks:
            engine.hypervisor.revert_disk(entry.disk_id, entry.image_id)
        for other in later:
            for entry in other.disks:
                engine.hypervisor.delete_snapshot(entry.image_id)

    def done() -> None:
        _unlock(disks)
        for disk in disks:
            forget_checkpoints(engine, vm, disk.id)
            disk.image_id = new_id()
        for other in later:
            vm.snapshots.pop(other.id, None)
        vm.attachments = {entry.disk_id: replace(entry.attachment) for entry in snapshot.disks}
        if snapshot.settings is not None:
            vm.settings = replace(snapshot.settings, delete_protected=vm.settings.delete_protected)
        vm.status = VmStatus.DOWN
        _tell(
            engine,
            SNAPSHOT_RESTORED,
            f"VM {vm.name} was restored from snapshot '{snapshot.description}'.",
            job,
            vm,
        )

    def failed(reason: str) -> None:
        _unlock(disks)
        vm.status = VmStatus.DOWN
        text = f"Failed to restore VM {vm.name} from snapshot '{snapshot.description}': {reason}."
        _tell(engine, SNAPSHOT_RESTORE_FAILED, text, job, vm)

    engine.tasks.start(Task(job, engine.settings.delays.snapshot, work, done, failed))
    return job


def _lock_disks(engine: Engine, snapshot: Snapshot) -> list[Disk]:
    disks = [engine.disks[entry.disk_id] for entry in snapshot.disks if entry.disk_id in engine.disks]
    for disk in disks:
        disk.status = DiskStatus.LOCKED
    return disks


def _unlock(disks: Sequence[Disk]) -> None:
    for disk in disks:
        disk.status = DiskStatus.OK


def _tell(engine: Engine, kind: EventKind, text: str, job: Job, vm: Vm) -> None:
    engine.journal.tell(kind, text, correlation_id=job.correlation_id, vm_id=vm.id)
