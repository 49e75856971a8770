"""ovirt-imageio's own client and its program ovirt-img, and the SDK's way of incremental backups."""

import json
import subprocess
from pathlib import Path

import ovirtsdk4

from tests.conformance.ovirt.conftest import Engine
from tests.conformance.ovirt.images import MEBIBYTE, guest_with_disk, write_as_guest
from tests.ovirt_clients.conftest import CLIENTS


def compare(first: Path, second: Path) -> None:
    subprocess.run(["qemu-img", "compare", first, second], check=True)


def test_ovirt_img(clients):
    """`upload-disk` makes the disk itself; in and out in both formats."""
    password = clients.workspace / "password"
    password.write_text(clients.front.password)
    engine = clients.front.url.removesuffix("/ovirt-engine/api")
    login = ["--engine-url", engine, "--username", clients.front.username]
    login += ["--password-file", str(password), "--cafile", str(clients.front.ca_file)]
    for name in ("image.raw", "image.qcow2"):
        disk_id = name_of_new_disk(clients, login, name)
        back = clients.workspace / f"back-{name}"
        clients.run("ovirt-img", "download-disk", *login, "--format", "qcow2", disk_id, str(back))
        compare(clients.workspace / "image.raw", back)


def name_of_new_disk(clients, login: list[str], name: str) -> str:
    with ovirtsdk4.Connection(**clients.login) as connection:
        disks = connection.system_service().disks_service()
        known = {disk.id for disk in disks.list()}
        arguments = ["--storage-domain", "data", "--name", name.replace(".", "-")]
        clients.run("ovirt-img", "upload-disk", *login, *arguments, str(clients.workspace / name))
        [made] = [disk for disk in disks.list() if disk.id not in known]
        return made.id


def test_full_and_incremental_backup(real, tmp_path):
    """What the SDK's script brings home is what the guest had on its disk at each of both moments."""
    vm, disk_id, content = guest_with_disk(real)
    real.start(vm)
    login = tmp_path / "engine.json"
    login.write_text(
        json.dumps(
            {
                "url": real.front.url,
                "username": real.front.username,
                "password": real.front.password,
                "ca_file": str(real.front.ca_file),
            }
        )
    )
    script = Path(__file__).with_name("sdk_backup.py")
    command = [CLIENTS / "bin" / "python", script, login, vm.get().name, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        assert running.stdout.readline() == "full\n"
        write_as_guest(real, vm, disk_id, 5 * MEBIBYTE, MEBIBYTE)
        running.stdin.write("go on\n")
        running.stdin.flush()
        assert running.stdout.readline() == "done\n"
    first, second = tmp_path / "first.raw", tmp_path / "second.raw"
    first.write_bytes(content)
    second.write_bytes(content[: 5 * MEBIBYTE] + b"\x07" * MEBIBYTE + content[6 * MEBIBYTE :])
    compare(first, tmp_path / "full.qcow2")
    compare(second, tmp_path / "incremental.qcow2")
    changed = (tmp_path / "incremental.qcow2").stat().st_size
    assert MEBIBYTE <= changed < 3 * MEBIBYTE
    assert isinstance(real, Engine)
