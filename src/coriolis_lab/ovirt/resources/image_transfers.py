"""Image transfers: begin one for a disk, a disk snapshot or a backup's disk; finalize, cancel, pause, resume."""

from coriolis_lab.ovirt.disk_work import check_not_plugged, check_unlocked
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import (
    MANAGED_BLOCK_STORAGE,
    Backup,
    BackupPhase,
    Disk,
    DiskStatus,
    ImageTransfer,
    TransferPhase,
)
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid, missing
from coriolis_lab.ovirt.resources.backups import backup_of
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.transfer_work import PAUSED, begin_transfer
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, action, completed, post

ACTIONS = ("extend", "finalize", "cancel", "pause", "resume")
DIRECTIONS = ("download", "upload")
POLICIES = ("legacy", "pause", "cancel")
FORMATS = ("raw", "cow")
INACTIVITY_SECONDS = 60


def render(_call: Call, transfer: ImageTransfer) -> Element:
    """The URLs are there as long as the image can be reached."""
    snapshot = None
    if transfer.image_id is not None:
        snapshot = reference("snapshot", "disksnapshots", transfer.image_id)
    return entity(
        "image_transfer",
        f"imagetransfers/{transfer.id}",
        transfer.id,
        leaf("active", transfer.active),
        leaf("direction", transfer.direction),
        leaf("format", transfer.format),
        leaf("inactivity_timeout", transfer.inactivity_timeout),
        leaf("phase", transfer.phase),
        leaf("proxy_url", transfer.url),
        leaf("shallow", transfer.shallow),
        leaf("timeout_policy", transfer.timeout_policy),
        leaf("transfer_url", transfer.url),
        leaf("transferred", transfer.transferred),
        reference("backup", "backups", transfer.backup_id) if transfer.backup_id else None,
        reference("disk", "disks", transfer.disk_id),
        reference("host", "hosts", transfer.host_id) if transfer.host_id and transfer.url else None,
        reference("image", "images", transfer.disk_id),
        snapshot,
        actions=ACTIONS,
    )


def _transfers(call: Call) -> list[ImageTransfer]:
    return list(call.engine.transfers.values())


def _transfer(call: Call) -> ImageTransfer:
    transfer = call.engine.transfers.get(call.ids["transfer"])
    if transfer is None:
        raise gone()
    return transfer


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        disk, image_id = _subject(engine, body)
        backup_node = body.find("backup")
        backup = backup_of(engine, backup_node.id) if backup_node is not None and backup_node.id else None
        direction = body.choice("direction", DIRECTIONS) or "upload"
        chosen_format = body.choice("format", FORMATS)
        timeout = body.integer("inactivity_timeout")
        transfer = ImageTransfer(
            id=new_id(),
            disk_id=disk.id,
            direction=direction,
            format=chosen_format or engine.disk_format(disk),
            converting=chosen_format == "raw",
            host_id=_host_id(engine, disk, body.find("host")),
            inactivity_timeout=INACTIVITY_SECONDS if timeout is None else timeout,
            timeout_policy=body.choice("timeout_policy", POLICIES) or "legacy",
            image_id=image_id,
            backup_id=backup.id if backup else None,
            shallow=bool(body.boolean("shallow")),
        )
        if backup is None:
            _check(engine, disk, transfer)
            begin_transfer(engine, transfer, call.correlation_id)
        else:
            _check_backup(disk, transfer, backup)
            dirty = disk.id in backup.incremental
            begin_transfer(engine, transfer, call.correlation_id, backup.urls[disk.id], dirty)
        return Reply(201, render(call, transfer))


def _subject(engine: Engine, body: Node) -> tuple[Disk, str | None]:
    """A disk (older clients call it an image), or the image of a snapshot with the disk it belongs to."""
    snapshot = body.find("snapshot")
    if snapshot is not None and snapshot.id:
        for vm in engine.vms.values():
            for taken in vm.snapshots.values():
                for entry in taken.disks:
                    if entry.image_id == snapshot.id:
                        return engine.disks[entry.disk_id], entry.image_id
        raise missing(f"DiskSnapshot: id={snapshot.id}")
    node = body.find("disk") or body.find("image")
    if node is None or not node.id:
        raise incomplete("ImageTransfer", "image|disk|snapshot.id", "add")
    if node.id not in engine.disks:
        raise missing(f"Disk: id={node.id}")
    return engine.disks[node.id], None


