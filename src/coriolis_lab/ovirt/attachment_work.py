"""Attaching and detaching disks, hot or cold.

The caller holds the engine's lock. Plugging is done before the answer, as the engine does; unplugging goes on
after it, and the attachment's `active` tells when the guest has let go.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.backup_work import check_no_backup, forget_checkpoints
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import (
    DISK_ATTACHED,
    DISK_DETACHED,
    DISK_PLUG_FAILED,
    DISK_PLUGGED,
    DISK_UNPLUG_FAILED,
    DISK_UNPLUGGED,
    EventKind,
)
from coriolis_lab.ovirt.launch import BUSES, vm_disk
from coriolis_lab.ovirt.records import Attachment, Disk, DiskStatus, Job, Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, disks_locked, failed, incomplete
from coriolis_lab.ovirt.tasks import Task

PLUG_SECONDS = 120.0
HOT_INTERFACES = ("virtio", "virtio_scsi")
# no driver of theirs knows the controller
WITHOUT_VIRTIO_SCSI = ("windows_xp", "windows_2003", "windows_2003x64")
STEADY = (VmStatus.UP, VmStatus.DOWN)


def read_attachment(body: Node, disk_id: str) -> Attachment:
    """`active` defaults to false, whatever one would expect."""
    interface = body.choice("interface", tuple(BUSES))
    if interface is None:
        raise incomplete("DiskAttachment", "interface", "add")
    return Attachment(
        disk_id=disk_id,
        interface=interface,
        active=bool(body.boolean("active")),
        bootable=bool(body.boolean("bootable")),
        read_only=bool(body.boolean("read_only")),
        pass_discard=bool(body.boolean("pass_discard")),
        uses_scsi_reservation=bool(body.boolean("uses_scsi_reservation")),
    )


def check_attachable(engine: Engine, vm: Vm, disk: Disk, attachment: Attachment) -> None:
    check_steady(vm, "attach")
    if disk.is_locked:
        raise disks_locked("attach", "Virtual Disk", [disk.alias])
    if disk.status == DiskStatus.ILLEGAL:
        raise conflict(
            "Cannot attach Virtual Disk. Disk is in an illegal state. "
            "Disks in an illegal state can only be deleted."
        )
    if disk.template_id is not None:
        raise conflict("Cannot attach Virtual Disk. A disk of a Template cannot be attached to a VM.")
    if disk.id in vm.attachments:
        raise conflict("Cannot attach Virtual Disk. The disk is already attached to VM.")
    users = engine.vms_of_disk(disk.id)
    if users and not disk.shareable:
        raise conflict(
            "Cannot attach Virtual Disk. The disk is not shareable and is already attached to a VM."
        )
    center = engine.storage_domains[disk.storage_domain_id].data_center_id
    if center != engine.clusters[vm.cluster_id].data_center_id:
        raise conflict(
            "Cannot attach Virtual Disk. The target Data Center does not contain the Virtual Disk."
        )
    check_new_attachment(engine, vm, attachment)


def check_new_attachment(engine: Engine, vm: Vm, attachment: Attachment) -> None:
    check_bootable_free(engine, vm, attachment)
    _check_interface(vm, attachment.interface)
    if attachment.read_only and attachment.interface in ("ide", "sata"):
        raise conflict(
            f"Cannot attach Virtual Disk. {attachment.interface.upper()} disks can't be read-only."
        )
    if attachment.active and vm.status == VmStatus.UP and attachment.interface not in HOT_INTERFACES:
        raise conflict("Cannot hot plug Virtual Disk. The disk interface does not support hot plug.")


def _check_interface(vm: Vm, interface: str) -> None:
    """What the guest system has drivers for, and the chipset a bus."""
    settings = vm.settings
    old_windows = settings.os_type in WITHOUT_VIRTIO_SCSI and interface == "virtio_scsi"
    no_bus = (interface == "ide") != (settings.bios_type == "i440fx_sea_bios") and interface in (
        "ide",
        "sata",
    )
    if old_windows or no_bus:
        raise conflict(
            "Cannot attach Virtual Disk: The disk interface is not supported by the VM OS: "
            f"{settings.os_type}."
        )


def check_bootable_free(engine: Engine, vm: Vm, attachment: Attachment) -> None:
    """One bootable disk a VM."""
    for other in vm.attachments.values():
        if attachment.bootable and other.bootable and other.disk_id != attachment.disk_id:
            alias = engine.disks[other.disk_id].alias
            raise conflict(
                f"Cannot attach Virtual Disk. Disk {alias} in VM {vm.name} is already marked as boot."
            )


def check_steady(vm: Vm, action: str) -> None:
    """Up or down, and nothing in between."""
    if vm.status == VmStatus.IMAGE_LOCKED:
        raise conflict(f"Cannot {action} Virtual Disk: VM is locked. Please try again in a few minutes.")
    if vm.status not in STEADY:
        raise conflict(f"Cannot {action} Virtual Disk. VM {vm.name} must be in status Down, Up or Paused.")
    if vm.locking_snapshot:
        raise conflict(
            f"Cannot {action} Virtual Disk. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )


@dataclass
class Plugging:
    """A disk on its way into a running VM."""

    ended: threading.Event | None = None
    problem: str | None = None

    def wait(self) -> None:
        """Call it without the lock. Raises the engine's 400 where the plug failed: the disk is attached, but
        inactive.
        """
        if self.ended is not None and self.ended.wait(PLUG_SECONDS) and self.problem:
            raise failed(self.problem)


def attach(engine: Engine, vm: Vm, attachment: Attachment, correlation_id: str | None) -> Plugging:
    """Adds a checked attachment; an active one of a running VM is plugged."""
    disk = engine.disks[attachment.disk_id]
    fault = engine.admit("disk.attach", disk.alias)
    job = engine.journal.open_job(f"Attaching Disk {disk.alias} to VM {vm.name}", correlation_id)
    hot = attachment.active and vm.status == VmStatus.UP
    vm.attachments[disk.id] = attachment
    if not hot and fault is None:
        engine.journal.close_job(job, "finished")
        _tell(engine, DISK_ATTACHED, f"Disk {disk.alias} was successfully attached to VM {vm.name}.", job, vm)
        return Plugging()
    return _plug(engine, vm, attachment, job, fault, hot=hot)


def activate(engine: Engine, vm: Vm, attachment: Attachment, correlation_id: str | None) -> Plugging:
    """Plugs a disk that is attached and inactive."""
    disk = engine.disks[attachment.disk_id]
    if disk.is_locked:
        raise disks_locked("activate", "Virtual Disk", [disk.alias])
    if vm.status == VmStatus.UP and attachment.interface not in HOT_INTERFACES:
        raise conflict("Cannot hot plug Virtual Disk. The disk interface does not support hot plug.")
    fault = engine.admit("disk.attach", disk.alias)
    job = engine.journal.open_job(f"Activating Disk {disk.alias} of VM {vm.name}", correlation_id)
    if vm.status == VmStatus.DOWN and fault is None:
        attachment.active = True
        engine.journal.close_job(job, "finished")
        return Plugging()
    return _plug(engine, vm, attachment, job, fault, hot=vm.status == VmStatus.UP)


def _plug(
    engine: Engine, vm: Vm, attachment: Attachment, job: Job, fault: Fault | None, *, hot: bool
) -> Plugging:
    disk = engine.disks[attachment.disk_id]
    attachment.active = False
    disk.status = DiskStatus.LOCKED
    plugging = Plugging()

    def work() -> None:
        if hot:
            engine.hypervisor.attach_disk(vm.id, vm_disk(engine, attachment))

    def done() -> None:
        disk.status = DiskStatus.OK
        attachment.active = True
        _tell(engine, DISK_PLUGGED, f"VM {vm.name} disk {disk.alias} was plugged.", job, vm)

    def not_done(reason: str) -> None:
        disk.status = DiskStatus.OK
        plugging.problem = f"Failed to plug disk {disk.alias} to VM {vm.name}: {reason}"
        _tell(engine, DISK_PLUG_FAILED, plugging.problem, job, vm)

    ended = engine.tasks.start(Task(job, engine.settings.delays.attach, work, done, not_done, fault))
    plugging.ended = None if fault and fault.kind == "stuck" else ended
    return plugging


def deactivate(engine: Engine, vm: Vm, attachment: Attachment, correlation_id: str | None) -> None:
    """Hot-unplugs from a running VM: `active` turns false when the guest has let go."""
    _unplug(engine, vm, attachment, correlation_id, lambda: None)


def detach(
    engine: Engine, vm: Vm, attachment: Attachment, correlation_id: str | None
) -> tuple[Job, threading.Event | None]:
    """The attachment goes, after an unplug where the VM runs; the disk stays."""
    check_detachable(engine, vm, attachment)
    disk = engine.disks[attachment.disk_id]

    def gone() -> None:
        forget_checkpoints(engine, vm, disk.id)
        vm.attachments.pop(disk.id, None)

    return _unplug(engine, vm, attachment, correlation_id, gone)


def check_detachable(engine: Engine, vm: Vm, attachment: Attachment) -> None:
    check_steady(vm, "detach")
    check_no_backup(vm, "detach", "Virtual Disk")
    disk = engine.disks[attachment.disk_id]
    if disk.is_locked:
        raise disks_locked("detach", "Virtual Disk", [disk.alias])
    if engine.has_snapshot(disk.id):
        raise conflict(
            "Cannot detach Virtual Disk. The disk is already configured in a snapshot. "
            "In order to detach it, remove the disk's snapshots."
        )


def _unplug(
    engine: Engine, vm: Vm, attachment: Attachment, correlation_id: str | None, then: Callable[[], None]
) -> tuple[Job, threading.Event | None]:
    disk = engine.disks[attachment.disk_id]
    fault = engine.admit("disk.detach", disk.alias)
    job = engine.journal.open_job(f"Detaching Disk {disk.alias} from VM {vm.name}", correlation_id)
    hot = attachment.active and vm.status == VmStatus.UP
    if not hot and fault is None:
        attachment.active = False
        then()
        engine.journal.close_job(job, "finished")
        _tell(
            engine, DISK_DETACHED, f"Disk {disk.alias} was successfully detached from VM {vm.name}.", job, vm
        )
        return job, None

    def work() -> None:
        if hot:
            engine.hypervisor.detach_disk(vm.id, disk.id)

    def done() -> None:
        attachment.active = False
        then()
        _tell(engine, DISK_UNPLUGGED, f"VM {vm.name} disk {disk.alias} was unplugged.", job, vm)

    def not_done(reason: str) -> None:
        _tell(
            engine,
            DISK_UNPLUG_FAILED,
            f"Failed to unplug disk {disk.alias} from VM {vm.name}: {reason}.",
            job,
            vm,
        )

    return job, engine.tasks.start(Task(job, engine.settings.delays.attach, work, done, not_done, fault))


def _tell(engine: Engine, kind: EventKind, text: str, job: Job, vm: Vm) -> None:
    engine.journal.tell(kind, text, correlation_id=job.correlation_id, vm_id=vm.id)
