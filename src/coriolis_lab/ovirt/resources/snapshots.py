"""Snapshots of a VM, with their disks. Floating disks have none."""

from collections.abc import Callable
from dataclasses import replace

from coriolis_lab.ovirt import preview_work
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import API_ROOT, Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import SUSPENSION, Disk, DiskStatus, Job, Snapshot, SnapshotDisk, Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, gone, illegal_status, incomplete, missing
from coriolis_lab.ovirt.resources import disks as disk_resource
from coriolis_lab.ovirt.resources import nics as nic_resource
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.machines import machine_fields, machine_head
from coriolis_lab.ovirt.snapshot_attachment import check_not_attached
from coriolis_lab.ovirt.snapshot_work import check_idle, remove_snapshot, restore_snapshot, take_snapshot
from coriolis_lab.ovirt.web import (
    Call,
    Reply,
    action,
    completed,
    delete,
    empty_list,
    found,
    get,
    post,
    removed,
)


def render(vm: Vm, snapshot: Snapshot) -> Element:
    """The entry of type "active" is the VM as it is now: no disks, no configuration of its own."""
    regular = snapshot.type != "active"
    return entity(
        "snapshot",
        f"vms/{vm.id}/snapshots/{snapshot.id}",
        snapshot.id,
        leaf("date", snapshot.date),
        leaf("persist_memorystate", False),
        leaf("snapshot_status", snapshot.status),
        leaf("snapshot_type", snapshot.type),
        _configuration(vm, snapshot) if regular else None,
        actions=("restore",),
        description=snapshot.description,
        links=("disks", "nics", "cdroms") if regular else (),
    )


def _configuration(vm: Vm, snapshot: Snapshot) -> Element:
    """The VM as it was when the snapshot was taken."""
    settings = snapshot.settings or vm.settings
    fields = (
        leaf("name", snapshot.vm_name),
        *machine_head(settings),
        leaf("creation_time", vm.creation_time),
        *machine_fields(settings),
        reference("cluster", "clusters", vm.cluster_id),
        reference("original_template", "templates", vm.original_template_id),
        leaf("status", "down"),
        reference("template", "templates", vm.template_id),
    )
    return struct("vm", *fields, attributes=(("href", f"{API_ROOT}/vms/{vm.id}"), ("id", vm.id)))


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        return listing(call, "snapshots", vm.snapshots.values(), lambda snapshot: render(vm, snapshot))


def _snapshot(call: Call) -> tuple[Vm, Snapshot]:
    vm = call.engine.vm(call.ids["vm"])
    snapshot = vm.snapshots.get(call.ids["snapshot"])
    if snapshot is None:
        raise gone()
    return vm, snapshot


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(*_snapshot(call)))


def add(call: Call) -> Reply:
    """Of all the VM's disks, or of those named by `<disk_attachments>`."""
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        check_idle(engine, vm, "create")
        if vm.status in SUSPENSION:
            raise illegal_status("create", "Snapshot", vm.status)
        if vm.status not in (VmStatus.UP, VmStatus.DOWN):
            raise conflict("Cannot create Snapshot. The VM must be in status Up or Down.")
        chosen = engine.attached_disks(vm)
        if body.find("disk_attachments") is not None:
            named = {
                node.id for item in body.all("disk_attachments/disk_attachment") for node in item.all("disk")
            }
            chosen = [disk for disk in chosen if disk.id in named]
        illegal = [disk.alias for disk in chosen if disk.status == DiskStatus.ILLEGAL]
        if illegal:
            raise conflict(
                "Cannot create Snapshot. The following attached disks are in ILLEGAL status: "
                f"{', '.join(illegal)} - please remove them and try again."
            )
        description = body.string("description") or ""
        snapshot, ended = take_snapshot(engine, vm, description, chosen, call.correlation_id)
        return Reply(202, render(vm, snapshot), ended)


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm, snapshot = _snapshot(call)
        _check_regular(snapshot, "remove")
        check_idle(engine, vm, "remove")
        check_not_attached(engine, snapshot)
        job, ended = remove_snapshot(engine, vm, snapshot, call.correlation_id)
        return removed(call, job, ended)


