"""Making, changing, copying and deleting disks. The caller holds the engine's lock."""

import threading
from dataclasses import replace

from coriolis_lab.ovirt.disk_rules import BACKUPS, check_configuration, initial_space, rounded
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import (
    DISK_ADD_FAILED,
    DISK_ADDED,
    DISK_COPIED,
    DISK_COPY_FAILED,
    DISK_REMOVE_FAILED,
    DISK_REMOVED,
    DISK_UPDATED,
)
from coriolis_lab.ovirt.names import check_alias
from coriolis_lab.ovirt.records import Disk, DiskStatus, Job, StorageDomain
from coriolis_lab.ovirt.refusals import conflict, disks_locked
from coriolis_lab.ovirt.tasks import Task


def check_unlocked(disk: Disk, action: str, target: str = "Virtual Disk") -> None:
    if disk.is_locked:
        raise disks_locked(action, target, [disk.alias])


def check_not_plugged(engine: Engine, disk: Disk, action: str) -> None:
    """Refused while a VM that is not down sees the disk."""
    users = [
        vm.name for vm in engine.vms_of_disk(disk.id) if vm.is_running and vm.attachments[disk.id].active
    ]
    if users:
        names = ", ".join(users)
        raise conflict(
            f"Cannot {action} Virtual Disk. The disk {disk.alias} is plugged to non-Down VMs: {names}"
        )


