"""Image transfers through the real ovirt-imageio: phases, data, formats, and what ends one."""

import os
import subprocess

import ovirtsdk4
import pytest
import requests
from ovirtsdk4 import types

from coriolis_lab.faults import Fault
from tests.conformance.ovirt.images import MEBIBYTE, SIZE, Transfer, wait_phase

PHASE = types.ImageTransferPhase


def begin(real, disk_id: str, direction: str = "upload", **fields):
    transfers = real.system.image_transfers_service()
    body = types.ImageTransfer(
        disk=types.Disk(id=disk_id), direction=types.ImageTransferDirection(direction), **fields
    )
    return transfers.image_transfer_service(transfers.add(body).id)


def test_a_disk_cannot_be_used_before_its_transfer_has_ended(real):
    """Its status is ok a moment earlier: the trap of every client."""
    vm, disk = real.new_vm("waiting"), real.new_disk("early", SIZE)
    upload = Transfer(real, disk.id, "upload")
    refused = [
        lambda: real.attach(vm, disk.id),
        lambda: real.disks.disk_service(disk.id).remove(),
        lambda: Transfer(real, disk.id, "download"),
    ]
    for action in refused:
        with pytest.raises(ovirtsdk4.Error, match="are locked: early") as raised:
            action()
        assert raised.value.code == 409
    upload.service.finalize()
    real.wait(lambda: real.disks.disk_service(disk.id).get().status == types.DiskStatus.OK, 30)
    wait_phase(upload.service, PHASE.FINISHED_SUCCESS)
    real.attach(vm, disk.id)


def test_a_cow_disk_in_its_own_format(real, tmp_path):
    disk = real.new_disk("own", SIZE, format=types.DiskFormat.COW)
    raw, qcow2 = tmp_path / "in.raw", tmp_path / "in.qcow2"
    raw.write_bytes(os.urandom(MEBIBYTE) + bytes(SIZE - MEBIBYTE))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, qcow2], check=True)
    upload = begin(real, disk.id)
    wait_phase(upload, PHASE.TRANSFERRING)
    ca_file, url = str(real.front.ca_file), upload.get().transfer_url
    assert upload.get().format == types.DiskFormat.COW
    requests.put(url, data=qcow2.read_bytes(), verify=ca_file, timeout=30).raise_for_status()
    upload.finalize()
    wait_phase(upload, PHASE.FINISHED_SUCCESS)
    download = Transfer(real, disk.id, "download")
    assert download.read() == raw.read_bytes()
    download.finish()


def test_what_is_no_image_fails_and_takes_the_disk_along(real):
    disk = real.new_disk("broken", SIZE, format=types.DiskFormat.COW)
    upload = begin(real, disk.id)
    wait_phase(upload, PHASE.TRANSFERRING)
    url = upload.get().transfer_url
    requests.put(url, data=b"no image" * 512, verify=str(real.front.ca_file), timeout=30).raise_for_status()
    upload.finalize()
    wait_phase(upload, PHASE.FINISHED_FAILURE)
    real.wait_gone(real.disks.disk_service(disk.id))


def test_cancel_takes_the_disk_of_an_upload(real):
    disk, kept = real.new_disk("cancelled", SIZE), real.new_disk("kept", SIZE)
    upload, download = begin(real, disk.id), begin(real, kept.id, "download")
    for transfer in (upload, download):
        wait_phase(transfer, PHASE.TRANSFERRING)
        transfer.cancel()
        wait_phase(transfer, PHASE.FINISHED_CLEANUP)
    real.wait_gone(real.disks.disk_service(disk.id))
    assert real.disks.disk_service(kept.id).get().status == types.DiskStatus.OK
    with pytest.raises(ovirtsdk4.Error, match="Cannot cancel") as raised:
        upload.cancel()
    assert raised.value.code == 409