def _host_id(engine: Engine, disk: Disk, wish: Node | None) -> str | None:
    """The wished one, else any of the disk's data centre."""
    if wish is not None and wish.id:
        if wish.id not in engine.hosts:
            raise missing(f"Host: id={wish.id}")
        return wish.id
    center = engine.storage_domains[disk.storage_domain_id].data_center_id
    return next(
        (
            host.id
            for host in engine.hosts.values()
            if engine.clusters[host.cluster_id].data_center_id == center
        ),
        None,
    )


def _check(engine: Engine, disk: Disk, transfer: ImageTransfer) -> None:
    if engine.storage_domains[disk.storage_domain_id].type == MANAGED_BLOCK_STORAGE:
        raise invalid("Cannot transfer Virtual Disk. Managed Block Storage does not support this operation.")
    if disk.status == DiskStatus.ILLEGAL:
        raise conflict(
            f"Cannot transfer Virtual Disk. The following attached disks are in ILLEGAL status: {disk.alias} - "
            "please remove them and try again."
        )
    if transfer.is_upload and (disk.template_id is not None or engine.has_snapshot(disk.id)):
        raise conflict("Cannot transfer Virtual Disk. Disk is used by a Template or a Snapshot.")
    if transfer.image_id is not None:
        if transfer.is_upload:
            raise conflict("Cannot transfer Virtual Disk. A disk snapshot can only be downloaded.")
        return
    check_not_plugged(engine, disk, "transfer")
    check_unlocked(disk, "transfer")


def _check_backup(disk: Disk, transfer: ImageTransfer, backup: Backup) -> None:
    if transfer.is_upload:
        raise conflict("Cannot transfer Virtual Disk. A backup's disk can only be downloaded.")
    if backup.phase != BackupPhase.READY:
        raise conflict(
            "Cannot transfer Virtual Disk. The VM backup is not in READY phase, "
            f"backup phase is {backup.phase}. Please try again when the backup is in READY phase."
        )
    if disk.id not in backup.urls:
        raise conflict(f"Cannot transfer Virtual Disk. Disk {disk.alias} is not part of the backup.")
    if transfer.format != "raw" or not transfer.converting:
        raise conflict("Cannot transfer Virtual Disk. The format of a backup's transfer must be raw.")


def finalize(call: Call) -> Reply:
    with call.engine.lock:
        transfer = _transfer(call)
        if transfer.phase != TransferPhase.TRANSFERRING and transfer.phase not in PAUSED:
            raise conflict(
                f"Cannot finalize image transfer. The transfer is in phase {transfer.phase.replace('_', ' ')}."
            )
        return _change(call, transfer, TransferPhase.FINALIZING_SUCCESS, "Finalizing")


def cancel(call: Call) -> Reply:
    with call.engine.lock:
        transfer = _transfer(call)
        if transfer.phase.startswith(("finalizing_", "finished_", "cancelled_")):
            raise conflict("Cannot cancel image transfer. The transfer is being finalized or has ended.")
        return _change(call, transfer, TransferPhase.CANCELLED_USER, "Cancelling")


def pause(call: Call) -> Reply:
    with call.engine.lock:
        transfer = _transfer(call)
        if not transfer.is_upload:
            raise conflict(
                "Cannot pause image download as it's handled by the client. "
                "Note that it can be canceled if you wish to stop it."
            )
        if transfer.phase != TransferPhase.TRANSFERRING:
            raise conflict("Cannot pause image transfer. The transfer is not in progress.")
        return _change(call, transfer, TransferPhase.PAUSED_USER, "Pausing")


def resume(call: Call) -> Reply:
    with call.engine.lock:
        transfer = _transfer(call)
        if transfer.phase not in PAUSED:
            raise conflict("Cannot resume image transfer as it's not in a paused state.")
        return _change(call, transfer, TransferPhase.RESUMING, "Resuming")


def extend(call: Call) -> Reply:
    """The engine renews tickets by itself as long as the transfer goes on; kept for older clients."""
    with call.engine.lock:
        transfer = _transfer(call)
        return _change(call, transfer, transfer.phase, "Extending")


def _change(call: Call, transfer: ImageTransfer, phase: TransferPhase, verb: str) -> Reply:
    transfer.phase = phase
    return completed(call.done(f"{verb} image transfer"))


ROUTES: list[ApiRoute] = [
    *catalog("imagetransfers", "image_transfers", _transfers, render, "transfer"),
    post("imagetransfers", add),
    action("imagetransfers/{transfer}/finalize", finalize),
    action("imagetransfers/{transfer}/cancel", cancel),
    action("imagetransfers/{transfer}/pause", pause),
    action("imagetransfers/{transfer}/resume", resume),
    action("imagetransfers/{transfer}/extend", extend),
]
