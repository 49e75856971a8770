"""Disks: their rules, states, copies and ends."""

import time

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import Fault
from tests.conformance.ovirt.conftest import GIGABYTE


def test_life_of_a_disk(engine):
    disk = engine.disks.add(engine.disk_body("life", 3 * GIGABYTE, description="of a test"))
    service = engine.disks.disk_service(disk.id)
    assert disk.status == types.DiskStatus.LOCKED
    engine.wait(lambda: service.get().status == types.DiskStatus.OK)
    seen = service.get()
    assert (seen.name, seen.alias, seen.description) == ("life", "life", "of a test")
    assert (seen.provisioned_size, seen.sparse, seen.format) == (3 * GIGABYTE, True, types.DiskFormat.RAW)
    assert seen.storage_type == types.DiskStorageType.IMAGE
    assert engine.hypervisor.sizes[disk.id] == 3 * GIGABYTE
    service.update(types.Disk(provisioned_size=4 * GIGABYTE, description="grown"))
    engine.wait(lambda: service.get().status == types.DiskStatus.OK)
    assert (service.get().provisioned_size, service.get().description) == (4 * GIGABYTE, "grown")
    assert service.remove() is None
    engine.wait_gone(service)
    assert disk.id not in engine.hypervisor.sizes


def test_expect_waits_until_it_is_made(engine):
    disk = engine.disks.add(engine.disk_body("waited"), headers={"Expect": "201-created"})
    assert disk.status == types.DiskStatus.OK


def test_own_id_is_kept_and_taken_once(engine):
    mine = "0f0f0f0f-1111-4222-8333-444444444444"
    assert engine.disks.add(engine.disk_body("mine", id=mine)).id == mine
    with pytest.raises(ovirtsdk4.Error, match="same id already exists") as raised:
        engine.disks.add(engine.disk_body("again", id=mine))
    assert raised.value.code == 409


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"format": None}, 400, r"Disk \[format\] required for add"),
        ({"storage_domains": []}, 400, r"\[Cannot add Virtual Disk. Storage Domain hasn't been specified.\]"),
        ({"name": "with space"}, 400, "Disk alias name must be formed of alpha-numeric"),
        ({"name": "a/b"}, 400, "Disk alias name must be formed of alpha-numeric"),
        ({"format": types.DiskFormat.COW, "sparse": False}, 409, "incompatible with the storage domain type"),
        ({"backup": types.DiskBackup.INCREMENTAL}, 409, "RAW Sparse backup-Incremental"),
        ({"storage_domains": [types.StorageDomain(name="nowhere")]}, 404, "Entity not found: StorageDomain"),
        ({"storage_domains": [types.StorageDomain(name="ovirt-image-repository")]}, 409, "not attached"),
        (
            {"sparse": False, "provisioned_size": 2000 * GIGABYTE},
            409,
            "Low disk space on Storage Domain data",
        ),
    ],
)
def test_refusals(engine, change, code, text):
    body = engine.disk_body("refused")
    for name, value in change.items():
        setattr(body, name, value)
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        engine.disks.add(body)
    assert raised.value.code == code


def test_block_storage_takes_no_sparse_raw_and_rounds_up(engine):
    engine.front.add_storage_domain("san", "Default", "iscsi")
    with pytest.raises(ovirtsdk4.Error, match="RAW Sparse backup-None") as raised:
        engine.disks.add(engine.disk_body("thin-raw", domain="san"))
    assert raised.value.code == 409
    thick = engine.new_disk("thick-raw", GIGABYTE + 1, domain="san", sparse=False)
    assert thick.provisioned_size == GIGABYTE + 128 * 1024**2
    assert engine.new_disk("thin-cow", domain="san", format=types.DiskFormat.COW).sparse


def test_managed_block_storage_names_its_type(engine):
    engine.front.add_storage_domain("ceph", "Default", "managed_block_storage")
    disk = engine.new_disk("rbd", domain="ceph")
    assert disk.storage_type == types.DiskStorageType.MANAGED_BLOCK_STORAGE
    domains = {domain.name: domain for domain in engine.system.storage_domains_service().list()}
    assert domains["ceph"].type == types.StorageDomainType.MANAGED_BLOCK_STORAGE


def test_copy_is_a_new_disk_and_both_are_locked(engine):
    source = engine.new_disk("original")
    engine.hypervisor.contents[source.id] = "data"
    service = engine.disks.disk_service(source.id)
    [domain] = engine.system.storage_domains_service().list(search="name=data")
    where = types.StorageDomain(id=domain.id)
    assert service.copy(disk=types.Disk(name="duplicate"), storage_domain=where) is None
    [copy] = engine.disks.list(search="name=duplicate")
    engine.wait(lambda: engine.disks.disk_service(copy.id).get().status == types.DiskStatus.OK)
    assert service.get().status == types.DiskStatus.OK
    assert copy.id != source.id
    assert engine.hypervisor.contents[copy.id] == "data"
    engine.faults.plant(Fault("disk.copy", "stuck"))
    service.copy(disk=types.Disk(name="never"), storage_domain=where)
    [copy] = engine.disks.list(search="name=never")
    assert {copy.status, service.get().status} == {types.DiskStatus.LOCKED}
    with pytest.raises(ovirtsdk4.Error, match="The following disks are locked: original") as raised:
        service.remove()
    assert raised.value.code == 409


