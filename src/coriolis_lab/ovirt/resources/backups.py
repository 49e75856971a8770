"""Backups of a VM and its checkpoints. The data itself goes through image transfers that name the backup."""

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.backup_work import begin_backup, check_no_backup, remove_checkpoint, tracked_disks
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import (
    MANAGED_BLOCK_STORAGE,
    Backup,
    BackupPhase,
    Checkpoint,
    DiskStatus,
    Vm,
    VmStatus,
    now,
)
from coriolis_lab.ovirt.refusals import conflict, disks_locked, failed, gone, incomplete, invalid, missing
from coriolis_lab.ovirt.resources import disks as disk_resource
from coriolis_lab.ovirt.resources.listing import catalog, listing
from coriolis_lab.ovirt.snapshot_work import in_preview
from coriolis_lab.ovirt.web import (
    UUID,
    ApiRoute,
    Call,
    Reply,
    action,
    completed,
    delete,
    get,
    post,
    removed,
)


def render(_call: Call, backup: Backup) -> Element:
    return entity(
        "backup",
        f"vms/{backup.vm_id}/backups/{backup.id}",
        backup.id,
        leaf("creation_date", backup.creation_date),
        leaf("from_checkpoint_id", backup.from_checkpoint),
        leaf("modification_date", backup.modification_date or backup.creation_date),
        leaf("phase", backup.phase),
        leaf("to_checkpoint_id", backup.to_checkpoint),
        reference("host", "hosts", backup.host_id) if backup.host_id else None,
        reference("vm", "vms", backup.vm_id),
        actions=("finalize",),
        description=backup.description,
        links=("disks",),
    )


def _backups(call: Call) -> list[Backup]:
    return list(call.engine.vm(call.ids["vm"]).backups.values())


def _backup(call: Call) -> tuple[Vm, Backup]:
    vm = call.engine.vm(call.ids["vm"])
    backup = vm.backups.get(call.ids["backup"])
    if backup is None:
        raise gone()
    return vm, backup


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        disk_ids = tuple(node.id for node in body.all("disks/disk") if node.id)
        if not disk_ids:
            raise incomplete("Backup", "disks", "add")
        _check_vm(vm)
        _check_disks(engine, vm, disk_ids)
        base = body.string("from_checkpoint_id") or None
        tracked = tracked_disks(engine, disk_ids)
        known: tuple[str, ...] = ()
        if base is not None:
            if base not in vm.checkpoints:
                raise conflict(f"Cannot backup VM. Checkpoint {base} does not exist in the VM.")
            known = vm.checkpoints[base].disk_ids
        backup = Backup(
            id=_free_id(vm, body),
            vm_id=vm.id,
            disk_ids=disk_ids,
            incremental=frozenset(tracked) & frozenset(known),
            from_checkpoint=base,
            to_checkpoint=new_id() if tracked else None,
            creation_date=now(),
            description=body.string("description") or "",
            host_id=next((h.id for h in engine.hosts.values() if h.cluster_id == vm.cluster_id), None),
        )
        begin_backup(engine, vm, backup, call.correlation_id)
        return Reply(201, render(call, backup))


def _free_id(vm: Vm, body: Node) -> str:
    """Clients may choose the id of a backup."""
    if body.id is None:
        return new_id()
    if not UUID.fullmatch(body.id):
        raise invalid(f"Malformed backup id {body.id}")
    if body.id in vm.backups:
        raise conflict("Cannot backup VM. A backup with the same id already exists.")
    return body.id


