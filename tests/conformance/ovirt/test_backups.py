"""Full and incremental backups of VMs, through image transfers to the real ovirt-imageio: QEMU's own bitmaps."""

import hashlib
import json
import os

import ovirtsdk4
import pytest
import requests
from ovirtsdk4 import types

from coriolis_lab.hypervisor.api import DiskBackup
from coriolis_lab.ovirt.image_daemon import find_program
from tests.conformance.ovirt.test_real_disks import MEBIBYTE, Engine, real

__all__ = ["real"]
pytestmark = pytest.mark.skipif(find_program() is None, reason="left out: ovirt-imageio is not installed")
SIZE = 16 * MEBIBYTE


def wait_phase(service, phase, seconds: float = 30) -> None:
    Engine.wait(lambda: service.get().phase == phase, seconds)


def newest_error(vm) -> str:
    events = vm._connection.system_service().events_service()
    return next((event.description for event in events.list(search="severity=error")), "")


class Transfer:
    """One transfer between its begin and its end."""

    def __init__(self, engine: Engine, disk_id: str, direction: str, **fields) -> None:
        self._engine = engine
        transfers = engine.system.image_transfers_service()
        body = types.ImageTransfer(
            disk=types.Disk(id=disk_id),
            direction=types.ImageTransferDirection(direction),
            format=types.DiskFormat.RAW,
            **fields,
        )
        self.service = transfers.image_transfer_service(transfers.add(body).id)
        wait_phase(self.service, types.ImageTransferPhase.TRANSFERRING)
        self.url = self.service.get().transfer_url

    def call(self, method: str, path: str = "", **arguments) -> requests.Response:
        with requests.Session() as session:
            ca_file = str(self._engine.front.ca_file)
            answer = session.request(method, self.url + path, timeout=30, verify=ca_file, **arguments)
        answer.raise_for_status()
        return answer

    def put(self, offset: int, data: bytes) -> None:
        headers = {"Content-Range": f"bytes {offset}-{offset + len(data) - 1}/*"}
        self.call("PUT", "?flush=y", data=data, headers=headers)

    def read(self) -> bytes:
        return self.call("GET").content

    def extents(self, context: str) -> list[dict]:
        return json.loads(self.call("GET", f"/extents?context={context}").content)

    def finish(self) -> None:
        self.service.finalize()
        wait_phase(self.service, types.ImageTransferPhase.FINISHED_SUCCESS)


class Backup:
    def __init__(self, vm, disk_ids, since: str | None = None) -> None:
        backups = vm.backups_service()
        disks = [types.Disk(id=disk_id) for disk_id in disk_ids]
        made = backups.add(types.Backup(disks=disks, from_checkpoint_id=since))
        self.service = backups.backup_service(made.id)
        self.id = made.id
        failed, ready = types.BackupPhase.FAILED, types.BackupPhase.READY
        Engine.wait(lambda: self.service.get().phase in (ready, failed), 60)
        assert self.service.get().phase == ready, newest_error(vm)
        self.checkpoint = self.service.get().to_checkpoint_id

    def modes(self) -> dict[str, str]:
        return {disk.id: disk.backup_mode.value for disk in self.service.disks_service().list()}

    def finish(self) -> None:
        self.service.finalize()
        wait_phase(self.service, types.BackupPhase.SUCCEEDED)


def guest_with_disk(real: Engine):
    """A VM with one cow disk that records changes, filled in part."""
    vm = real.new_vm("guarded")
    disk = real.new_disk("tracked", SIZE, format=types.DiskFormat.COW, backup=types.DiskBackup.INCREMENTAL)
    upload = Transfer(real, disk.id, "upload")
    content = os.urandom(MEBIBYTE)
    upload.put(0, content)
    upload.finish()
    real.attach(vm, disk.id, bootable=True)
    return vm, disk.id, content + bytes(SIZE - MEBIBYTE)


def download(real: Engine, backup: Backup, disk_id: str) -> Transfer:
    return Transfer(real, disk_id, "download", backup=types.Backup(id=backup.id))


def write_as_guest(real: Engine, vm, disk_id: str, offset: int, length: int) -> None:
    """Writes zeros where a guest would: through the device's own node, so that bitmaps and backups see it."""
    machine = real.hypervisor._vms[vm.get().id]
    top = machine._running.disks[disk_id].layers[-1]
    node = f"layer-{top.path.stem}"
    answer = machine.monitor.human(f'qemu-io -d disk-{disk_id} "write -P 7 {offset} {length}"')
    assert "error" not in answer.lower(), (node, answer)


def dirty_ranges(extents: list[dict]) -> list[tuple[int, int]]:
    return [(item["start"], item["length"]) for item in extents if item["dirty"]]


def test_backups_of_a_running_vm(real):
    vm, disk_id, content = guest_with_disk(real)
    real.start(vm)
    full = Backup(vm, [disk_id])
    assert full.modes() == {disk_id: "full"}
    write_as_guest(real, vm, disk_id, 4 * MEBIBYTE, MEBIBYTE)
    transfer = download(real, full, disk_id)
    assert hashlib.sha256(transfer.read()).digest() == hashlib.sha256(content).digest()
    with pytest.raises(requests.HTTPError, match="404"):
        transfer.extents("dirty")
    transfer.finish()
    full.finish()
    content = content[: 4 * MEBIBYTE] + b"\x07" * MEBIBYTE + content[5 * MEBIBYTE :]

    incremental = Backup(vm, [disk_id], since=full.checkpoint)
    assert incremental.modes() == {disk_id: "incremental"}
    transfer = download(real, incremental, disk_id)
    assert dirty_ranges(transfer.extents("dirty")) == [(4 * MEBIBYTE, MEBIBYTE)]
    assert transfer.read() == content
    transfer.finish()
    incremental.finish()
    checkpoints = vm.checkpoints_service()
    assert [item.parent_id for item in checkpoints.list()] == [None, full.checkpoint]


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
    with pytest.raises(ovirtsdk4.Error, match="Checkpoint .* does not exist"):
        vm.backups_service().add(
            types.Backup(disks=[types.Disk(id=disk_id)], from_checkpoint_id=disk_id)
        )


def test_a_disk_without_the_checkpoint_is_told(real):
    vm, disk_id, _content = guest_with_disk(real)
    with pytest.raises(Exception, match="has no checkpoint nowhere"):
        real.hypervisor.start_backup("b", [DiskBackup(disk_id, since="nowhere")])