def test_aliases_may_repeat_and_searches_match(engine):
    first, second = engine.new_disk("twin"), engine.new_disk("twin")
    assert {disk.id for disk in engine.disks.list(search="name=twin and status=ok")} == {first.id, second.id}
    assert len(engine.disks.list(search='alias="TW*" sortby name desc')) == 2
    assert engine.disks.list(search="alias=TW*", case_sensitive=True) == []
    assert len(engine.disks.list(search="name=twin", max=1)) == 1
    assert engine.disks.list(search=f"id={first.id} or id={second.id} page 2") == []
    with pytest.raises(ovirtsdk4.Error, match="Invalid search expression") as raised:
        engine.disks.list(search="colour=red")
    assert raised.value.code == 400


def test_failed_creation_leaves_an_illegal_disk_that_can_be_deleted(engine):
    engine.faults.plant(Fault("disk.create", "error", match="bad", message="no space left on device"))
    disk = engine.disks.add(engine.disk_body("bad"), query={"correlation_id": "bad-disk"})
    service = engine.disks.disk_service(disk.id)
    engine.wait(lambda: service.get().status == types.DiskStatus.ILLEGAL)
    [job] = engine.system.jobs_service().list(search="correlation_id=bad-disk")
    assert job.status == types.JobStatus.FAILED
    events = engine.system.events_service().list(search="correlation_id=bad-disk and severity=error")
    assert "no space left on device" in events[0].description
    service.remove()
    engine.wait_gone(service)


def test_stuck_and_refused(engine):
    engine.faults.plant(Fault("disk.create", "stuck", match="stuck"))
    disk = engine.disks.add(engine.disk_body("stuck"))
    time.sleep(0.4)
    assert engine.disks.disk_service(disk.id).get().status == types.DiskStatus.LOCKED
    engine.faults.plant(Fault("disk.create", "refuse", match="refused"))
    with pytest.raises(ovirtsdk4.Error, match="Related operation is currently in progress") as raised:
        engine.disks.add(engine.disk_body("refused"))
    assert raised.value.code == 409


def test_failed_deletion(engine):
    service = engine.disks.disk_service(engine.new_disk("stays").id)
    engine.faults.plant(Fault("disk.delete", "error"))
    service.remove()
    engine.wait(lambda: service.get().status == types.DiskStatus.ILLEGAL)


def test_async_remove_works_although_the_sdk_says_otherwise(engine):
    service = engine.disks.disk_service(engine.new_disk("async").id)
    with pytest.raises(ovirtsdk4.Error, match="HTTP response code is 202"):
        service.remove(async_=True)
    engine.wait_gone(service)


def test_move_and_sparsify(engine):
    engine.front.add_storage_domain("elsewhere", "Default")
    [elsewhere] = engine.system.storage_domains_service().list(search="name=elsewhere")
    service = engine.disks.disk_service(engine.new_disk("mover").id)
    target = types.StorageDomain(id=elsewhere.id)
    service.move(storage_domain=target)
    engine.wait(lambda: service.get().status == types.DiskStatus.OK)
    engine.wait(lambda: service.get().storage_domains[0].id == elsewhere.id)
    with pytest.raises(ovirtsdk4.Error, match="source and target storage domains are the same") as raised:
        service.move(storage_domain=target)
    assert raised.value.code == 409
    service.sparsify()
    engine.wait(lambda: service.get().status == types.DiskStatus.OK)


def test_disk_snapshots_of_a_domain(engine):
    vm, disk = engine.new_vm("frozen"), engine.new_disk("frozen-disk")
    engine.attach(vm, disk.id, bootable=True)
    image = engine.disks.disk_service(disk.id).get().image_id
    snapshots = vm.snapshots_service()
    made = snapshots.add(types.Snapshot(description="point", persist_memorystate=False))
    engine.wait(lambda: snapshots.snapshot_service(made.id).get().snapshot_status == types.SnapshotStatus.OK)
    [domain] = engine.system.storage_domains_service().list(search="name=data")
    service = engine.system.storage_domains_service().storage_domain_service(domain.id)
    frozen = {item.id: item for item in service.disk_snapshots_service().list()}
    assert (frozen[image].disk.id, frozen[image].snapshot.id) == (disk.id, made.id)


def test_a_running_vm_is_cloned(engine):
    vm, disk = engine.new_vm("lively-source"), engine.new_disk("lively-disk")
    engine.attach(vm, disk.id, bootable=True)
    engine.hypervisor.contents[disk.id] = "as it is now"
    engine.start(vm)
    vm.clone(vm=types.Vm(name="lively-clone"))
    [made] = engine.vms.list(search="name=lively-clone")
    service = engine.vms.vm_service(made.id)
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    [attachment] = service.disk_attachments_service().list()
    assert engine.hypervisor.contents[attachment.id] == "as it is now"
