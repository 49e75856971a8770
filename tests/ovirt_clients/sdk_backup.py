"""Backs a VM up as the scripts of the SDK and of ovirt-imageio do it: full, then what changed since.

    python sdk_backup.py ENGINE.json VM_NAME DIRECTORY

Run by the clients' own Python. Writes full.qcow2, waits for a line on standard input, writes incremental.qcow2 on top.
"""

import json
import sys
import time
from pathlib import Path

import ovirtsdk4 as sdk
from ovirt_imageio import client
from ovirtsdk4 import types


def wait(service, phase) -> None:
    deadline = time.monotonic() + 120
    while service.get().phase != phase:
        if time.monotonic() > deadline:
            raise SystemExit(f"{service.get().phase} instead of {phase}")
        time.sleep(0.2)


def back_up(
    connection,
    vm,
    disk_id: str,
    target: Path,
    *,
    ca_file: str,
    since: str | None = None,
    base: Path | None = None,
) -> str:
    """The checkpoint that the next backup can build on."""
    system = connection.system_service()
    backups = vm.backups_service()
    backup = backups.add(types.Backup(disks=[types.Disk(id=disk_id)], from_checkpoint_id=since))
    service = backups.backup_service(backup.id)
    wait(service, types.BackupPhase.READY)
    transfers = system.image_transfers_service()
    transfer = transfers.add(
        types.ImageTransfer(
            disk=types.Disk(id=disk_id),
            backup=types.Backup(id=backup.id),
            direction=types.ImageTransferDirection.DOWNLOAD,
            format=types.DiskFormat.RAW,
        )
    )
    transfer_service = transfers.image_transfer_service(transfer.id)
    wait(transfer_service, types.ImageTransferPhase.TRANSFERRING)
    mode = service.disks_service().list()[0].backup_mode
    client.download(
        transfer_service.get().transfer_url,
        str(target),
        ca_file,
        incremental=mode == types.DiskBackupMode.INCREMENTAL,
        backing_file=str(base) if base else None,
        backing_format="qcow2" if base else None,
    )
    transfer_service.finalize()
    wait(transfer_service, types.ImageTransferPhase.FINISHED_SUCCESS)
    checkpoint = service.get().to_checkpoint_id
    service.finalize()
    wait(service, types.BackupPhase.SUCCEEDED)
    return checkpoint


def main() -> None:
    login = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(sys.argv[3])
    connection = sdk.Connection(**login)
    vms = connection.system_service().vms_service()
    vm = vms.vm_service(vms.list(search=f"name={sys.argv[2]}")[0].id)
    [attachment] = vm.disk_attachments_service().list()
    ca_file = login["ca_file"]
    full, incremental = directory / "full.qcow2", directory / "incremental.qcow2"
    checkpoint = back_up(connection, vm, attachment.id, full, ca_file=ca_file)
    print("full", flush=True)
    sys.stdin.readline()
    back_up(connection, vm, attachment.id, incremental, ca_file=ca_file, since=checkpoint, base=full)
    connection.close()
    print("done", flush=True)


main()
