"""The front on the real hypervisor: real layers, and a QEMU that runs without an operating system."""

import os
import shutil

import pytest
from ovirtsdk4 import types

from coriolis_lab.hypervisor.api import VmState

MEBIBYTE = 1024**2
pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="left out: qemu-system-x86_64 is not installed"
)


def test_copies_and_snapshots_keep_content(real):
    vm = real.new_vm("holder", "worker")
    [attachment] = vm.disk_attachments_service().list()
    digest = real.hypervisor.disk_digest(attachment.id)
    disk = real.disks.disk_service(attachment.id)
    [domain] = real.system.storage_domains_service().list(search="name=data")
    disk.copy(disk=types.Disk(name="copy"), storage_domain=types.StorageDomain(id=domain.id))
    real.wait(lambda: real.disks.list(search="name=copy")[0].status == types.DiskStatus.OK, 30)
    [copy] = real.disks.list(search="name=copy")
    assert real.hypervisor.disk_digest(copy.id) == digest
    snapshots = vm.snapshots_service()
    snapshot = snapshots.snapshot_service(snapshots.add(types.Snapshot(description="point")).id)
    real.wait(lambda: snapshot.get().snapshot_status == types.SnapshotStatus.OK, 30)
    snapshot.restore()
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 30)
    assert real.hypervisor.disk_digest(attachment.id) == digest
    snapshot.remove()
    real.wait_gone(snapshot)
    vm.remove()
    real.wait_gone(vm)
    assert [left.alias for left in real.disks.list()] == ["worker_Disk1", "copy"]


def test_a_machine_runs_with_disks_plugged(real):
    vm = real.new_vm("bare")
    real.attach(vm, real.new_disk("root", 64 * MEBIBYTE).id, bootable=True)
    vm.nics_service().add(
        types.Nic(name="nic1", vnic_profile=types.VnicProfile(id=real.profile_id("ovirtmgmt")))
    )
    vm.start()
    real.wait(lambda: vm.get().status == types.VmStatus.UP, 60)
    assert vm.reported_devices_service().list() == []
    late = real.new_disk("late", 64 * MEBIBYTE)
    assert real.attach(vm, late.id).active
    attached = {disk.disk_id for disk in real.hypervisor.vm_status(vm.get().id).attached}
    assert late.id in attached
    vm.stop()
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 60)
    vm.remove()
    real.wait_gone(vm)
    assert [left.alias for left in real.disks.list()] == ["worker_Disk1"]


def test_a_suspended_machine_stands_still(real):
    vm = real.new_vm("sleeper")
    real.attach(vm, real.new_disk("root", 64 * MEBIBYTE).id, bootable=True)
    vm.start()
    real.wait(lambda: vm.get().status == types.VmStatus.UP, 60)
    identifier = vm.get().id
    process = real.hypervisor.vm_status(identifier).pid
    vm.suspend()
    real.wait(lambda: vm.get().status == types.VmStatus.SUSPENDED, 60)
    assert real.hypervisor.vm_status(identifier).state == VmState.PAUSED
    vm.start()
    real.wait(lambda: vm.get().status == types.VmStatus.UP, 60)
    found = real.hypervisor.vm_status(identifier)
    assert (found.state, found.pid) == (VmState.RUNNING, process)
    vm.suspend()
    real.wait(lambda: vm.get().status == types.VmStatus.SUSPENDED, 60)
    vm.stop()
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 60)


def test_a_machine_that_is_killed_is_down_with_a_reason(real):
    vm = real.new_vm("killed")
    real.attach(vm, real.new_disk("root", 64 * MEBIBYTE).id, bootable=True)
    vm.start()
    real.wait(lambda: vm.get().status == types.VmStatus.UP, 60)
    os.kill(real.hypervisor.vm_status(vm.get().id).pid, 9)
    real.wait(lambda: vm.get().status == types.VmStatus.DOWN, 30)
    assert "killed by signal 9" in vm.get().stop_reason
    search = f"vm.id={vm.get().id} and severity=error"
    assert "is down with error" in real.system.events_service().list(search=search)[0].description
