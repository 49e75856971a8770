"""Short ways through the real ovirt-imageio, for tests of image transfers and backups."""

import json
import os

import requests
from ovirtsdk4 import types

from tests.conformance.ovirt.conftest import Engine

MEBIBYTE = 1024**2
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
