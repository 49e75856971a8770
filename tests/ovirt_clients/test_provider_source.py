"""oVirt as a source, through its backups: engine, image I/O daemon and disks are real processes and files."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.images.registry import Opening, open_image
from coriolis.model.enums import EventLevel, Firmware, OsType, ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis_lab.faults import Fault
from tests.conformance.providers.conftest import SETTINGS
from tests.conformance.providers.real_ovirt import INSTANCE, MIB, Lab, needs_real_disks, read, real_lab, write
from tests.memory_operation import Crash, MemoryOperation

pytestmark = needs_real_disks
RECORDING = {"automatically_enable_incremental_backups": True}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with real_lab(tmp_path_factory.mktemp("source")) as made:
        yield made


@dataclass
class Machine:
    """A VM that is down, with a raw or a cow disk of 8 MiB and one of 4 MiB."""

    lab: Lab
    disks: list[ReplicaDisk]
    instance: Instance
    ledger: Any
    runs: int = 0

    def operation(self) -> MemoryOperation:
        self.runs += 1
        return MemoryOperation(SETTINGS, job=f"run{self.runs}", ledger=self.ledger)

    def fill(self, number: int, offset: int, data: bytes) -> None:
        op = self.operation()
        (image,) = self.lab.open(op, [self.disks[number]]).images
        write(image, offset, data)
        self.lab.close(op, [self.disks[number]])

    def run(self, points: dict[str, str], env: dict[str, Any], *, works: bool = True) -> "Run":
        """One export, from its beginning to its end; what was read of it, and the points it ends with."""
        op = self.operation()
        source = self.lab.source
        resources = source.deploy_source_resources(op, env, self.instance, points)
        assert resources.worker is None
        content = [
            read(replace(image, size_bytes=min(image.size_bytes, 8 * MIB))) for image in resources.images
        ]
        changes = [_changes(image) for image in resources.images]
        found = {i.disk_id: i.point for i in resources.images if i.point is not None}
        ended = found if works else points
        for _ in range(2):
            source.delete_source_resources(op, env, self.instance, ended)
        assert not op.ledger.owed()
        return Run(op, list(resources.images), content, changes, ended)

    def checkpoints(self) -> set[str]:
        service = self.lab.system.vms_service().vm_service(self.instance.id)
        return {checkpoint.id for checkpoint in service.checkpoints_service().list()}


@dataclass
class Run:
    op: MemoryOperation
    images: list[ImageDisk]
    content: list[bytes]
    changes: list[list[tuple[int, int]] | None]
    points: dict[str, str]

    def checkpoints(self) -> set[str]:
        return {point.split("/")[1] for point in self.points.values()}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _changes(image: ImageDisk) -> list[tuple[int, int]] | None:
    if image.since is None:
        return None
    disk = open_image(image, Opening("reader", "t/i", 1))
    found = disk.changes(image.since)
    disk.close()
    return [(extent.offset, extent.length) for extent in found or ()]


def machine(lab: Lab, name: str, domain: str) -> Machine:
    op = MemoryOperation(SETTINGS, job=name)
    wanted = replace(INSTANCE, name=name, firmware=Firmware.EFI)
    env = {**lab.env, "storage_domain": domain, "leave_migrated_vms_off": True}
    replicas = list(lab.destination.deploy_disks(op, env, wanted, []))
    disks = [
        ClonedDisk(r.disk_id, r.volume_id, r.volume_name, r.size_bytes, n == 0)
        for n, r in enumerate(replicas)
    ]
    lab.destination.finalize_instance(op, env, wanted, disks, None)
    return Machine(lab, replicas, lab.source.get_instance({}, name), op.ledger)


def test_what_is_there(lab: Lab) -> None:
    made = machine(lab, "inventory", "files")
    found = made.instance
    assert (found.name, found.num_cpu, found.memory_mb) == ("inventory", 1, 512)
    assert (found.os_type, found.firmware, found.running) == (OsType.LINUX, Firmware.EFI, False)
    assert [(d.size_bytes, d.bootable, d.storage_backend) for d in found.disks] == [
        (8 * MIB, True, "files"),
        (4 * MIB, False, "files"),
    ]
    assert [(nic.network_name, bool(nic.mac_address)) for nic in found.nics] == [("blue", True)]
    assert [n.name for n in lab.source.list_networks({})] == ["blue"]
    (summary,) = lab.source.list_instances({}, name="VENTOR")
    assert (summary.id, summary.firmware) == (found.id, Firmware.EFI)
    assert lab.source.list_instances({}, marker=found.id, limit=0) == []
    assert lab.source.get_instance({}, found.id) == found
    with pytest.raises(errors.InstanceNotFound, match="nameless"):
        lab.source.get_instance({}, "nameless")
    with pytest.raises(errors.InvalidInput, match="wishes"):
        lab.source.source_options({"wishes": 1})
    lab.source.validate_source({}, found)
    service = lab.system.vms_service().vm_service(found.id).disk_attachments_service()
    service.attachment_service(found.disks[1].id).update(types.DiskAttachment(active=False))
    with pytest.raises(errors.InvalidInput, match="is not active"):
        lab.source.validate_source({}, found)


@pytest.mark.parametrize("domain", ["blocks", "files"])
def test_a_full_run_and_then_only_what_changed(lab: Lab, domain: str) -> None:
    made = machine(lab, f"changes-{domain}", domain)
    data = os.urandom(MIB)
    made.fill(0, MIB, data)
    first = made.run({}, RECORDING)
    assert first.content[0][MIB : 2 * MIB] == data
    if domain == "files":  # block storage rounds its disks up
        digests = [lab.hypervisor.disk_digest(disk.id) for disk in made.instance.disks]
        assert [digest(content) for content in first.content] == digests
    assert first.changes == [None, None]
    assert made.checkpoints() == first.checkpoints()
    if domain == "files":  # raw: the layer that records changes is told of, and made once
        assert "record changes" in first.op.events[-1][1]
        assert made.run(first.points, RECORDING).changes == [[], []]
        return
    assert not first.op.events
    made.fill(0, 4 * MIB, b"x" * 65536)
    second = made.run(first.points, RECORDING)
    assert second.changes == [[(4 * MIB, 65536)], []]
    assert second.content[0][4 * MIB :][:65536] == b"x" * 65536
    assert made.checkpoints() == second.checkpoints()
    lab.source.delete_points(made.operation(), {}, second.points)
    assert made.checkpoints() == set()


def test_raw_disks_are_read_in_full_unless_they_are_to_record(lab: Lab) -> None:
    made = machine(lab, "raw", "files")
    first = made.run({}, {})
    assert first.points == {}
    assert [image.since for image in made.run({}, {}).images] == [None, None]
    service = lab.system.vms_service().vm_service(made.instance.id)
    assert [s.description for s in service.snapshots_service().list()] == ["Active VM"]


def test_a_run_that_failed_leaves_what_the_next_one_needs(lab: Lab) -> None:
    made = machine(lab, "failed", "blocks")
    first = made.run({}, RECORDING)
    failed = made.run(first.points, RECORDING, works=False)
    assert first.checkpoints() < made.checkpoints()
    last = made.run(failed.points, RECORDING)
    assert [change is not None for change in last.changes] == [True, True]
    assert made.checkpoints() == last.checkpoints()


def test_a_checkpoint_of_others_is_never_removed(lab: Lab) -> None:
    made = machine(lab, "others", "blocks")
    for disk in made.instance.disks:
        lab.system.disks_service().disk_service(disk.id).update(
            types.Disk(backup=types.DiskBackup.INCREMENTAL)
        )
    other = MemoryOperation(SETTINGS, job="other")  # a ledger of its own: another product
    lab.source.deploy_source_resources(other, {}, made.instance, {})
    other.ledger.rows.clear()
    backups = lab.system.vms_service().vm_service(made.instance.id).backups_service()
    for transfer in lab.system.image_transfers_service().list():
        if transfer.phase == types.ImageTransferPhase.TRANSFERRING:
            lab.system.image_transfers_service().image_transfer_service(transfer.id).finalize()
    _wait(
        lambda: all(str(t.phase) == "finished_success" for t in lab.system.image_transfers_service().list())
    )
    (backup,) = backups.list()
    backups.backup_service(backup.id).finalize()
    _wait(lambda: backups.list()[0].phase == types.BackupPhase.SUCCEEDED)
    theirs = made.checkpoints()
    run = made.run({}, RECORDING)
    again = made.run(run.points, RECORDING)
    assert theirs < made.checkpoints()
    assert again.checkpoints() < made.checkpoints()


def test_a_checkpoint_that_is_gone_is_told(lab: Lab) -> None:
    made = machine(lab, "gone", "blocks")
    first = made.run({}, RECORDING)
    checkpoints = lab.system.vms_service().vm_service(made.instance.id).checkpoints_service()
    (gone,) = first.checkpoints()
    checkpoints.checkpoint_service(gone).remove()
    second = made.run(first.points, RECORDING)
    assert made.ledger.find(ResourceKind.CHECKPOINT, gone) is None
    assert second.changes == [None, None]
    assert [(level, "is gone" in text) for level, text in second.op.events] == [(EventLevel.WARNING, True)]


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
@pytest.mark.parametrize("kind", [ResourceKind.BACKUP, ResourceKind.CHECKPOINT, ResourceKind.IMAGE_TRANSFER])
def test_a_crash_while_an_export_begins(lab: Lab, kind: ResourceKind, again: bool) -> None:
    made = machine(lab, f"crash-{kind.value[:6]}-{again}", "blocks")
    op = made.operation()
    op.ledger.crash_after = kind
    with pytest.raises(Crash):
        lab.source.deploy_source_resources(op, RECORDING, made.instance, {})
    if again:
        assert len(lab.source.deploy_source_resources(op, RECORDING, made.instance, {}).images) == 2
    lab.source.delete_source_resources(op, RECORDING, made.instance, {})
    assert not op.ledger.owed()
    assert made.checkpoints() == set()
    assert lab.system.vms_service().vm_service(made.instance.id).get().status == types.VmStatus.DOWN


def test_a_backup_that_fails_is_told(lab: Lab) -> None:
    made = machine(lab, "fails", "blocks")
    op = made.operation()
    lab.faults.plant(Fault("backup.create", "error"))
    with pytest.raises(errors.CloudError, match="gave it up"):
        lab.source.deploy_source_resources(op, {}, made.instance, {})
    lab.source.delete_source_resources(op, {}, made.instance, {})
    assert not op.ledger.owed()


def _wait(true: Any) -> None:

    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
