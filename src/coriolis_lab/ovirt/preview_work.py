"""Trying a snapshot out: the VM's disks go back to it, until the preview is committed or undone.

What the disks were before is kept in a snapshot of type "preview". The caller holds the engine's lock.
"""

from collections.abc import Callable
from dataclasses import replace

from coriolis_lab.ovirt.backup_work import forget_checkpoints
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import SNAPSHOT_RESTORE_FAILED, SNAPSHOT_RESTORED
from coriolis_lab.ovirt.records import Disk, DiskStatus, Job, Snapshot, Vm, VmStatus, now
from coriolis_lab.ovirt.snapshot_work import snapshot_entry
from coriolis_lab.ovirt.tasks import Task

KEPT = "Active VM before the preview"


def kept_state(vm: Vm) -> Snapshot | None:
    """What the VM was before the preview that it is in; None outside of one."""
    return next((snapshot for snapshot in vm.snapshots.values() if snapshot.type == "preview"), None)


def preview(engine: Engine, vm: Vm, snapshot: Snapshot, correlation_id: str | None) -> Job:
    disks = _disks(engine, snapshot)
    kept = Snapshot(
        id=new_id(),
        vm_id=vm.id,
        description=KEPT,
        date=now(),
        type="preview",
        settings=vm.settings,
        vm_name=vm.name,
        disks=[snapshot_entry(engine, vm, disk) for disk in engine.attached_disks(vm)],
    )
    vm.snapshots[kept.id] = kept
    snapshot.status = "in_preview"

    def work() -> None:
        engine.hypervisor.snapshot_disks({entry.disk_id: entry.image_id for entry in kept.disks})
        for entry in snapshot.disks:
            engine.hypervisor.revert_disk(entry.disk_id, entry.image_id)

    def done() -> None:
        _show(engine, vm, snapshot)

    def undone() -> None:
        vm.snapshots.pop(kept.id)
        snapshot.status = "ok"

    return _start(
        engine,
        vm,
        disks,
        f"Previewing Snapshot of VM {vm.name}",
        work=work,
        done=done,
        undone=undone,
        correlation_id=correlation_id,
    )


def commit(engine: Engine, vm: Vm, kept: Snapshot, correlation_id: str | None) -> Job:
    """The previewed state stays; later snapshots and the state before go."""
    previewed = _previewed(vm)
    later = [
        other for other in vm.snapshots.values() if other.type == "regular" and other.date > previewed.date
    ]

    def work() -> None:
        for other in (*later, kept):
            for entry in other.disks:
                engine.hypervisor.delete_snapshot(entry.image_id)

    def done() -> None:
        previewed.status = "ok"
        for other in (*later, kept):
            vm.snapshots.pop(other.id, None)

    disks = _disks(engine, previewed)
    text = f"Committing the previewed Snapshot of VM {vm.name}"
    return _start(
        engine, vm, disks, text, work=work, done=done, undone=lambda: None, correlation_id=correlation_id
    )


def undo(engine: Engine, vm: Vm, kept: Snapshot, correlation_id: str | None) -> Job:
    """As if there had been no preview."""
    previewed = _previewed(vm)

    def work() -> None:
        for entry in kept.disks:
            engine.hypervisor.revert_disk(entry.disk_id, entry.image_id)
            engine.hypervisor.delete_snapshot(entry.image_id)

    def done() -> None:
        _show(engine, vm, kept)
        previewed.status = "ok"
        vm.snapshots.pop(kept.id)

    disks = _disks(engine, kept)
    text = f"Undoing the preview of a Snapshot of VM {vm.name}"
    return _start(
        engine, vm, disks, text, work=work, done=done, undone=lambda: None, correlation_id=correlation_id
    )


def _start(
    engine: Engine,
    vm: Vm,
    disks: list[Disk],
    description: str,
    *,
    work: Callable[[], None],
    done: Callable[[], None],
    undone: Callable[[], None],
    correlation_id: str | None,
) -> Job:
    """Locks VM and disks while it works; `undone` takes back what was noted when it fails."""
    vm.status = VmStatus.IMAGE_LOCKED
    for disk in disks:
        disk.status = DiskStatus.LOCKED
    job = engine.journal.open_job(description, correlation_id)

    def unlock() -> None:
        vm.status = VmStatus.DOWN
        for disk in disks:
            disk.status = DiskStatus.OK

    def finished() -> None:
        unlock()
        done()
        text = f"{description} has been completed."
        engine.journal.tell(SNAPSHOT_RESTORED, text, correlation_id=job.correlation_id, vm_id=vm.id)

    def failed(reason: str) -> None:
        unlock()
        undone()
        text = f"{description} failed: {reason}."
        engine.journal.tell(SNAPSHOT_RESTORE_FAILED, text, correlation_id=job.correlation_id, vm_id=vm.id)

    engine.tasks.start(Task(job, engine.settings.delays.snapshot, work, finished, failed))
    return job


def _show(engine: Engine, vm: Vm, snapshot: Snapshot) -> None:
    """The VM has the disks and settings of the snapshot."""
    for entry in snapshot.disks:
        forget_checkpoints(engine, vm, entry.disk_id)
        engine.disks[entry.disk_id].image_id = new_id()
    vm.attachments = {entry.disk_id: replace(entry.attachment) for entry in snapshot.disks}
    if snapshot.settings is not None:
        vm.settings = replace(snapshot.settings, delete_protected=vm.settings.delete_protected)


def _previewed(vm: Vm) -> Snapshot:
    return next(snapshot for snapshot in vm.snapshots.values() if snapshot.status == "in_preview")


def _disks(engine: Engine, snapshot: Snapshot) -> list[Disk]:
    return [engine.disks[entry.disk_id] for entry in snapshot.disks if entry.disk_id in engine.disks]
