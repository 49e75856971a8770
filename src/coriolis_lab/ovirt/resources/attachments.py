"""Disk attachments of a VM: list, get, add (with a new or an existing disk), update, delete."""

import threading

from coriolis_lab.ovirt.attachment_work import (
    activate,
    attach,
    check_attachable,
    check_bootable_free,
    check_detachable,
    check_new_attachment,
    check_steady,
    deactivate,
    detach,
    read_attachment,
)
from coriolis_lab.ovirt.disk_rules import read_new_disk
from coriolis_lab.ovirt.disk_work import create_disk, delete_disk, update_disk
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.launch import BUSES
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import (
    Attachment,
    DiskStatus,
    SnapshotAttachment,
    Template,
    Vm,
    VmStatus,
)
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources.guest_report import logical_name
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.snapshot_attachment import attach as attach_snapshot
from coriolis_lab.ovirt.snapshot_attachment import detach as detach_snapshot
from coriolis_lab.ovirt.snapshot_attachment import read_wish, set_active
from coriolis_lab.ovirt.web import Call, Reply, delete, found, get, post, put, removed


def render(vm: Vm, attachment: Attachment) -> Element:
    path = f"vms/{vm.id}/diskattachments/{attachment.disk_id}"
    return _render(attachment, path, reference("vm", "vms", vm.id), logical_name(vm, attachment.disk_id))


def render_of_template(template: Template, attachment: Attachment) -> Element:
    path = f"templates/{template.id}/diskattachments/{attachment.disk_id}"
    return _render(attachment, path, reference("template", "templates", template.id))


def _render(attachment: Attachment, path: str, owner: Element, device: str | None = None) -> Element:
    return entity(
        "disk_attachment",
        path,
        attachment.disk_id,
        leaf("active", attachment.active),
        leaf("bootable", attachment.bootable),
        leaf("interface", attachment.interface),
        leaf("logical_name", device),
        leaf("pass_discard", attachment.pass_discard),
        leaf("read_only", attachment.read_only),
        leaf("uses_scsi_reservation", attachment.uses_scsi_reservation),
        reference("disk", "disks", attachment.disk_id),
        owner,
    )


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        frozen = [one.attachment for one in vm.snapshot_attachments.values()]
        items = [*vm.attachments.values(), *frozen]
        return listing(call, "disk_attachments", items, lambda item: render(vm, item))


def _attachment(call: Call) -> tuple[Vm, Attachment]:
    vm = call.engine.vm(call.ids["vm"])
    attachment = vm.attachments.get(call.ids["attachment"])
    if attachment is None:
        raise gone()
    return vm, attachment


def _of_snapshot(call: Call) -> SnapshotAttachment | None:
    vm = call.engine.vm(call.ids["vm"])
    return vm.snapshot_attachments.get(call.ids["attachment"])


def show(call: Call) -> Reply:
    with call.engine.lock:
        placed = _of_snapshot(call)
        if placed is not None:
            return found(render(call.engine.vm(call.ids["vm"]), placed.attachment))
        return found(render(*_attachment(call)))


def add(call: Call) -> Reply:
    """With the id of an existing disk: 201. With the description of a new one: 202, and the disk is locked
    for a while.
    """
    body = call.document
    disk_node = body.find("disk")
    if disk_node is None:
        raise incomplete("DiskAttachment", "disk", "add")
    if disk_node.id is not None and disk_node.find("provisioned_size") is None:
        return _add_existing(call, disk_node.id)
    return _add_new(call, disk_node)


def _add_existing(call: Call, disk_id: str) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        if disk_id not in engine.disks:
            raise missing(f"Disk: id={disk_id}")
        attachment = read_attachment(body, disk_id)
        snapshot_node = body.find("disk/snapshot")
        if snapshot_node is not None and snapshot_node.id:
            placed = attach_snapshot(engine, vm, read_wish(engine, attachment, snapshot_node))
            return Reply(201, render(vm, placed.attachment))
        check_attachable(engine, vm, engine.disks[disk_id], attachment)
        plugging = attach(engine, vm, attachment, call.correlation_id)
    plugging.wait()
    with engine.lock:
        return Reply(201, render(vm, attachment))


