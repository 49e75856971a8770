"""What backup programs do that use no backup API: the OVF of a VM, and snapshots of its disks in another VM."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types


@pytest.fixture
def kept(engine, request):
    """A VM with a disk, and a snapshot of it: (service, disk id, snapshot id)."""
    name = request.node.name.removeprefix("test_")[:50]
    service = engine.new_vm(name)
    disk = engine.new_disk(f"{name}-disk", format=types.DiskFormat.COW)
    engine.attach(service, disk.id, bootable=True)
    snapshots = service.snapshots_service()
    taken = snapshots.add(types.Snapshot(description="for a backup"))
    snapshot = snapshots.snapshot_service(taken.id)
    engine.wait(lambda: snapshot.get().snapshot_status == types.SnapshotStatus.OK)
    return service, disk.id, taken.id


def with_snapshot(disk_id: str, snapshot_id: str, **fields) -> types.DiskAttachment:
    values = {"active": True, "bootable": False, "interface": types.DiskInterface.VIRTIO_SCSI, **fields}
    return types.DiskAttachment(
        disk=types.Disk(id=disk_id, snapshot=types.Snapshot(id=snapshot_id)), **values
    )


def test_a_snapshot_is_read_in_another_vm(engine, kept):
    service, disk_id, snapshot_id = kept
    agent = engine.new_vm("agent", template="worker", clone=True)
    engine.start(agent)
    attachments = agent.disk_attachments_service()
    made = attachments.add(with_snapshot(disk_id, snapshot_id))
    assert (made.disk.id, made.active) == (disk_id, True)
    [layer] = [
        disk for disk in engine.hypervisor.vms[agent.get().id].disks.values() if disk.serial == disk_id
    ]
    assert layer.disk_id != disk_id
    snapshot = service.snapshots_service().snapshot_service(snapshot_id)
    with pytest.raises(ovirtsdk4.Error, match="for a backup / agent") as raised:
        snapshot.remove()
    assert raised.value.code == 409
    attachments.attachment_service(made.id).remove()
    assert layer.disk_id not in engine.hypervisor.sizes
    assert [one.disk.id for one in attachments.list() if one.disk.id == disk_id] == []
    snapshot.remove()
    engine.wait_gone(snapshot)
    assert engine.disks.disk_service(disk_id).get().status == types.DiskStatus.OK


def test_the_disk_outlives_the_vm_that_read_it(engine, kept):
    _service, disk_id, snapshot_id = kept
    agent = engine.new_vm("short-lived")
    agent.disk_attachments_service().add(with_snapshot(disk_id, snapshot_id))
    before = set(engine.hypervisor.sizes)
    agent.remove()
    engine.wait_gone(agent)
    assert engine.disks.disk_service(disk_id).get().id == disk_id
    assert len(before - set(engine.hypervisor.sizes)) == 1


def test_a_vm_is_made_anew_from_its_ovf(engine, kept):
    service, _disk_id, _snapshot_id = kept
    service.nics_service().add(
        types.Nic(name="nic1", vnic_profile=types.VnicProfile(id=engine.profile_id("ovirtmgmt")))
    )
    vm = service.get(all_content=True)
    assert service.get().initialization is None
    document = vm.initialization.configuration.data
    disks = document.partition("<Disk ")[2].partition("/>")[0]
    without = document.replace(f"<Disk {disks}/>", "").replace(f"<Name>{vm.name}</Name>", "<Name>anew</Name>")
    configuration = types.Configuration(type=types.ConfigurationType.OVF, data=without)
    body = types.Vm(
        cluster=types.Cluster(name="Default"),
        initialization=types.Initialization(configuration=configuration),
    )
    anew = engine.vms.add(body)
    assert (anew.name, anew.memory, anew.bios.type) == ("anew", vm.memory, vm.bios.type)
    [nic] = engine.vms.vm_service(anew.id).nics_service().list()
    assert (nic.name, nic.vnic_profile.id) == ("nic1", engine.profile_id("ovirtmgmt"))
    assert "VirtIO_SCSI" in disks


def test_a_new_disk_is_plugged_into_a_running_vm(engine):
    service = engine.new_vm("grows", template="worker", clone=True)
    engine.start(service)
    attachments = service.disk_attachments_service()
    made = attachments.add(
        types.DiskAttachment(
            disk=engine.disk_body("more"),
            interface=types.DiskInterface.VIRTIO_SCSI,
            bootable=False,
            active=True,
        )
    )
    engine.wait(lambda: attachments.attachment_service(made.id).get().active)
    assert made.id in engine.hypervisor.vms[service.get().id].disks
