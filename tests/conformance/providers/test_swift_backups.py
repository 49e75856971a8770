"""swift_backups from the API to the bytes: backups that the lab's Cinder writes, read as the conductor reads them."""

import filecmp
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from coriolis.agent.disk import DeviceError, Disk, Extent
from coriolis.config import OpenStackSection, Settings
from coriolis.errors import CloudError, InvalidInput, NotSupported, QuotaExceeded
from coriolis.images.registry import Opening, open_image
from coriolis.model.enums import Firmware, OsType, ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk as InstanceDisk
from coriolis.model.instance import Instance
from coriolis.model.secret import Secret
from coriolis.providers.openstack.export import backups
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis.runner import run
from coriolis.transfer.job import CopyJob, DiskCopy, ImageEnd
from coriolis.transfer.process import run_copy_job
from coriolis_lab.faults import Fault, FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.openstack.volume import backup_work
from coriolis_lab.openstack.volume.backup_work import BLOCK_BYTES
from coriolis_lab.settings import LabSettings
from tests.conformance.openstack.conftest import QUICK
from tests.memory_operation import MemoryOperation
from tests.unit.handed import handed_over
from tests.unit.transfer import file_image
from tests.unit.transfer.children import run_first

GIB = 1 << 30
LEAF = 65536
OBJECT_BYTES = 4 << 20  # Cinder's 50 MiB only cost time here
ENV = {"replica_export_mechanism": "swift_backups"}
SECTION = OpenStackSection(timeout=30, poll_interval=0.02, full_backup_every=3)
SETTINGS = Settings(openstack_migration_provider=SECTION)