def _add_new(call: Call, disk_node: Node) -> Reply:
    """The new disk is plugged into a running VM once it is made."""
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        check_steady(vm, "add")
        disk = read_new_disk(engine, disk_node)
        attachment = read_attachment(body, disk.id)
        check_new_attachment(engine, vm, attachment)
        ended = create_disk(engine, disk, call.correlation_id)
        attachment.active = body.boolean("active") is not False
        vm.attachments[disk.id] = attachment
        if vm.status == VmStatus.UP and attachment.active:
            attachment.active = False
            ended = _plug_later(call, vm, attachment, ended)
        return Reply(202, render(vm, attachment), ended)


def _plug_later(call: Call, vm: Vm, attachment: Attachment, made: threading.Event) -> threading.Event:
    """Once the disk is made; one that failed stays attached, and inactive."""
    engine, ended = call.engine, threading.Event()

    def plug() -> None:
        made.wait()
        with engine.lock:
            disk = engine.disks.get(attachment.disk_id)
            ready = disk is not None and disk.status == DiskStatus.OK and vm.status == VmStatus.UP
            plugging = activate(engine, vm, attachment, call.correlation_id) if ready else None
        if plugging is not None and plugging.ended is not None:
            plugging.ended.wait()
        ended.set()

    threading.Thread(target=plug, name=f"plug into {vm.name}", daemon=True).start()
    return ended


def update(call: Call) -> Reply:
    engine, body = call.engine, call.document
    plugging = None
    with engine.lock:
        placed = _of_snapshot(call)
        if placed is not None:
            vm = engine.vm(call.ids["vm"])
            set_active(engine, vm, placed, active=body.boolean("active") is not False)
            return found(render(vm, placed.attachment))
        vm, attachment = _attachment(call)
        check_steady(vm, "edit")
        _change_properties(engine, vm, attachment, body)
        disk_node = body.find("disk")
        if disk_node is not None and disk_node.children:
            update_disk(engine, engine.disks[attachment.disk_id], disk_node, call.correlation_id)
        wanted = body.boolean("active")
        if wanted is True and not attachment.active:
            plugging = activate(engine, vm, attachment, call.correlation_id)
        elif wanted is False and attachment.active:
            deactivate(engine, vm, attachment, call.correlation_id)
    if plugging is not None:
        plugging.wait()
    with engine.lock:
        return found(render(vm, attachment))


def _change_properties(engine: Engine, vm: Vm, attachment: Attachment, body: Node) -> None:
    """Bus, boot flag and so on: not under the feet of a guest that uses the disk."""
    interface = body.choice("interface", tuple(BUSES)) or attachment.interface
    bootable = body.boolean("bootable")
    bootable = attachment.bootable if bootable is None else bootable
    read_only = body.boolean("read_only")
    read_only = attachment.read_only if read_only is None else read_only
    changed = (interface, bootable, read_only) != (
        attachment.interface,
        attachment.bootable,
        attachment.read_only,
    )
    if changed and vm.status != VmStatus.DOWN and attachment.active:
        raise conflict("Cannot edit Virtual Disk. The VM is not down and the disk is plugged to it.")
    if bootable and not attachment.bootable:
        check_bootable_free(
            engine, vm, Attachment(attachment.disk_id, interface, attachment.active, bootable)
        )
    attachment.interface, attachment.bootable, attachment.read_only = interface, bootable, read_only


def remove(call: Call) -> Reply:
    """`detach_only` defaults to true: the disk stays, floating. False deletes it too."""
    engine = call.engine
    with engine.lock:
        placed = _of_snapshot(call)
        if placed is not None:
            vm = engine.vm(call.ids["vm"])
            detach_snapshot(engine, vm, placed)
            return removed(call, call.done(f"Detaching a snapshot from VM {vm.name}"))
        vm, attachment = _attachment(call)
        if call.flag("detach_only", default=True):
            job, ended = detach(engine, vm, attachment, call.correlation_id)
        else:
            check_steady(vm, "remove")
            if vm.status == VmStatus.UP and attachment.active:
                raise conflict("Cannot remove Virtual Disk. The disk is plugged to a running VM.")
            if engine.has_snapshot(attachment.disk_id):
                check_detachable(engine, vm, attachment)
            job, ended = delete_disk(engine, engine.disks[attachment.disk_id], call.correlation_id)
        return removed(call, job, ended)


ROUTES = [
    get("vms/{vm}/diskattachments", list_all),
    post("vms/{vm}/diskattachments", add),
    get("vms/{vm}/diskattachments/{attachment}", show),
    put("vms/{vm}/diskattachments/{attachment}", update),
    delete("vms/{vm}/diskattachments/{attachment}", remove),
]