def test_pause_resume_and_idle_clients(real):
    disk = real.new_disk("idle", SIZE)
    upload = begin(real, disk.id, inactivity_timeout=1)
    wait_phase(upload, PHASE.PAUSED_SYSTEM)
    upload.resume()
    wait_phase(upload, PHASE.TRANSFERRING)
    upload.pause()
    assert upload.get().phase == PHASE.PAUSED_USER
    with pytest.raises(ovirtsdk4.Error, match="not in progress"):
        upload.pause()
    upload.resume()
    wait_phase(upload, PHASE.TRANSFERRING)
    upload.finalize()
    wait_phase(upload, PHASE.FINISHED_SUCCESS)
    download = begin(real, disk.id, "download", inactivity_timeout=1)
    wait_phase(download, PHASE.FINISHED_FAILURE)
    assert real.disks.disk_service(disk.id).get().status == types.DiskStatus.OK
    with pytest.raises(ovirtsdk4.Error, match="handled by the client"):
        begin(real, disk.id, "download").pause()


def test_a_snapshot_is_downloaded_while_its_vm_runs(real):
    vm = real.new_vm("snapped", "worker")
    [attachment] = vm.disk_attachments_service().list()
    snapshots = vm.snapshots_service()
    made = snapshots.add(types.Snapshot(description="s", persist_memorystate=False))
    snapshot = snapshots.snapshot_service(made.id)
    real.wait(lambda: snapshot.get().snapshot_status == types.SnapshotStatus.OK, 30)
    [frozen] = snapshot.disks_service().list()
    real.start(vm)
    transfers = real.system.image_transfers_service()
    body = types.ImageTransfer(
        snapshot=types.DiskSnapshot(id=frozen.image_id),
        direction=types.ImageTransferDirection.DOWNLOAD,
        format=types.DiskFormat.RAW,
    )
    transfer = transfers.image_transfer_service(transfers.add(body).id)
    wait_phase(transfer, PHASE.TRANSFERRING)
    answer = requests.get(transfer.get().transfer_url, verify=str(real.front.ca_file), timeout=30)
    assert len(answer.content) == real.disks.disk_service(attachment.id).get().provisioned_size
    transfer.finalize()
    wait_phase(transfer, PHASE.FINISHED_SUCCESS)
    with pytest.raises(ovirtsdk4.Error, match="plugged to non-Down VMs") as raised:
        begin(real, attachment.id, "download")
    assert raised.value.code == 409


def test_faults_of_transfers(real):
    disk = real.new_disk("unlucky", SIZE)
    real.faults.plant(Fault("transfer.create", "error", match="unlucky", message="no ticket"))
    stopped = begin(real, disk.id)
    wait_phase(stopped, PHASE.PAUSED_SYSTEM)
    stopped.resume()
    real.faults.clear()
    wait_phase(stopped, PHASE.TRANSFERRING)
    real.faults.plant(Fault("transfer.finalize", "error", match="unlucky"))
    stopped.finalize()
    wait_phase(stopped, PHASE.FINISHED_FAILURE)
    real.wait_gone(real.disks.disk_service(disk.id))


def test_managed_block_storage_has_no_transfers(real):
    real.front.add_storage_domain("cinder", "Default", "managed_block_storage")
    disk = real.disks.add(real.disk_body("managed", SIZE, "cinder"))
    real.wait(lambda: real.disks.disk_service(disk.id).get().status == types.DiskStatus.OK)
    with pytest.raises(ovirtsdk4.Error, match="Managed Block Storage does not support") as raised:
        begin(real, disk.id)
    assert raised.value.code == 400


def test_an_old_engine_forgets_a_transfer_that_has_ended(real):
    real.front._engine.look = type(real.front._engine.look)(
        **{**real.front._engine.look.__dict__, "keeps_finished": False}
    )
    disk = real.new_disk("old", SIZE)
    upload = begin(real, disk.id)
    wait_phase(upload, PHASE.TRANSFERRING)
    upload.finalize()
    real.wait_gone(upload)
    assert real.disks.disk_service(disk.id).get().status == types.DiskStatus.OK