def create_disk(engine: Engine, disk: Disk, correlation_id: str | None) -> threading.Event:
    """Registers a new empty disk and makes it; locked until then, illegal if that fails."""
    fault = engine.admit("disk.create", disk.alias)
    engine.disks[disk.id] = disk
    job = engine.journal.open_job(f"Adding Disk {disk.alias}", correlation_id)

    def work() -> None:
        engine.hypervisor.create_disk(disk.id, disk.provisioned_size)

    def done() -> None:
        disk.made = True
        disk.status = DiskStatus.OK
        text = f"The disk '{disk.alias}' was successfully added."
        engine.journal.tell(DISK_ADDED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        disk.status = DiskStatus.ILLEGAL
        text = f"Add-Disk operation failed to complete: {reason}. Disk: {disk.alias}."
        engine.journal.tell(DISK_ADD_FAILED, text, correlation_id=job.correlation_id)

    return engine.tasks.start(Task(job, engine.settings.delays.disk, work, done, failed, fault))


def update_disk(engine: Engine, disk: Disk, body: Node, correlation_id: str | None) -> None:
    """Name, description and flags at once; a larger size grows the disk while it is locked."""
    check_unlocked(disk, "edit")
    alias = body.string("alias") or body.string("name")
    size = body.integer("provisioned_size")
    if alias:
        check_alias(alias)
    if size is not None and size < disk.provisioned_size:
        raise conflict("Cannot edit Virtual Disk size. New disk size must be larger than current disk size.")
    disk.alias = alias or disk.alias
    disk.description = body.string_or("description", disk.description)
    _change_backup(engine, disk, body)
    wipe = body.boolean("wipe_after_delete")
    disk.wipe_after_delete = disk.wipe_after_delete if wipe is None else wipe
    job = engine.journal.open_job(f"Editing Disk {disk.alias}", correlation_id)
    if size is not None and size > disk.provisioned_size:
        _grow(engine, disk, size, job)
    else:
        engine.journal.close_job(job, "finished")
        engine.journal.tell(
            DISK_UPDATED, f"Disk {disk.alias} was updated.", correlation_id=job.correlation_id
        )


def _change_backup(engine: Engine, disk: Disk, body: Node) -> None:
    """A raw disk cannot record what changes; one that has a snapshot is cow by now."""
    backup = body.choice("backup", BACKUPS)
    if backup is None or backup == disk.backup:
        return
    changed = replace(disk, base_format=engine.disk_format(disk), backup=backup)
    check_configuration(changed, engine.storage_domains[disk.storage_domain_id], "edit Virtual Disk")
    disk.backup = backup


def _grow(engine: Engine, disk: Disk, size: int, job: Job) -> None:
    domain = engine.storage_domains[disk.storage_domain_id]
    grown = replace(disk, provisioned_size=rounded(size, domain))
    check_configuration(grown, domain, "extend Virtual Disk")
    if not disk.sparse:
        engine.check_space(domain, grown.provisioned_size - disk.provisioned_size, "extend Virtual Disk")
    disk.status = DiskStatus.LOCKED

    def work() -> None:
        engine.hypervisor.resize_disk(disk.id, grown.provisioned_size)

    def done() -> None:
        disk.provisioned_size = grown.provisioned_size
        disk.status = DiskStatus.OK
        engine.journal.tell(
            DISK_UPDATED, f"Disk {disk.alias} was extended.", correlation_id=job.correlation_id
        )

    def failed(reason: str) -> None:
        disk.status = DiskStatus.OK
        text = f"Failed to extend disk {disk.alias}: {reason}."
        engine.journal.tell(DISK_ADD_FAILED, text, correlation_id=job.correlation_id)

    engine.tasks.start(Task(job, engine.settings.delays.disk, work, done, failed))


def delete_disk(engine: Engine, disk: Disk, correlation_id: str | None) -> tuple[Job, threading.Event]:
    """The disk is locked, then gone, also from the VMs that had it; illegal if that fails."""
    check_unlocked(disk, "remove")
    check_not_plugged(engine, disk, "remove")
    if disk.template_id is not None:
        raise conflict("Cannot remove Virtual Disk. Disk is attached to a Template.")
    fault = engine.admit("disk.delete", disk.alias)
    disk.status = DiskStatus.LOCKED
    job = engine.journal.open_job(f"Removing Disk {disk.alias}", correlation_id)

    def work() -> None:
        destroy_disks(engine, [disk])

    def done() -> None:
        forget_disk(engine, disk)
        text = f"Disk {disk.alias} was successfully removed."
        engine.journal.tell(DISK_REMOVED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        disk.status = DiskStatus.ILLEGAL
        text = f"Failed to remove disk {disk.alias}: {reason}."
        engine.journal.tell(DISK_REMOVE_FAILED, text, correlation_id=job.correlation_id)

    ended = engine.tasks.start(Task(job, engine.settings.delays.delete, work, done, failed, fault))
    return job, ended


def destroy_disks(engine: Engine, disks: list[Disk]) -> None:
    """On the hypervisor, snapshots included; runs without the lock."""
    with engine.lock:
        made = [disk.id for disk in disks if disk.made]
        images = [
            entry.image_id
            for vm in engine.vms.values()
            for snapshot in vm.snapshots.values()
            for entry in snapshot.disks
            if entry.disk_id in made
        ]
        images += [disk.template_snapshot for disk in disks if disk.template_snapshot]
    for disk_id in made:
        engine.hypervisor.delete_disk(disk_id)
    for image_id in images:
        engine.hypervisor.delete_snapshot(image_id)


def forget_disk(engine: Engine, disk: Disk) -> None:
    engine.disks.pop(disk.id, None)
    for vm in engine.vms.values():
        vm.attachments.pop(disk.id, None)
        for snapshot in vm.snapshots.values():
            snapshot.disks = [entry for entry in snapshot.disks if entry.disk_id != disk.id]


def copy_disk(
    engine: Engine, source: Disk, alias: str, domain: StorageDomain, correlation_id: str | None
) -> tuple[Job, threading.Event]:
    """A new floating disk; both are locked meanwhile."""
    check_unlocked(source, "copy")
    if source.status == DiskStatus.ILLEGAL:
        raise conflict(
            "Cannot copy Virtual Disk. Disk is in an illegal state. "
            "Disks in an illegal state can only be deleted."
        )
    check_not_plugged(engine, source, "copy")
    check_alias(alias)
    copy = replace(
        source,
        id=new_id(),
        alias=alias,
        image_id=new_id(),
        base_format=engine.disk_format(source),
        storage_domain_id=domain.id,
        status=DiskStatus.LOCKED,
        made=False,
        source_image=None,
        template_id=None,
        template_snapshot=None,
    )
    engine.check_space(domain, max(initial_space(copy, domain), source.actual_size), "copy Virtual Disk")
    fault = engine.admit("disk.copy", alias)
    source.status = DiskStatus.LOCKED
    engine.disks[copy.id] = copy
    job = engine.journal.open_job(f"Copying Disk {source.alias} to {alias}", correlation_id)

    def work() -> None:
        clone_content(engine, source, copy.id)

    def done() -> None:
        source.status = DiskStatus.OK
        copy.made = True
        copy.status = DiskStatus.OK
        text = f"The disk {source.alias} was successfully copied to {alias}."
        engine.journal.tell(DISK_COPIED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        source.status = DiskStatus.OK
        copy.status = DiskStatus.ILLEGAL
        text = f"Failed to copy disk {source.alias} to {alias}: {reason}."
        engine.journal.tell(DISK_COPY_FAILED, text, correlation_id=job.correlation_id)

    ended = engine.tasks.start(Task(job, engine.settings.delays.disk, work, done, failed, fault))
    return job, ended


def move_disk(engine: Engine, disk: Disk, domain: StorageDomain, correlation_id: str | None) -> Job:
    """To another domain of the same data centre; locked meanwhile. Snapshots go along."""
    check_unlocked(disk, "move")
    check_not_plugged(engine, disk, "move")
    if disk.storage_domain_id == domain.id:
        raise conflict("Cannot move Virtual Disk. The source and target storage domains are the same.")
    moved = replace(disk, base_format=engine.disk_format(disk), storage_domain_id=domain.id)
    check_configuration(moved, domain, "move Virtual Disk")
    engine.check_space(domain, max(initial_space(moved, domain), disk.actual_size), "move Virtual Disk")
    disk.status = DiskStatus.LOCKED
    job = engine.journal.open_job(f"Moving Disk {disk.alias} to {domain.name}", correlation_id)

    def done() -> None:
        disk.storage_domain_id, disk.status = domain.id, DiskStatus.OK
        text = f"Disk {disk.alias} was moved to {domain.name}."
        engine.journal.tell(DISK_COPIED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        disk.status = DiskStatus.OK
        text = f"Failed to move disk {disk.alias} to {domain.name}: {reason}."
        engine.journal.tell(DISK_COPY_FAILED, text, correlation_id=job.correlation_id)

    # the lab's domains share one directory: nothing is moved but the record
    engine.tasks.start(Task(job, engine.settings.delays.disk, lambda: None, done, failed))
    return job


def sparsify_disk(engine: Engine, disk: Disk, correlation_id: str | None) -> Job:
    """The lab's disks give room back as they are written: it is locked for a moment, and that is all."""
    check_unlocked(disk, "sparsify")
    check_not_plugged(engine, disk, "sparsify")
    if not disk.sparse:
        raise conflict(
            f"Cannot sparsify Virtual Disk. Sparsifying is not supported for preallocated disk {disk.alias}."
        )
    disk.status = DiskStatus.LOCKED
    job = engine.journal.open_job(f"Sparsifying Disk {disk.alias}", correlation_id)

    def unlock(_reason: str = "") -> None:
        disk.status = DiskStatus.OK

    engine.tasks.start(Task(job, engine.settings.delays.disk, lambda: None, unlock, unlock))
    return job


def clone_content(engine: Engine, source: Disk, disk_id: str) -> None:
    """Makes a hypervisor disk with the content of another one; thin over a template's image."""
    if source.source_image is not None:
        engine.hypervisor.disk_from_image(disk_id, source.source_image)
    elif source.template_snapshot is not None:
        engine.hypervisor.disk_from_snapshot(disk_id, source.template_snapshot)
    else:
        engine.hypervisor.copy_disk(source.id, disk_id)
