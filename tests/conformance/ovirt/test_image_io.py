"""Image transfers and backups with the real ovirt-imageio; the longer stories are in tests/ovirt_clients."""

import hashlib
import os

import pytest
import requests
from ovirtsdk4 import types

from coriolis_lab.ovirt.image_daemon import find_program
from tests.conformance.ovirt.images import (
    MEBIBYTE,
    SIZE,
    Backup,
    Transfer,
    dirty_ranges,
    download,
    guest_with_disk,
    write_as_guest,
)

pytestmark = pytest.mark.skipif(find_program() is None, reason="left out: ovirt-imageio is not installed")


def test_what_is_uploaded_is_downloaded(real):
    disk = real.new_disk("data", SIZE)
    content = os.urandom(MEBIBYTE)
    upload = Transfer(real, disk.id, "upload")
    seen = upload.service.get()
    assert (seen.active, seen.transfer_url, seen.proxy_url) == (False, upload.url, upload.url)
    assert real.disks.disk_service(disk.id).get().status == types.DiskStatus.LOCKED
    options = upload.call("OPTIONS").json()
    assert {"extents", "flush", "zero", "checksum"} <= set(options["features"])
    upload.put(3 * MEBIBYTE, content)
    upload.call("PATCH", json={"op": "zero", "offset": 3 * MEBIBYTE, "size": 4096, "flush": True})
    upload.finish()
    assert real.disks.disk_service(disk.id).get().status == types.DiskStatus.OK

    download = Transfer(real, disk.id, "download")
    data = [item for item in download.extents("zero") if not item["zero"]]
    assert sum(item["length"] for item in data) <= MEBIBYTE
    expected = bytes(3 * MEBIBYTE) + bytes(4096) + content[4096:]
    assert download.read() == expected + bytes(SIZE - len(expected))
    with pytest.raises(requests.HTTPError, match="403"):
        download.put(0, b"x" * 512)
    download.finish()
    with pytest.raises(requests.HTTPError, match="403"):
        download.read()


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