def restore(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm, snapshot = _snapshot(call)
        _check_regular(snapshot, "restore")
        check_idle(engine, vm, "restore")
        if vm.status != VmStatus.DOWN:
            raise conflict("Cannot revert to Snapshot. At least one of the VMs is not down.")
        return completed(restore_snapshot(engine, vm, snapshot, call.correlation_id))


def _check_regular(snapshot: Snapshot, verb: str) -> None:
    if snapshot.type != "regular":
        raise conflict(f"Cannot {verb} Snapshot. The operation is only allowed for regular snapshots.")


def preview_snapshot(call: Call) -> Reply:
    """`<action><snapshot id/></action>` on the VM."""
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        node = call.document.find("snapshot")
        if node is None or not node.id:
            raise incomplete("Action", "snapshot.id", "preview")
        snapshot = vm.snapshots.get(node.id)
        if snapshot is None:
            raise missing(f"Snapshot: id={node.id}")
        _check_regular(snapshot, "preview")
        check_idle(engine, vm, "preview")
        if vm.status != VmStatus.DOWN:
            raise conflict("Cannot preview Snapshot. At least one of the VMs is not down.")
        return completed(preview_work.preview(engine, vm, snapshot, call.correlation_id))


def commit_preview(call: Call) -> Reply:
    return _end_preview(call, "commit", preview_work.commit)


def undo_preview(call: Call) -> Reply:
    return _end_preview(call, "undo", preview_work.undo)


def _end_preview(call: Call, verb: str, end: Callable[[Engine, Vm, Snapshot, str | None], Job]) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        kept = preview_work.kept_state(vm)
        if kept is None:
            raise conflict(f"Cannot {verb} Snapshot. VM is not previewing a Snapshot.")
        if vm.status != VmStatus.DOWN:
            raise conflict(f"Cannot {verb} Snapshot. At least one of the VMs is not down.")
        return completed(end(call.engine, vm, kept, call.correlation_id))


def list_disks(call: Call) -> Reply:
    """The same ids as the VM's disks, with the image ids of then."""
    engine = call.engine
    with engine.lock:
        _vm, snapshot = _snapshot(call)
        frozen = [_frozen_disk(engine, entry) for entry in snapshot.disks]
        return listing(call, "disks", frozen, lambda disk: disk_resource.render(engine, disk))


def show_disk(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        _vm, snapshot = _snapshot(call)
        for entry in snapshot.disks:
            if entry.disk_id == call.ids["disk"]:
                return found(disk_resource.render(engine, _frozen_disk(engine, entry)))
    raise gone()


def list_nics(call: Call) -> Reply:
    """The VM's: the lab's snapshots keep settings and disks, and NICs stay as they are."""
    with call.engine.lock:
        vm, _taken = _snapshot(call)
        return listing(call, "nics", vm.nics.values(), lambda nic: nic_resource.render(vm, nic))


def _frozen_disk(engine: Engine, entry: SnapshotDisk) -> Disk:
    return replace(
        engine.disks[entry.disk_id],
        image_id=entry.image_id,
        alias=entry.alias,
        provisioned_size=entry.provisioned_size,
    )


ROUTES = [
    get("vms/{vm}/snapshots", list_all),
    post("vms/{vm}/snapshots", add),
    get("vms/{vm}/snapshots/{snapshot}", show),
    delete("vms/{vm}/snapshots/{snapshot}", remove),
    action("vms/{vm}/snapshots/{snapshot}/restore", restore),
    action("vms/{vm}/previewsnapshot", preview_snapshot),
    action("vms/{vm}/commitsnapshot", commit_preview),
    action("vms/{vm}/undosnapshot", undo_preview),
    get("vms/{vm}/snapshots/{snapshot}/disks", list_disks),
    get("vms/{vm}/snapshots/{snapshot}/disks/{disk}", show_disk),
    get("vms/{vm}/snapshots/{snapshot}/nics", list_nics),
    get("vms/{vm}/snapshots/{snapshot}/cdroms", empty_list("cdroms")),
]