@dataclass
class World:
    """A project with a volume of which we know the content, attached to nothing."""

    front: OpenStackFront
    hypervisor: LocalHypervisor
    directory: Path
    volume: str
    faults: FaultBook
    content: dict[int, bytes]
    runs: int = 0

    def source(self, **change: Any) -> Any:
        info = {
            "auth_url": self.front.auth_url,
            "username": "demo",
            "password": "open sesame",
            "project_name": "demo",
            **change,
        }
        return OpenStackProvider().connect_source(info, "lab", SETTINGS)

    @property
    def instance(self) -> Instance:
        size = self.front.cloud.volumes[self.volume].size * GIB
        disks = (InstanceDisk(self.volume, size, bootable=True),)
        return Instance("i", "web", 1, 512, OsType.LINUX, Firmware.BIOS, disks, ())

    def write(self, **pieces: bytes) -> None:
        """`at_<offset>`: what stands there from now on."""
        self.content |= {int(name.removeprefix("at_")): data for name, data in pieces.items()}
        raw, packed = self.directory / "now.raw", self.directory / "now.qcow2"
        with raw.open("wb") as file:
            file.truncate(GIB)
            for offset in sorted(self.content):
                file.seek(offset)
                file.write(self.content[offset])
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, packed])
        self.hypervisor.read_disk_file(self.volume, packed)

    def operation(self, before: MemoryOperation | None = None) -> MemoryOperation:
        self.runs += 1
        made = MemoryOperation(SETTINGS, job=f"job{self.runs}")
        if before is not None:
            made.ledger = before.ledger
        return made

    def same_as_now(self, disk: Disk) -> bool:
        found, handle = bytearray(1 << 20), disk.open()
        with (self.directory / "now.raw").open("rb") as file:
            for extent in disk.changes(None) or ():
                for start in range(extent.offset, extent.offset + extent.length, len(found)):
                    length = min(len(found), extent.offset + extent.length - start)
                    handle.read(start, length, memoryview(found))
                    file.seek(start)
                    if file.read(length) != found[:length]:
                        return False
        told = {block for e in disk.changes(None) or () for block in _blocks(e)}
        return {offset // BLOCK_BYTES for offset in self.content} <= told


def _blocks(extent: Extent) -> range:
    return range(extent.offset // BLOCK_BYTES, -(-(extent.offset + extent.length) // BLOCK_BYTES))


def opened(image: ImageDisk) -> Disk:
    """As the child process gets it."""
    return open_image(handed_over(image), Opening("reader", "", 0))


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    patched = pytest.MonkeyPatch()
    patched.setattr(backup_work, "OBJECT_BYTES", OBJECT_BYTES)
    directory = tmp_path_factory.mktemp("swift")
    settings = LabSettings(root=directory / "lab", cache=directory / "cache", delays=QUICK)
    hypervisor, faults = LocalHypervisor(settings), FaultBook()
    front = OpenStackFront(hypervisor, settings, faults)
    front.add_project("demo", "demo", "open sesame")
    front.start()
    world = World(front, hypervisor, directory, "", faults, {})
    storage = world.source()._client.storage
    volume = storage.create_volume(name="root", size=1)
    storage.wait_for_status(volume, "available", interval=0.05, wait=60)
    world.volume = volume.id
    noise = random.Random(5).randbytes  # noqa: S311 - test data
    world.write(
        at_0=noise(300_000), **{f"at_{OBJECT_BYTES - 5000}": noise(70_000), f"at_{GIB - 100}": b"end"}
    )
    yield world
    front.stop()
    hypervisor.close()
    patched.undo()


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    yield module_world
    module_world.faults.clear()
    module_world.front.cloud.backups.clear()


def export(world: World, op: MemoryOperation, points: dict[str, str]) -> ImageDisk:
    resources = world.source().deploy_source_resources(op, ENV, world.instance, points)
    assert resources.worker is None
    (image,) = resources.images
    return image


def test_full_and_incremental_runs_and_what_they_keep(world: World) -> None:
    source = world.source()
    source.validate_source(ENV, world.instance)
    op = world.operation()
    first = export(world, op, {})
    assert "open sesame" not in repr(first)
    disk = opened(first)
    assert disk.size == GIB
    assert world.same_as_now(disk)
    points = {world.volume: first.point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    assert op.ledger.owed() == []
    assert [kind for kind, _ in op.ledger.kept()] == [ResourceKind.BACKUP]
    assert not world.front.cloud.snapshots

    world.write(**{f"at_{7 * BLOCK_BYTES + 9}": b"changed", f"at_{600 << 20}": b"new"})
    op = world.operation(op)
    second = export(world, op, points)
    assert second.since == first.point
    disk = opened(second)
    assert disk.changes(second.since) == [
        Extent(7 * BLOCK_BYTES, BLOCK_BYTES),
        Extent(600 << 20, BLOCK_BYTES),
    ]
    assert world.same_as_now(disk)
    points = {world.volume: second.point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    assert len(op.ledger.kept()) == 2  # an incremental backup needs those below it

    op = world.operation(op)
    third = export(world, op, points)
    assert opened(third).changes(third.since) == []
    source.delete_source_resources(
        op, ENV, world.instance, points
    )  # it failed: the second is still the truth
    assert len(world.front.cloud.backups) == 2

    for _ in range(2):  # full_backup_every is 3
        op = world.operation(op)
        image = export(world, op, points)
        points = {world.volume: image.point or ""}
        assert opened(image).changes(image.since) == []  # the last one is full, and compared nevertheless
        source.delete_source_resources(op, ENV, world.instance, points)
    assert [b.parent_id for b in world.front.cloud.backups.values()] == [None]
    assert len(op.ledger.kept()) == 1
    source.delete_points(op, ENV, points)
    assert not world.front.cloud.backups
    assert not op.ledger.kept()
    assert op.ledger.owed() == []


def test_bytes_cross_in_full_and_then_only_what_changed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the processes that a transfer starts: the backup's reader at one end, a file at the other."""
    run_first(file_image.SITE, tmp_path, monkeypatch)
    path = tmp_path / "replica"
    path.touch()
    os.truncate(path, GIB)
    secrets = {"password": Secret("open sesame")}
    replica = ImageEnd(ImageDisk("volume", GIB, file_image.KIND, {"path": str(path)}, secrets))
    source, op, points, previous = world.source(), world.operation(), dict[str, str](), None
    moved = []
    for generation in (1, 2):
        image = export(world, op, points)
        copy = DiskCopy(
            world.volume,
            GIB,
            ImageEnd(image),
            replica,
            generation,
            tmp_path / str(generation),
            previous=previous,
            destination_zeroed=previous is None,
            since=image.since,
        )
        job = CopyJob((copy,), "transfer", generation, connect_timeout=60)
        (result,) = run_copy_job(job, report=lambda _: None, check=lambda: None)
        moved.append((result.read, result.moved))
        assert filecmp.cmp(path, world.directory / "now.raw", shallow=False)
        points, previous = {world.volume: image.point or ""}, copy.manifest
        source.delete_source_resources(op, ENV, world.instance, points)
        op = world.operation(op)
        if generation == 1:
            world.write(**{f"at_{(100 << 20) + 5}": b"a few bytes"})
    # whole leaves that hold a block which is not zeros; after that the one that was written to
    assert moved[0][0] < 20 * LEAF
    assert moved[1] == (LEAF, LEAF)
    source.delete_points(op, ENV, points)


def test_a_base_that_is_gone_makes_the_next_run_full(world: World) -> None:
    source, op = world.source(), world.operation()
    image = export(world, op, {})
    points = {world.volume: image.point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    source.delete_points(op, ENV, points)
    op = world.operation(op)
    again = export(world, op, points)
    assert again.since is None
    assert any("is gone" in text for _, text in op.events)
    assert world.same_as_now(opened(again))
    source.delete_source_resources(op, ENV, world.instance, {})
    assert not world.front.cloud.backups


def test_an_incremental_backup_that_fails_is_made_in_full(world: World) -> None:
    source, op = world.source(), world.operation()
    points = {world.volume: export(world, op, {}).point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    world.faults.plant(Fault("backup.create", "error"))
    op = world.operation(op)
    image = export(world, op, points)
    assert any("backed up in full" in text for _, text in op.events)
    assert opened(image).changes(image.since) == []
    points = {world.volume: image.point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    assert len(world.front.cloud.backups) == 1
    source.delete_points(op, ENV, points)


def test_a_small_volume_is_backed_up_until_a_service_takes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a snapshot is, which such a backup would spoil."""
    monkeypatch.setattr(backups, "_SERVICE_PAUSE", 0.1)
    world.faults.plant(Fault("backup.create", "no_service", count=2))
    source, op = world.source(), world.operation()
    points = {world.volume: export(world, op, {}).point or ""}
    there = sorted(backup.name for backup in world.front.cloud.backups.values())
    assert there == [op.name("backup", "0"), op.name("trial", "0")]
    source.delete_source_resources(op, ENV, world.instance, points)
    assert [v.id for v in world.front.cloud.volumes.values()] == [world.volume]
    op = world.operation(op)
    image = export(world, op, points)
    assert len(world.front.cloud.backups) == 2, "who was served a moment ago tries nothing out"
    points = {world.volume: image.point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    source.delete_points(op, ENV, points)
    assert not op.ledger.owed()


def test_without_a_service_nothing_of_the_guest_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_SERVICE_SECONDS", 0.0)
    world.faults.plant(Fault("backup.create", "no_service"))
    source, op = world.source(), world.operation()
    status = world.front.cloud.volumes[world.volume].status
    with pytest.raises(CloudError, match="Service not found for creating backup"):
        export(world, op, {})
    assert world.front.cloud.volumes[world.volume].status == status
    assert not world.front.cloud.snapshots
    source.delete_source_resources(op, ENV, world.instance, {})
    assert not world.front.cloud.backups
    assert not op.ledger.owed()


def test_a_snapshot_that_the_scheduler_forgot_is_an_administrators(world: World) -> None:
    """The service went between the trial (or somebody's backup) and ours."""
    source, op = world.source(), world.operation()
    points = {world.volume: export(world, op, {}).point or ""}
    source.delete_source_resources(op, ENV, world.instance, points)
    world.faults.plant(Fault("backup.create", "no_service"))
    op = world.operation(op)
    with pytest.raises(CloudError, match="Service not found for creating backup"):
        export(world, op, points)
    with pytest.raises(CloudError, match=r"--state available .* --state in-use .* try the clean-up again"):
        source.delete_source_resources(op, ENV, world.instance, points)
    (snapshot,) = world.front.cloud.snapshots.values()
    volume = world.front.cloud.volumes[world.volume]
    assert (snapshot.status, volume.status) == ("backing-up", None)
    snapshot.status, volume.status = "available", "available"
    source.delete_source_resources(op, ENV, world.instance, points)
    source.delete_points(op, ENV, points)
    assert not op.ledger.owed()


def test_damage_is_noticed_and_an_expired_token_is_renewed(world: World) -> None:
    source, op = world.source(), world.operation()
    image = export(world, op, {})
    account = world.front.cloud.account(next(iter(world.front.cloud.accounts)))
    (container,) = image.parameters["containers"].values()
    objects = account.containers[container]
    name = next(name for name in objects if world.volume in name and name.endswith("-00001"))
    disk = opened(image)
    world.front.cloud.realm._tokens.clear()
    disk.open().read(0, 65536, memoryview(bytearray(65536)))
    kept = objects[name]
    objects[name] = replace(kept, data=kept.data[:-1])
    with pytest.raises(DeviceError, match="data is cut"):
        opened(image).open().read(0, 65536, memoryview(bytearray(65536)))
    metadata = next(name for name in objects if world.volume in name and name.endswith("_metadata"))
    told = objects[metadata]
    spoilt = json.loads(told.data)
    next(iter(spoilt["objects"][0].values()))["md5"] = "0" * 32
    objects[name] = kept
    objects[metadata] = replace(told, data=json.dumps(spoilt).encode())
    with pytest.raises(DeviceError, match="MD5"):
        opened(image).open().read(0, 65536, memoryview(bytearray(65536)))
    del objects[metadata]
    with pytest.raises(DeviceError, match="has no objects in container"):
        opened(image)
    source.delete_source_resources(op, ENV, world.instance, {})


def test_what_cannot_work_is_told_before_anything_is_made(world: World) -> None:
    source = world.source()
    local = replace(world.instance, disks=(InstanceDisk("ephemeral-i", GIB),))
    with pytest.raises((NotSupported, InvalidInput)):
        source.validate_source(ENV, local)
    with pytest.raises(InvalidInput, match="volume_backups_container"):
        source.validate_source(
            {**ENV, "swift_backups_options": {"volume_backups_container": "a/b"}}, world.instance
        )
    project = world.front.cloud.volumes[world.volume].project_id
    world.front.set_quota(project, backups=0)
    with pytest.raises(QuotaExceeded, match="2 backups needed"):
        source.validate_source(ENV, world.instance)
    world.front.set_quota(project, backups=10)
    with pytest.raises(InvalidInput, match="ceph_options"):
        source.validate_source({"replica_export_mechanism": "ceph_snapshots"}, world.instance)
    with pytest.raises(InvalidInput, match="ceph_options"):
        source.validate_source({"replica_export_mechanism": "ceph_backups"}, world.instance)


def test_backups_that_are_not_in_swift(world: World) -> None:
    """Another driver of cinder-backup, or another account: known from the first backup on."""
    source, op = world.source(), world.operation()
    image = export(world, op, {})
    account = world.front.cloud.account(next(iter(world.front.cloud.accounts)))
    (container,) = image.parameters["containers"].values()
    held, account.containers[container] = account.containers[container], {}
    with pytest.raises(NotSupported, match="backup_swift_auth"):
        source.validate_source(ENV, world.instance)
    account.containers[container] = held
    source.delete_source_resources(op, ENV, world.instance, {})


def test_a_failed_full_backup_is_an_error_and_leaves_nothing(world: World) -> None:
    world.faults.plant(Fault("backup.create", "error"))
    source, op = world.source(), world.operation()
    with pytest.raises(CloudError, match="the lab was told so"):
        export(world, op, {})
    source.delete_source_resources(op, ENV, world.instance, {})
    assert op.ledger.owed() == []
    assert not world.front.cloud.backups
