"""Backups of VMs, and the checkpoints that incremental ones build on.

    initializing -> starting -> ready -> finalizing -> succeeded        or failed, from any of them

Only cow disks that are enabled for it have checkpoints. A new checkpoint follows the newest one of its VM.
"""

import threading
from dataclasses import dataclass

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import DiskBackup, HypervisorError
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import (
    BACKUP_FAILED,
    BACKUP_STARTED,
    BACKUP_SUCCEEDED,
    CHECKPOINT_REMOVED,
    EventKind,
)
from coriolis_lab.ovirt.records import Backup, BackupPhase, Checkpoint, Job, Vm
from coriolis_lab.ovirt.refusals import conflict


def check_no_backup(vm: Vm, action: str, target: str) -> None:
    """check_no_backup(vm, "detach", "Virtual Disk")"""
    if vm.running_backup is not None:
        raise conflict(f"Cannot {action} {target}. The VM is during a backup operation.")


def begin_backup(engine: Engine, vm: Vm, backup: Backup, correlation_id: str | None) -> None:
    """Registers a checked backup and starts it; the caller holds the engine's lock."""
    fault = engine.admit("backup.create", vm.name)
    vm.backups[backup.id] = backup
    job = engine.journal.open_job(f"Creating VM {vm.name} backup", correlation_id)
    session = _Session(engine, vm, backup, job, fault)
    session.tell(BACKUP_STARTED, f"Backup of VM {vm.name} was started.")
    threading.Thread(target=session.follow, name=f"ovirt backup {vm.name}", daemon=True).start()


@dataclass
class _Session:
    """The state of the thread that follows one backup."""

    engine: Engine
    vm: Vm
    backup: Backup
    job: Job
    fault: Fault | None

    def follow(self) -> None:
        pause = self.engine.settings.delays.transfer
        run = self.vm.run
        if not self._start(pause):
            return
        while not self.engine.tasks.closing.wait(pause):
            if self.backup.phase == BackupPhase.FINALIZING:
                self._finish()
            elif run is not self.vm.run:
                self._fail("the VM was started or stopped during the backup")
            if not self.backup.is_under_way:
                return

    def _start(self, pause: float) -> bool:
        engine, backup = self.engine, self.backup
        if engine.tasks.closing.wait(pause) or (self.fault and self.fault.kind == "stuck"):
            return False
        with engine.lock:
            backup.enter(BackupPhase.STARTING)
        if self.fault and self.fault.kind == "error":
            self._fail(self.fault.message or "the host could not start the backup")
            return False
        try:
            urls = engine.hypervisor.start_backup(backup.id, self._wishes())
        except HypervisorError as error:
            self._fail(str(error))
            return False
        with engine.lock:
            backup.urls = dict(urls)
            self._note_checkpoint()
            backup.enter(BackupPhase.READY)
        return True

    def _wishes(self) -> list[DiskBackup]:
        tracked = tracked_disks(self.engine, self.backup.disk_ids)
        return [
            DiskBackup(
                disk_id,
                since=self.backup.from_checkpoint if disk_id in self.backup.incremental else None,
                checkpoint=self.backup.to_checkpoint if disk_id in tracked else None,
            )
            for disk_id in self.backup.disk_ids
        ]

    def _note_checkpoint(self) -> None:
        backup = self.backup
        if backup.to_checkpoint is None:
            return
        parent = next(reversed(self.vm.checkpoints), None)
        disks = tracked_disks(self.engine, backup.disk_ids)
        self.vm.checkpoints[backup.to_checkpoint] = Checkpoint(
            backup.to_checkpoint, self.vm.id, parent, disks, backup.creation_date, backup.description
        )

    def _finish(self) -> None:
        try:
            self.engine.hypervisor.stop_backup(self.backup.id)
        except HypervisorError as error:
            self._fail(str(error))
            return
        with self.engine.lock:
            self._close(BackupPhase.SUCCEEDED)
            self.tell(BACKUP_SUCCEEDED, f"Backup of VM {self.vm.name} was finalized.")

    def _fail(self, reason: str) -> None:
        try:
            self.engine.hypervisor.stop_backup(self.backup.id)
        except HypervisorError as error:
            reason = f"{reason}; {error}"
        with self.engine.lock:
            self._close(BackupPhase.FAILED)
            self.tell(BACKUP_FAILED, f"Backup of VM {self.vm.name} failed: {reason}")

    def _close(self, phase: BackupPhase) -> None:
        """Engines before 4.4.7 forget a backup as soon as it has ended."""
        self.backup.urls = {}
        self.backup.enter(phase)
        self.engine.journal.close_job(self.job, "finished" if phase == BackupPhase.SUCCEEDED else "failed")
        if not self.engine.look.keeps_finished:
            self.vm.backups.pop(self.backup.id, None)

    def tell(self, kind: EventKind, text: str) -> None:
        self.engine.journal.tell(kind, text, correlation_id=self.job.correlation_id, vm_id=self.vm.id)


def tracked_disks(engine: Engine, disk_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Those whose changes are recorded."""
    return tuple(
        disk_id
        for disk_id in disk_ids
        if engine.disks[disk_id].backup == "incremental"
        and engine.disk_format(engine.disks[disk_id]) == "cow"
    )


def remove_checkpoint(engine: Engine, vm: Vm, checkpoint: Checkpoint, correlation_id: str | None) -> Job:
    """The oldest one only; the caller has checked that. Blocks while the host removes it."""
    for disk_id in checkpoint.disk_ids:
        if disk_id in engine.disks:
            engine.hypervisor.delete_checkpoint(checkpoint.id, disk_id)
    vm.checkpoints.pop(checkpoint.id)
    for other in vm.checkpoints.values():
        if other.parent_id == checkpoint.id:
            other.parent_id = None
    job = engine.journal.open_job(f"Removing checkpoint of VM {vm.name}", correlation_id)
    engine.journal.close_job(job, "finished")
    text = f"Checkpoint {checkpoint.id} of VM {vm.name} was removed."
    engine.journal.tell(CHECKPOINT_REMOVED, text, correlation_id=job.correlation_id, vm_id=vm.id)
    return job


def forget_checkpoints(engine: Engine, vm: Vm, disk_id: str) -> None:
    """A detached or reverted disk takes the VM's checkpoints that know it along."""
    for checkpoint in [item for item in vm.checkpoints.values() if disk_id in item.disk_ids]:
        for known in checkpoint.disk_ids:
            if known in engine.disks:
                engine.hypervisor.delete_checkpoint(checkpoint.id, known)
        vm.checkpoints.pop(checkpoint.id)
