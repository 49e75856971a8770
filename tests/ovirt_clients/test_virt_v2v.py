"""virt-v2v: the program that most VMs came to oVirt by. It converts a guest and uploads it by its own scripts."""

import os
import subprocess
from pathlib import Path

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.guests.library import SOURCE_IMAGE, GuestLibrary
from tests.ovirt_clients.conftest import CLIENTS, MEBIBYTE, Clients

NAME = "crossed"


@pytest.fixture(scope="module")
def guest() -> Path:
    """A Debian system disk."""
    library = GuestLibrary(Path("/var/cache/coriolis-lab"))
    library.ensure([SOURCE_IMAGE])
    return library.image(SOURCE_IMAGE)


def convert(clients: Clients, disk: Path) -> None:
    """Onto the storage domain "data" of the cluster "Default". Some minutes: the guest's initial file systems are made
    anew, in an emulated appliance.
    """
    password = clients.workspace / "password"
    password.write_text(clients.front.password)
    [modules] = (CLIENTS / "kernel" / "lib" / "modules").iterdir()
    [kernel] = (CLIENTS / "kernel" / "boot").glob("vmlinuz-*")
    environment = {
        **os.environ,
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
        "LIBGUESTFS_CACHEDIR": str(clients.workspace),
        "TMPDIR": str(clients.workspace),
        "PYTHONPATH": str(next((CLIENTS / "lib").glob("python3*/site-packages"))),
        "SUPERMIN_KERNEL": str(kernel),
        "SUPERMIN_MODULES": str(modules),
    }
    target = ["-o", "rhv-upload", "-oc", clients.front.url, "-op", str(password), "-os", "data", "-of", "raw"]
    target += ["-oo", f"rhv-cafile={clients.front.ca_file}", "-oo", "rhv-cluster=Default"]
    target += ["-oo", "rhv-verifypeer=true"]
    done = subprocess.run(
        ["virt-v2v", "-i", "disk", str(disk), "-on", NAME, *target],
        capture_output=True,
        text=True,
        timeout=1700,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_a_guest_is_uploaded_and_becomes_a_vm(clients: Clients, guest: Path) -> None:
    convert(clients, guest)
    with ovirtsdk4.Connection(**clients.login) as connection:
        system = connection.system_service()
        [vm] = system.vms_service().list(search=f"name={NAME}")
        assert vm.os.type.startswith("debian")
        [attachment] = connection.follow_link(vm.disk_attachments)
        assert attachment.bootable
        disk = connection.follow_link(attachment.disk)
        assert (disk.status, disk.provisioned_size) == (types.DiskStatus.OK, guest.stat().st_size)
        transfers = system.image_transfers_service().list()
        assert [one.phase for one in transfers] == [types.ImageTransferPhase.FINISHED_SUCCESS]
    arrived = download(clients, attachment.id)
    with guest.open("rb") as source, arrived.open("rb") as copy:
        assert source.read(MEBIBYTE) == copy.read(
            MEBIBYTE
        )  # partitions and boot loader, which no conversion changes


def download(clients: Clients, disk_id: str) -> Path:
    path = clients.workspace / "arrived.raw"
    engine = clients.front.url.removesuffix("/ovirt-engine/api")
    login = ["--engine-url", engine, "--username", clients.front.username]
    login += ["--password-file", str(clients.workspace / "password"), "--cafile", str(clients.front.ca_file)]
    clients.run("ovirt-img", "download-disk", *login, "--format", "raw", disk_id, str(path))
    return path
