"""Snapshots: locks, image ids, the refused detach, restore, and VMs made from them."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import Fault


@pytest.fixture
def holder(engine, request):
    """A VM on Blank with one raw disk, and that disk's id."""
    name = request.node.name.removeprefix("test_")[:60]
    service, disk = engine.new_vm(name), engine.new_disk(name)
    engine.hypervisor.contents[disk.id] = "first"
    engine.attach(service, disk.id, bootable=True)
    return service, disk.id


def take(engine, service, description: str = "point"):
    snapshots = service.snapshots_service()
    taken = snapshots.add(types.Snapshot(description=description, persist_memorystate=False))
    assert taken.snapshot_status == types.SnapshotStatus.LOCKED
    snapshot = snapshots.snapshot_service(taken.id)
    engine.wait(lambda: snapshot.get().snapshot_status == types.SnapshotStatus.OK)
    return snapshot


def test_effects_on_the_disk(engine, holder):
    service, disk_id = holder
    disk = engine.disks.disk_service(disk_id)
    before = disk.get()
    snapshot = take(engine, service)
    after = disk.get()
    assert (before.format, after.format) == (types.DiskFormat.RAW, types.DiskFormat.COW)
    assert (before.id, before.image_id != after.image_id) == (after.id, True)
    [frozen] = snapshot.disks_service().list()
    assert (frozen.id, frozen.image_id) == (disk_id, before.image_id)
    kinds = {item.snapshot_type for item in service.snapshots_service().list()}
    assert kinds == {types.SnapshotType.ACTIVE, types.SnapshotType.REGULAR}


def test_detach_is_refused_until_the_snapshot_is_gone(engine, holder):
    service, disk_id = holder
    image_id = engine.disks.disk_service(disk_id).get().image_id
    snapshot = take(engine, service)
    assert image_id in engine.hypervisor.snapshots
    attachment = service.disk_attachments_service().attachment_service(disk_id)
    with pytest.raises(ovirtsdk4.Error, match="already configured in a snapshot") as raised:
        attachment.remove(detach_only=True)
    assert raised.value.code == 409
    with pytest.raises(ovirtsdk4.Error, match="snapshots exist"):
        service.remove(detach_only=True)
    snapshot.remove()
    engine.wait_gone(snapshot)
    assert image_id not in engine.hypervisor.snapshots
    assert engine.disks.disk_service(disk_id).get().format == types.DiskFormat.RAW
    attachment.remove(detach_only=True)
    engine.wait_gone(attachment)


def test_locks_while_a_snapshot_is_taken(engine, holder):
    service, disk_id = holder
    engine.faults.plant(Fault("snapshot.create", "stuck"))
    service.snapshots_service().add(types.Snapshot(description="stuck", persist_memorystate=False))
    assert engine.disks.disk_service(disk_id).get().status == types.DiskStatus.LOCKED
    for action in (
        service.start,
        service.remove,
        lambda: service.snapshots_service().add(types.Snapshot(description="second")),
        service.disk_attachments_service().attachment_service(disk_id).remove,
    ):
        with pytest.raises(ovirtsdk4.Error, match="performing an operation on a Snapshot") as raised:
            action()
        assert raised.value.code == 409


def test_failed_snapshot_disappears(engine, holder):
    service, disk_id = holder
    engine.faults.plant(Fault("snapshot.create", "error"))
    taken = service.snapshots_service().add(types.Snapshot(description="fails"))
    engine.wait_gone(service.snapshots_service().snapshot_service(taken.id))
    assert engine.disks.disk_service(disk_id).get().status == types.DiskStatus.OK
    assert service.get().status == types.VmStatus.DOWN


def test_restore_brings_back_content_and_drops_later_disks(engine, holder):
    service, disk_id = holder
    snapshot = take(engine, service)
    engine.hypervisor.contents[disk_id] = "second"
    late = engine.new_disk("late")
    engine.attach(service, late.id)
    take(engine, service, "later")
    snapshot.restore()
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    assert engine.hypervisor.contents[disk_id] == "first"
    assert [item.id for item in service.disk_attachments_service().list()] == [disk_id]
    assert "later" not in [item.description for item in service.snapshots_service().list()]


def test_vm_from_a_snapshot(engine, holder):
    service, disk_id = holder
    snapshot = take(engine, service)
    engine.hypervisor.contents[disk_id] = "second"
    name = f"from-{service.get().name}"
    body = types.Vm(
        name=name, cluster=types.Cluster(name="Default"), snapshots=[types.Snapshot(id=snapshot.get().id)]
    )
    vm = engine.vms.add(body)
    assert vm.status == types.VmStatus.IMAGE_LOCKED
    clone = engine.vms.vm_service(vm.id)
    engine.wait(lambda: clone.get().status == types.VmStatus.DOWN)
    [attachment] = clone.disk_attachments_service().list()
    assert engine.hypervisor.contents[attachment.id] == "first"
    attached = clone.disk_attachments_service().attachment_service(attachment.id)
    attached.remove(detach_only=True)
    engine.wait_gone(attached)
    clone.remove()
    engine.wait_gone(clone)
    assert attachment.id in engine.hypervisor.sizes


def test_removal_of_the_vm_takes_disks_and_snapshots(engine, holder):
    service, disk_id = holder
    image_id = engine.disks.disk_service(disk_id).get().image_id
    take(engine, service)
    service.remove()
    engine.wait_gone(service)
    assert disk_id not in engine.hypervisor.sizes
    assert image_id not in engine.hypervisor.snapshots


def test_snapshot_none_is_a_404(engine, holder):
    service, _disk_id = holder
    with pytest.raises(ovirtsdk4.NotFoundError):
        service.snapshots_service().snapshot_service("None").get()


def test_preview_undo_and_commit(engine):
    vm, disk = engine.new_vm("tried"), engine.new_disk("tried-disk")
    engine.attach(vm, disk.id, bootable=True)
    engine.hypervisor.contents[disk.id] = "old"
    snapshots = vm.snapshots_service()
    body = types.Snapshot(description="old", persist_memorystate=False)
    snapshot = snapshots.snapshot_service(snapshots.add(body).id)
    engine.wait(lambda: snapshot.get().snapshot_status == types.SnapshotStatus.OK)
    engine.hypervisor.contents[disk.id] = "new"
    for action in (vm.commit_snapshot, vm.undo_snapshot):
        with pytest.raises(ovirtsdk4.Error, match="VM is not previewing a Snapshot"):
            action()

    def try_it() -> None:
        vm.preview_snapshot(snapshot=types.Snapshot(id=snapshot.get().id))
        engine.wait(lambda: vm.get().status == types.VmStatus.DOWN)

    try_it()
    assert engine.hypervisor.contents[disk.id] == "old"
    assert snapshot.get().snapshot_status == types.SnapshotStatus.IN_PREVIEW
    with pytest.raises(ovirtsdk4.Error, match="VM is previewing a Snapshot") as raised:
        snapshots.add(body)
    assert raised.value.code == 409
    vm.undo_snapshot()
    engine.wait(lambda: vm.get().status == types.VmStatus.DOWN)
    assert engine.hypervisor.contents[disk.id] == "new"
    try_it()
    vm.commit_snapshot()
    engine.wait(lambda: vm.get().status == types.VmStatus.DOWN)
    assert engine.hypervisor.contents[disk.id] == "old"
    kinds = [item.snapshot_type.value for item in snapshots.list()]
    assert sorted(kinds) == ["active", "regular"]
    assert snapshot.get().snapshot_status == types.SnapshotStatus.OK
