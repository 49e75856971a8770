"""Incremental backups beyond the plain case: snapshots, stops, checkpoints that go, refusals."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.hypervisor.api import DiskBackup, HypervisorError
from tests.conformance.ovirt.images import (
    MEBIBYTE,
    SIZE,
    Backup,
    dirty_ranges,
    download,
    guest_with_disk,
    wait_phase,
    write_as_guest,
)


def test_changes_are_kept_across_snapshots_and_a_stop(real):
    vm, disk_id, _content = guest_with_disk(real)
    real.start(vm)
    full = Backup(vm, [disk_id])
    full.finish()
    write_as_guest(real, vm, disk_id, 0, MEBIBYTE)
    snapshots = vm.snapshots_service()
    snapshot = snapshots.add(types.Snapshot(description="between", persist_memorystate=False))
    taken = snapshots.snapshot_service(snapshot.id)
    real.wait(lambda: taken.get().snapshot_status == types.SnapshotStatus.OK, 30)
    write_as_guest(real, vm, disk_id, 8 * MEBIBYTE, MEBIBYTE)
    vm.stop()
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 30)

    incremental = Backup(vm, [disk_id], since=full.checkpoint)
    transfer = download(real, incremental, disk_id)
    assert dirty_ranges(transfer.extents("dirty")) == [(0, MEBIBYTE), (8 * MEBIBYTE, MEBIBYTE)]
    transfer.finish()
    incremental.finish()
    real.start(vm)
    write_as_guest(real, vm, disk_id, 12 * MEBIBYTE, MEBIBYTE)
    third = Backup(vm, [disk_id], since=incremental.checkpoint)
    transfer = download(real, third, disk_id)
    assert dirty_ranges(transfer.extents("dirty")) == [(12 * MEBIBYTE, MEBIBYTE)]
    transfer.finish()
    third.finish()


def test_checkpoints_go_root_first_and_with_their_disk(real):
    vm, disk_id, _content = guest_with_disk(real)
    first, second = Backup(vm, [disk_id]), None
    first.finish()
    second = Backup(vm, [disk_id], since=first.checkpoint)
    second.finish()
    checkpoints = vm.checkpoints_service()
    with pytest.raises(ovirtsdk4.Error, match="root checkpoint") as raised:
        checkpoints.checkpoint_service(second.checkpoint).remove()
    assert raised.value.code == 409
    checkpoints.checkpoint_service(first.checkpoint).remove()
    assert [(item.id, item.parent_id) for item in checkpoints.list()] == [(second.checkpoint, None)]
    vm.disk_attachments_service().attachment_service(disk_id).remove()
    assert checkpoints.list() == []


def test_a_vm_that_stops_fails_its_backup(real):
    vm, disk_id, _content = guest_with_disk(real)
    real.start(vm)
    backup = Backup(vm, [disk_id])
    vm.stop()
    wait_phase(backup.service, types.BackupPhase.FAILED)
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 30)
    Backup(vm, [disk_id]).finish()


def test_refusals_during_a_backup(real):
    vm, disk_id, _content = guest_with_disk(real)
    raw = real.new_disk("raw", SIZE)
    real.attach(vm, raw.id)
    backup = Backup(vm, [disk_id, raw.id])
    assert backup.modes() == {disk_id: "full", raw.id: "full"}
    attachment = vm.disk_attachments_service().attachment_service(disk_id)
    transfers = real.system.image_transfers_service()
    cow = types.ImageTransfer(
        disk=types.Disk(id=disk_id),
        direction=types.ImageTransferDirection.DOWNLOAD,
        format=types.DiskFormat.COW,
        backup=types.Backup(id=backup.id),
    )
    refusals = [
        (lambda: Backup(vm, [disk_id]), "during a backup"),
        (attachment.remove, "during a backup"),
        (lambda: vm.snapshots_service().add(types.Snapshot(description="no")), "during a backup"),
        (vm.remove, "during a backup"),
        (lambda: transfers.add(cow), "must be raw"),
    ]
    for action, text in refusals:
        with pytest.raises(ovirtsdk4.Error, match=text) as raised:
            action()
        assert raised.value.code == 409
    transfer = download(real, backup, disk_id)
    with pytest.raises(ovirtsdk4.Error, match="transfers of the backup are in progress"):
        backup.service.finalize()
    transfer.finish()
    backup.finish()
    with pytest.raises(ovirtsdk4.Error, match="not in READY phase"):
        backup.service.finalize()
    with pytest.raises(ovirtsdk4.Error, match=r"Checkpoint .* does not exist"):
        vm.backups_service().add(types.Backup(disks=[types.Disk(id=disk_id)], from_checkpoint_id=disk_id))


def test_a_disk_without_the_checkpoint_is_told(real):
    _vm, disk_id, _content = guest_with_disk(real)
    with pytest.raises(HypervisorError, match="has no checkpoint nowhere"):
        real.hypervisor.start_backup("b", [DiskBackup(disk_id, since="nowhere")])
