"""Replica disks on oVirt that are written without a worker: engine, image I/O daemon and disks are real processes and
files."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.images.registry import Opening, open_image
from coriolis.model.enums import EventLevel, Firmware, OsType, ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis_lab.faults import Fault, FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.ovirt.certificates import make_certificates
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.ovirt.image_daemon import find_program
from coriolis_lab.settings import LabSettings
from tests.conformance.providers.conftest import QUICK, SETTINGS
from tests.memory_operation import Crash, MemoryOperation

MIB = 1 << 20
pytestmark = pytest.mark.skipif(
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


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("images")
    settings, faults = LabSettings(root=place / "lab", delays=replace(QUICK, transfer=0.02)), FaultBook()
    hypervisor = LocalHypervisor(settings)
    (place / "image.raw").write_bytes(os.urandom(MIB))
    hypervisor.register_image("image", place / "image.raw", "raw")
    front = OvirtFront(hypervisor, settings, faults)
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
    yield Lab(front, hypervisor, faults, destination)
    destination.close()
    front.stop()
    hypervisor.close()


@pytest.fixture
def lab(module_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Where a worker is asked for, the test ends with that: its template has nothing to boot."""

    def no_worker(*_: object, **__: object) -> None:
        raise Crash("a worker is made")

    monkeypatch.setattr(module_lab.destination._workers, "create", no_worker)
    yield module_lab
    module_lab.faults.clear()


@pytest.fixture
def op() -> MemoryOperation:
    return MemoryOperation(SETTINGS)


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


@pytest.mark.parametrize("domain", ["files", "blocks"])
def test_disks_are_written_without_a_worker(lab: Lab, op: MemoryOperation, domain: str) -> None:
    replicas = lab.replicas(op, storage_domain=domain)
    resources = lab.open(op, replicas)
    assert resources.worker is None
    assert [(i.disk_id, i.size_bytes) for i in resources.images] == [("d1", 8 * MIB), ("d2", 4 * MIB)]
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.LOCKED}
    data = os.urandom(2 * MIB)
    write(resources.images[0], MIB, data)
    lab.close(op, replicas)
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    assert "images/" not in repr(resources)
    again = MemoryOperation(SETTINGS, job="again", ledger=op.ledger)
    resources = lab.open(again, replicas, data_transfer_mechanism="imageio")
    wanted = bytes(MIB) + data + bytes(5 * MIB)
    assert read(resources.images[0]) == wanted
    lab.close(again, replicas)
    assert not [*op.events, *again.events]
    (copy, _) = lab.destination.clone_disks(again, lab.env, INSTANCE, replicas)  # they are free at once
    assert lab.hypervisor.disk_digest(copy.volume_id) == lab.hypervisor.disk_digest(replicas[0].volume_id)
    lab.destination.delete_cloned_disks(again, lab.env, INSTANCE)
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("mechanism", ["ssh", "HTTPS", "auto", "imageio"])
def test_managed_block_storage_and_other_mechanisms_take_a_worker(
    lab: Lab, op: MemoryOperation, mechanism: str
) -> None:
    domain = "managed" if mechanism in {"auto", "imageio"} else "files"
    replicas = lab.replicas(op, storage_domain=domain)
    assert {replica.dirty for replica in replicas} == {domain == "managed"}
    with pytest.raises(Crash):
        lab.open(op, replicas, data_transfer_mechanism=mechanism)
    assert [level for level, _ in op.events] == ([EventLevel.INFO] if domain == "managed" else [])
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("mechanism", ["auto", "imageio"])
@pytest.mark.parametrize("trouble", ["refused", "unreachable"])
def test_what_cannot_be_opened_is_told_and_survives(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mechanism: str,
    trouble: str,
) -> None:
    """The engine deletes the disk of an upload that is cancelled: ours never is."""
    op = MemoryOperation(SETTINGS)
    replicas = lab.replicas(op)
    if trouble == "refused":
        lab.faults.plant(Fault("transfer.create", "error"))
        words = r"paused_system.*a host of the data centre"
    else:
        monkeypatch.setitem(
            lab.destination._client.__dict__, "image_ca", make_certificates(tmp_path).ca.read_text()
        )
        words = r"54322 of the hosts and 54323"
    expected: type[BaseException] = errors.CloudError if mechanism == "imageio" else Crash
    with pytest.raises(expected) as raised:
        lab.open(op, replicas, data_transfer_mechanism=mechanism)
    told = str(raised.value) if mechanism == "imageio" else op.events[-1][1]
    assert re.search(words, told), told
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
def test_a_crash_while_disks_are_opened(lab: Lab, op: MemoryOperation, again: bool) -> None:
    replicas = lab.replicas(op)
    op.ledger.crash_after = ResourceKind.IMAGE_TRANSFER
    with pytest.raises(Crash):
        lab.open(op, replicas)
    if again:
        write(lab.open(op, replicas).images[0], 0, b"x" * 512)
    lab.close(op, replicas)
    assert lab.phases() <= {"finished_success"}
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    lab.destination.delete_disks(op, replicas)


def test_a_transfer_that_was_paused_is_ended_and_its_disk_survives(lab: Lab, op: MemoryOperation) -> None:
    replicas = lab.replicas(op)
    images = lab.open(op, replicas).images
    for transfer in lab.system.image_transfers_service().list():
        if transfer.phase == types.ImageTransferPhase.TRANSFERRING:
            lab.system.image_transfers_service().image_transfer_service(transfer.id).pause()
    del images
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    lab.destination.delete_disks(op, replicas)


def test_a_disk_that_turns_illegal_is_told_and_made_anew(lab: Lab, op: MemoryOperation) -> None:
    replicas = lab.replicas(op)
    lab.open(op, replicas)
    lab.faults.plant(Fault("transfer.finalize", "error"))
    with pytest.raises(errors.CloudError, match="makes it anew"):
        lab.close(op, replicas)
    assert not op.ledger.owed()
    later = MemoryOperation(SETTINGS, job="later", ledger=op.ledger)
    with pytest.raises(errors.CoriolisError, match=r"illegal|was not found"):
        lab.destination.validate_deployment(lab.env, INSTANCE, replicas)
    anew = lab.destination.deploy_disks(later, lab.env, INSTANCE, replicas)
    assert {replica.volume_id for replica in anew} != {replica.volume_id for replica in replicas}
    assert {lab.disk(replica).status for replica in anew} == {types.DiskStatus.OK}
    lab.destination.delete_disks(later, anew)
