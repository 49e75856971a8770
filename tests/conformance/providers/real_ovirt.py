"""An engine of oVirt whose disks are files and whose image I/O daemon is the real one; nothing boots on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from coriolis.images.registry import Opening, open_image
from coriolis.model.enums import Firmware, OsType
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.ovirt.checking import CheckedApp
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.ovirt.image_daemon import find_program
from coriolis_lab.settings import LabSettings
from tests.conformance.providers.conftest import QUICK, SETTINGS
from tests.memory_operation import MemoryOperation

MIB = 1 << 20
needs_real_disks = pytest.mark.skipif(
    shutil.which("qemu-nbd") is None or find_program() is None, reason="qemu-nbd or ovirt-imageio is missing"
)
INSTANCE = Instance(
    id="i1",
    name="web",
    num_cpu=1,
    memory_mb=512,
    os_type=OsType.LINUX,
    firmware=Firmware.BIOS,
    disks=(Disk("d1", 8 * MIB, 0, bootable=True), Disk("d2", 4 * MIB, 1)),
    nics=(Nic("private", None),),
)


@dataclass
class Lab:
    front: OvirtFront
    hypervisor: LocalHypervisor
    faults: FaultBook
    destination: Any
    source: Any

    env = {  # noqa: RUF012
        "storage_domain": "files",
        "migr_template_map": {"linux": "worker"},
        "network_map": {"private": "blue"},
    }

    @property
    def system(self) -> Any:
        return self.destination._client.system

    def disk(self, replica: ReplicaDisk) -> Any:
        return self.system.disks_service().disk_service(replica.volume_id).get()

    def replicas(self, op: MemoryOperation, **env: Any) -> list[ReplicaDisk]:
        return list(self.destination.deploy_disks(op, {**self.env, **env}, INSTANCE, []))

    def open(self, op: MemoryOperation, replicas: list[ReplicaDisk], **env: Any) -> Any:
        return self.destination.deploy_target_resources(op, {**self.env, **env}, INSTANCE, replicas)

    def close(self, op: MemoryOperation, replicas: list[ReplicaDisk]) -> None:
        self.destination.delete_target_resources(op, self.env, replicas)

    def phases(self) -> set[str]:
        return {str(transfer.phase) for transfer in self.system.image_transfers_service().list()}


@contextmanager
def real_lab(place: Path, look: str = "4.5") -> Iterator[Lab]:
    """Every body of a request and an answer is checked against the engine's model."""
    settings, faults = (
        LabSettings(root=place / "lab", delays=replace(QUICK, transfer=0.02), ovirt_look=look),
        FaultBook(),
    )
    hypervisor = LocalHypervisor(settings)
    (place / "image.raw").write_bytes(os.urandom(MIB))
    hypervisor.register_image("image", place / "image.raw", "raw")
    checked: list[CheckedApp] = []

    def check(app: ASGIApp) -> ASGIApp:
        checked.append(CheckedApp(app))
        return checked[0]

    front = OvirtFront(hypervisor, settings, faults, wrap=check)
    front.add_data_center("Default")
    front.add_cluster("Default", "Default")
    for name, kind in {"files": "nfs", "blocks": "iscsi", "managed": "managed_block_storage"}.items():
        front.add_storage_domain(name, "Default", kind)
    front.add_network("blue", "Default", "10.31.0.0/24")
    front.add_template("worker", "image", "Default", "files", 4096, 2)
    front.start()
    info = {
        "url": front.url,
        "username": front.username,
        "password": front.password,
        "ca_file": str(front.ca_file),
    }
    destination = OvirtProvider().connect_destination(info, "lab-ovirt", SETTINGS)
    source = OvirtProvider().connect_source(info, "lab-ovirt", SETTINGS)
    yield Lab(front, hypervisor, faults, destination, source)
    source.close()
    destination.close()
    front.stop()
    hypervisor.close()
    assert checked[0].problems == []


def write(image: ImageDisk, offset: int, data: bytes) -> None:
    disk = open_image(image, Opening("writer", "t/i", 1))
    handle = disk.open()
    handle.write(offset, memoryview(data))
    disk.flush()
    handle.close()
    disk.close()


def read(image: ImageDisk) -> bytes:
    disk = open_image(image, Opening("hasher", "t/i", 1))
    found, handle = bytearray(disk.size), disk.open()
    handle.read(0, disk.size, memoryview(found))
    handle.close()
    disk.close()
    return bytes(found)
