"""Image transfers: a client reads or writes a disk through the host's image I/O daemon. One thread follows each.

    initializing -> transferring -> finalizing_success -> finished_success
                        | finalize()
    cancel():  cancelled_user   -> finalizing_cleanup -> finished_cleanup    an upload's disk is removed
    trouble:   cancelled_system -> finalizing_failure -> finished_failure    likewise
    pause(), or a client that has been idle for too long: paused_*, until resume()

A raw transfer goes through NBD to whatever the disk is made of. One in the disk's own format that is cow goes
through a file, which is checked and taken over at the end.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.disk_work import clone_content, destroy_disks, forget_disk
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.image_daemon import ImageDaemonError
from coriolis_lab.ovirt.journal import (
    TRANSFER_CANCELLED,
    TRANSFER_FAILED,
    TRANSFER_STARTED,
    TRANSFER_STOPPED,
    TRANSFER_SUCCEEDED,
    EventKind,
)
from coriolis_lab.ovirt.records import Disk, DiskStatus, ImageTransfer, Job, TransferPhase

TICKET_SECONDS = 300
QCOW_OVERHEAD = 1.1
QCOW_HEADER_BYTES = 2 * 64 * 1024
PAUSED = (TransferPhase.PAUSED_SYSTEM, TransferPhase.PAUSED_USER)


def begin_transfer(
    engine: Engine,
    transfer: ImageTransfer,
    correlation_id: str | None,
    backup_url: str | None = None,
    dirty: bool = False,
) -> None:
    """Registers a checked transfer and starts it; the caller holds the engine's lock.

    `backup_url`: what a backup exports for the disk, with changes where it is `dirty`; the disk itself is left
    alone then.
    """
    disk = engine.disks[transfer.disk_id]
    fault = engine.admit("transfer.create", disk.alias)
    engine.transfers[transfer.id] = transfer
    job = engine.journal.open_job(f"Transferring Disk {disk.alias}", correlation_id)
    session = _Session(engine, transfer, disk, job, fault, backup_url, dirty)
    session.tell(TRANSFER_STARTED, f"Image {session.verb} with disk {disk.alias} was initiated.")
    if session.holds_disk:
        disk.status, disk.transferring = DiskStatus.LOCKED, True
    threading.Thread(target=session.follow, name=f"ovirt transfer {disk.alias}", daemon=True).start()


@dataclass
class _Session:
    """The state of the thread that follows one transfer. `undo`: what the end has to put away, last first."""

    engine: Engine
    transfer: ImageTransfer
    disk: Disk
    job: Job
    fault: Fault | None
    backup_url: str | None
    dirty: bool
    undo: list[Callable[[], None]] = field(default_factory=list)
    staged: Path | None = None
    url: str = ""
    size: int = 0

    @property
    def verb(self) -> str:
        return "Upload" if self.transfer.is_upload else "Download"

    @property
    def holds_disk(self) -> bool:
        """A snapshot or a backup of the disk is read while the disk goes on being used."""
        return self.backup_url is None and self.transfer.image_id is None

    def follow(self) -> None:
        engine, pause = self.engine, self.engine.settings.delays.transfer
        if engine.tasks.closing.wait(pause) or (self.fault and self.fault.kind == "stuck"):
            return
        try:
            self._open()
        except (HypervisorError, ImageDaemonError) as error:
            self._stop_by_system(str(error))
        while not engine.tasks.closing.wait(pause):
            if self._step():
                return

    def _step(self) -> bool:
        """One look at the transfer; true once it has ended."""
        phase = self.transfer.phase
        if phase == TransferPhase.TRANSFERRING:
            self._poll()
        elif phase == TransferPhase.RESUMING:
            self._resume()
        elif phase == TransferPhase.FINALIZING_SUCCESS:
            self._finish()
        elif phase == TransferPhase.CANCELLED_USER:
            self._enter(TransferPhase.FINALIZING_CLEANUP)
        elif phase == TransferPhase.CANCELLED_SYSTEM:
            self._enter(TransferPhase.FINALIZING_FAILURE)
        elif phase == TransferPhase.FINALIZING_CLEANUP:
            self._clean_up(TransferPhase.FINISHED_CLEANUP)
        elif phase == TransferPhase.FINALIZING_FAILURE:
            self._clean_up(TransferPhase.FINISHED_FAILURE)
        return self.transfer.has_ended

    def _open(self) -> None:
        """Makes the image accessible, and a ticket for it."""
        fault, self.fault = self.fault, None
        if fault and fault.kind == "error":
            raise HypervisorError(fault.message or "Failed to add a ticket to the image I/O daemon")
        self.engine.image_daemon.ensure()
        self._prepare_image()
        self._put_ticket()
        with self.engine.lock:
            self.transfer.url = f"{self.engine.image_daemon.url}/{self.transfer.ticket_id}"
            if self.transfer.phase == TransferPhase.INITIALIZING:
                self.transfer.phase = TransferPhase.TRANSFERRING

    def _prepare_image(self) -> None:
        engine, transfer, disk = self.engine, self.transfer, self.disk
        self.size = disk.provisioned_size
        if self.backup_url is not None:
            self.url = self.backup_url
            return
        if transfer.image_id is not None:
            self.url = engine.hypervisor.export_snapshot(transfer.id, transfer.image_id)
        elif transfer.converting or transfer.format == "raw":
            self.url = engine.hypervisor.export_disk(
                transfer.id, self._own_disk(), writable=transfer.is_upload
            )
        else:
            self._stage()
            return
        self.undo.append(lambda: engine.hypervisor.close_export(transfer.id))

    def _own_disk(self) -> str:
        """The hypervisor's disk; a template's disk may be without one and is cloned for the time being."""
        if self.disk.made:
            return self.disk.id
        clone = new_id()
        clone_content(self.engine, self.disk, clone)
        self.undo.append(lambda: self.engine.hypervisor.delete_disk(clone))
        return clone

    def _stage(self) -> None:
        """A file in qcow2 beside the disk. For an upload it is empty, with room for a full disk."""
        path = self.engine.settings.root / f"transfer-{self.transfer.id}.qcow2"
        self.undo.append(lambda: path.unlink(missing_ok=True))
        if self.transfer.is_upload:
            path.touch(mode=0o600)
            self.size = math.ceil(self.disk.provisioned_size * QCOW_OVERHEAD) + QCOW_HEADER_BYTES
        else:
            self.engine.hypervisor.write_disk_file(self._own_disk(), path)
            self.size = path.stat().st_size
        self.staged, self.url = path, f"file://{path}"

    def _put_ticket(self) -> None:
        transfer = self.transfer
        ticket_id = transfer.ticket_id or new_id()
        self.engine.image_daemon.put_ticket(
            {
                "uuid": ticket_id,
                "transfer_id": transfer.id,
                "url": self.url,
                "size": self.size,
                "timeout": TICKET_SECONDS,
                "inactivity_timeout": transfer.inactivity_timeout,
                "ops": ["write" if transfer.is_upload else "read"],
                "sparse": self.disk.sparse,
                "dirty": self.dirty,
            }
        )
        transfer.ticket_id = ticket_id

    def _poll(self) -> None:
        """Takes the client's progress from the ticket; an idle client loses its place."""
        transfer, daemon = self.transfer, self.engine.image_daemon
        try:
            ticket = daemon.ticket(transfer.ticket_id)
            daemon.extend_ticket(transfer.ticket_id, TICKET_SECONDS)
        except ImageDaemonError as error:
            self._stop_by_system(str(error))
            return
        with self.engine.lock:
            transfer.active = bool(ticket["active"])
            transfer.transferred = int(ticket["transferred"] or 0)
            idle = not transfer.active and 0 < transfer.inactivity_timeout < ticket["idle_time"]
            if idle and transfer.phase == TransferPhase.TRANSFERRING:
                self.tell(
                    TRANSFER_STOPPED,
                    f"{self.verb} of disk {self.disk.alias} was stopped by the system: the client is inactive.",
                )
                transfer.phase = self._phase_of_idle_client()

    def _phase_of_idle_client(self) -> TransferPhase:
        policy = self.transfer.timeout_policy
        pauses = policy == "pause" or (policy == "legacy" and self.transfer.is_upload)
        return TransferPhase.PAUSED_SYSTEM if pauses else TransferPhase.CANCELLED_SYSTEM

    def _resume(self) -> None:
        """With a new ticket where the old one has expired, under the same URL."""
        try:
            if not self.url:
                self._open()
            else:
                self.engine.image_daemon.delete_ticket(self.transfer.ticket_id)
                self._put_ticket()
        except (HypervisorError, ImageDaemonError) as error:
            self._stop_by_system(str(error))
            return
        self._enter(TransferPhase.TRANSFERRING)

    def _finish(self) -> None:
        """The image is checked and taken over; the disk's status is ok a moment before its lock is gone."""
        fault = self.engine.faults.strike("transfer.finalize", self.disk.alias)
        if fault and fault.kind == "stuck":
            return
        try:
            self._remove_ticket()
            self._verify_image(fault)
            self._put_away()
        except (HypervisorError, ImageDaemonError) as error:
            with self.engine.lock:
                if self.holds_disk and self.transfer.is_upload:
                    self.disk.status = DiskStatus.ILLEGAL
                self.tell(
                    TRANSFER_FAILED, f"{self.verb} of disk {self.disk.alias} failed: {error}", close="failed"
                )
                self.transfer.phase = TransferPhase.FINALIZING_FAILURE
            return
        with self.engine.lock:
            if self.holds_disk:
                self.disk.status = DiskStatus.OK
        self.engine.tasks.closing.wait(self.engine.settings.delays.transfer)
        with self.engine.lock:
            self.disk.transferring = self.disk.transferring and not self.holds_disk
            self.tell(
                TRANSFER_SUCCEEDED, f"{self.verb} of disk {self.disk.alias} was successful.", close="finished"
            )
            self._end(TransferPhase.FINISHED_SUCCESS)

    def _verify_image(self, fault: Fault | None) -> None:
        if fault and fault.kind == "error":
            raise HypervisorError(fault.message or "the image is not valid")
        if self.staged is not None and self.transfer.is_upload:
            self.engine.hypervisor.read_disk_file(self.disk.id, self.staged)

    def _clean_up(self, last: TransferPhase) -> None:
        try:
            self._remove_ticket()
            self._put_away()
        except (HypervisorError, ImageDaemonError):
            return  # the engine tries again at its next look
        engine, doomed = self.engine, self.holds_disk and self.transfer.is_upload
        if doomed:
            with engine.lock:
                self.disk.status = DiskStatus.ILLEGAL
            destroy_disks(engine, [self.disk])
        with engine.lock:
            self.disk.transferring = self.disk.transferring and not self.holds_disk
            if doomed:
                forget_disk(engine, self.disk)
            elif self.holds_disk:
                self.disk.status = DiskStatus.OK
            kind = TRANSFER_CANCELLED if last == TransferPhase.FINISHED_CLEANUP else TRANSFER_FAILED
            self.tell(kind, f"{self.verb} of disk {self.disk.alias} was cleaned up.", close="failed")
            self._end(last)

    def _end(self, phase: TransferPhase) -> None:
        """Engines before 4.4.7 forget a transfer at once: its client sees 404 and looks at the disk."""
        self.transfer.url = None
        self.transfer.phase = phase
        if not self.engine.look.keeps_finished:
            self.engine.transfers.pop(self.transfer.id, None)

    def _remove_ticket(self) -> None:
        if self.transfer.ticket_id:
            self.engine.image_daemon.delete_ticket(self.transfer.ticket_id)

    def _put_away(self) -> None:
        while self.undo:
            self.undo.pop()()

    def _stop_by_system(self, reason: str) -> None:
        with self.engine.lock:
            self.tell(
                TRANSFER_STOPPED,
                f"{self.verb} of disk {self.disk.alias} was stopped by the system: {reason}",
            )
            upload = self.transfer.is_upload
            self.transfer.phase = TransferPhase.PAUSED_SYSTEM if upload else TransferPhase.CANCELLED_SYSTEM

    def _enter(self, phase: TransferPhase) -> None:
        with self.engine.lock:
            self.transfer.phase = phase

    def tell(self, kind: EventKind, text: str, close: str | None = None) -> None:
        """`close`: how the transfer's job ends."""
        journal = self.engine.journal
        journal.tell(kind, text, correlation_id=self.job.correlation_id)
        if close is not None and self.job.end_time is None:
            journal.close_job(self.job, close)