def _check_vm(vm: Vm) -> None:
    check_no_backup(vm, "backup", "VM")
    if vm.status not in (VmStatus.UP, VmStatus.DOWN):
        raise conflict("Cannot backup VM. VM must be in status Up or Down.")
    if in_preview(vm):
        raise conflict("Cannot backup VM. VM is previewing a Snapshot.")
    if vm.locking_snapshot:
        raise conflict(
            "Cannot backup VM. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )


def _check_disks(engine: Engine, vm: Vm, disk_ids: tuple[str, ...]) -> None:
    unknown = [disk_id for disk_id in disk_ids if disk_id not in engine.disks]
    if unknown:
        raise conflict(f"Cannot backup VM. The following disk(s) ID(s) does not exist: {', '.join(unknown)}.")
    disks = [engine.disks[disk_id] for disk_id in disk_ids]
    foreign = [
        disk.alias for disk in disks if disk.id not in vm.attachments or not vm.attachments[disk.id].active
    ]
    if foreign:
        raise conflict(
            f"Cannot backup VM. The following disks are not active in the VM: {', '.join(foreign)}."
        )
    managed = [
        disk for disk in disks if engine.storage_domains[disk.storage_domain_id].type == MANAGED_BLOCK_STORAGE
    ]
    if managed:
        raise invalid("Cannot backup VM. Managed Block Storage does not support this operation.")
    locked = [disk.alias for disk in disks if disk.is_locked]
    if locked:
        raise disks_locked("backup", "VM", locked)
    illegal = [disk.alias for disk in disks if disk.status == DiskStatus.ILLEGAL]
    if illegal:
        raise conflict(
            "Cannot backup VM. The following attached disks are in ILLEGAL status: "
            f"{', '.join(illegal)} - please remove them and try again."
        )


def list_disks(call: Call) -> Reply:
    """Each tells whether all of it or only the changes are to be read."""
    engine = call.engine
    with engine.lock:
        _vm, backup = _backup(call)
        chosen = [engine.disks[disk_id] for disk_id in backup.disk_ids if disk_id in engine.disks]
        return listing(
            call,
            "disks",
            chosen,
            lambda disk: disk_resource.render(
                engine, disk, backup_mode="incremental" if disk.id in backup.incremental else "full"
            ),
        )


def finalize(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm, backup = _backup(call)
        if backup.phase != BackupPhase.READY:
            raise conflict(
                f"Cannot stop VM backup. The VM backup is not in READY phase, backup phase is {backup.phase}. "
                "Please try again when the backup is in READY phase."
            )
        active = [item.id for item in engine.transfers.values() if item.backup_id == backup.id]
        if any(not engine.transfers[identifier].has_ended for identifier in active):
            raise conflict("Cannot stop VM backup. Image transfers of the backup are in progress.")
        backup.enter(BackupPhase.FINALIZING)
        return completed(call.done(f"Finalizing VM {vm.name} backup"))


def render_checkpoint(_call: Call, checkpoint: Checkpoint) -> Element:
    return entity(
        "checkpoint",
        f"vms/{checkpoint.vm_id}/checkpoints/{checkpoint.id}",
        checkpoint.id,
        leaf("creation_date", checkpoint.creation_date),
        leaf("parent_id", checkpoint.parent_id),
        leaf("state", "created"),
        reference("vm", "vms", checkpoint.vm_id),
        description=checkpoint.description,
        links=("disks",),
    )


def _checkpoints(call: Call) -> list[Checkpoint]:
    return list(call.engine.vm(call.ids["vm"]).checkpoints.values())


def _checkpoint(call: Call) -> tuple[Vm, Checkpoint]:
    vm = call.engine.vm(call.ids["vm"])
    checkpoint = vm.checkpoints.get(call.ids["checkpoint"])
    if checkpoint is None:
        raise gone()
    return vm, checkpoint


def list_checkpoint_disks(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        _vm, checkpoint = _checkpoint(call)
        known = [engine.disks[disk_id] for disk_id in checkpoint.disk_ids if disk_id in engine.disks]
        return listing(call, "disks", known, lambda disk: disk_resource.render(engine, disk))


def delete_checkpoint(call: Call) -> Reply:
    """The root of the chain first."""
    with call.engine.lock:
        vm, checkpoint = _checkpoint(call)
        check_no_backup(vm, "remove", "VM Checkpoint")
        if checkpoint.parent_id is not None:
            raise conflict(
                "Cannot remove VM Checkpoint. Only the root checkpoint of the chain can be removed."
            )
        try:
            job = remove_checkpoint(call.engine, vm, checkpoint, call.correlation_id)
        except HypervisorError as error:
            raise failed(str(error)) from error
        return removed(call, job)


def backup_of(engine: Engine, identifier: str) -> Backup:
    """By its id alone, as image transfers name it."""
    for vm in engine.vms.values():
        if identifier in vm.backups:
            return vm.backups[identifier]
    raise missing(f"Backup: id={identifier}")


ROUTES: list[ApiRoute] = [
    *catalog("vms/{vm}/backups", "backups", _backups, render, "backup"),
    post("vms/{vm}/backups", add),
    get("vms/{vm}/backups/{backup}/disks", list_disks),
    action("vms/{vm}/backups/{backup}/finalize", finalize),
    *catalog("vms/{vm}/checkpoints", "checkpoints", _checkpoints, render_checkpoint, "checkpoint"),
    get("vms/{vm}/checkpoints/{checkpoint}/disks", list_checkpoint_disks),
    delete("vms/{vm}/checkpoints/{checkpoint}", delete_checkpoint),
]
