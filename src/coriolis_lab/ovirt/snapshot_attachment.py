"""A disk's snapshot in another VM, as backup programs read one: a layer of its own over the frozen image.

What the guest writes to it goes with the attachment. In the guest it has the disk's own serial. The VM keeps such
attachments apart from those of its disks: they are none of the things that are copied, snapshotted or removed with it.
"""

from dataclasses import dataclass

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.attachment_work import HOT_INTERFACES, check_steady
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import DISK_PLUGGED, DISK_UNPLUGGED, EventKind
from coriolis_lab.ovirt.launch import snapshot_disk
from coriolis_lab.ovirt.records import Attachment, Snapshot, SnapshotAttachment, Vm, VmStatus
from coriolis_lab.ovirt.refusals import RefusalError, conflict, failed, missing


@dataclass(frozen=True)
class Wish:
    """Which snapshot's disk, and how it is to be attached."""

    snapshot: Snapshot
    image_id: str
    attachment: Attachment


def read_wish(engine: Engine, attachment: Attachment, snapshot_node: Node) -> Wish:
    for vm in engine.vms.values():
        snapshot = vm.snapshots.get(snapshot_node.id or "")
        for entry in snapshot.disks if snapshot else ():
            if snapshot is not None and entry.disk_id == attachment.disk_id:
                return Wish(snapshot, entry.image_id, attachment)
    raise missing(f"Snapshot: id={snapshot_node.id}")


def attach(engine: Engine, vm: Vm, wish: Wish) -> SnapshotAttachment:
    """The caller holds the engine's lock; the layer is made within it, which takes a moment."""
    check_steady(vm, "attach")
    attachment = wish.attachment
    if attachment.disk_id in vm.attachments or attachment.disk_id in vm.snapshot_attachments:
        raise conflict("Cannot attach Virtual Disk. The disk is already attached to VM.")
    if wish.snapshot.status != "ok":
        raise conflict(
            "Cannot attach Virtual Disk. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )
    if attachment.active and vm.status == VmStatus.UP and attachment.interface not in HOT_INTERFACES:
        raise conflict("Cannot hot plug Virtual Disk. The disk interface does not support hot plug.")
    placed = SnapshotAttachment(attachment, wish.snapshot.id, new_id())
    hypervisor = engine.hypervisor
    try:
        hypervisor.disk_from_snapshot(placed.layer_id, wish.image_id)
    except HypervisorError as error:
        raise failed(f"Failed to attach the snapshot to VM {vm.name}: {error}") from error
    if attachment.active and vm.status == VmStatus.UP:
        try:
            _plug(engine, vm, placed)
        except RefusalError:
            hypervisor.delete_disk(placed.layer_id)
            raise
    vm.snapshot_attachments[attachment.disk_id] = placed
    _tell(
        engine, vm, DISK_PLUGGED, f"A snapshot of disk {engine.disks[attachment.disk_id].alias} was attached."
    )
    return placed


def _plug(engine: Engine, vm: Vm, placed: SnapshotAttachment) -> None:
    try:
        engine.hypervisor.attach_disk(vm.id, snapshot_disk(engine, placed))
    except HypervisorError as error:
        raise failed(f"Failed to plug the snapshot to VM {vm.name}: {error}") from error


def set_active(engine: Engine, vm: Vm, placed: SnapshotAttachment, *, active: bool) -> None:
    """In or out of the guest, where it runs."""
    check_steady(vm, "edit")
    if placed.attachment.active == active:
        return
    if vm.status == VmStatus.UP and active:
        _plug(engine, vm, placed)
    elif vm.status == VmStatus.UP:
        try:
            engine.hypervisor.detach_disk(vm.id, placed.layer_id)
        except HypervisorError as error:
            raise failed(f"Failed to unplug the snapshot from VM {vm.name}: {error}") from error
    placed.attachment.active = active


def detach(engine: Engine, vm: Vm, placed: SnapshotAttachment) -> None:
    """Out of the guest first, where it runs; then the layer goes."""
    check_steady(vm, "detach")
    set_active(engine, vm, placed, active=False)
    engine.hypervisor.delete_disk(placed.layer_id)
    vm.snapshot_attachments.pop(placed.attachment.disk_id)
    _tell(engine, vm, DISK_UNPLUGGED, f"A snapshot was detached from VM {vm.name}.")


def check_not_attached(engine: Engine, snapshot: Snapshot) -> None:
    """A snapshot stays while another VM reads it."""
    users = [
        f"{engine.disks[placed.attachment.disk_id].alias} / {snapshot.description} / {vm.name}"
        for vm in engine.vms.values()
        for placed in vm.snapshot_attachments.values()
        if placed.snapshot_id == snapshot.id
    ]
    if users:
        listed = "\n ".join(users)
        raise conflict(
            "Cannot remove Snapshot. The following VM's disks snapshots are attached to other VMs (Disk "
            f"Alias/Snapshot Description/VM attached to):\n\n {listed} \n\nPlease detach them from those VMs and try "
            "again."
        )


def _tell(engine: Engine, vm: Vm, kind: EventKind, text: str) -> None:
    engine.journal.tell(kind, text, vm_id=vm.id)
