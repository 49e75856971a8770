"""VMs that are suspended: what they keep, what is refused meanwhile, and how they go on."""

from collections.abc import Callable

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import VmState

STATUS = types.VmStatus


@pytest.fixture
def vm(engine, request):
    """One that runs, with a disk and a NIC."""
    made = engine.new_vm(request.node.name)
    engine.attach(made, engine.new_disk(f"{request.node.name}_disk").id, bootable=True)
    made.nics_service().add(
        types.Nic(name="nic1", vnic_profile=types.VnicProfile(id=engine.profile_id("ovirtmgmt")))
    )
    engine.start(made)
    return made


def suspend(engine, vm) -> None:
    vm.suspend()
    assert vm.get().status in (STATUS.SAVING_STATE, STATUS.SUSPENDED)
    engine.wait(lambda: vm.get().status == STATUS.SUSPENDED)


def state(engine, vm) -> VmState:
    return engine.hypervisor.vm_status(vm.get().id).state


def refused(action: Callable[[], object], text: str) -> None:
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        action()
    assert raised.value.code == 409


def test_a_suspended_vm_goes_on_as_it_was(engine, vm):
    engine.wait(lambda: vm.reported_devices_service().list())
    suspend(engine, vm)
    assert state(engine, vm) == VmState.PAUSED
    found = vm.get()
    assert found.host is None
    assert found.start_time is not None
    assert vm.reported_devices_service().list() == []
    starts = len(engine.hypervisor.started)
    vm.start(query={"correlation_id": "back"})
    engine.wait(lambda: vm.get().status == STATUS.UP)
    assert len(engine.hypervisor.started) == starts  # not booted
    assert state(engine, vm) == VmState.RUNNING
    assert vm.get().host is not None
    engine.wait(lambda: vm.reported_devices_service().list())
    [job] = engine.system.jobs_service().list(search="correlation_id=back")
    assert job.status == types.JobStatus.FINISHED
    told = [event.code for event in engine.system.events_service().list(search=f"vm.id={vm.get().id}")]
    assert 503 in told


def test_what_a_suspended_vm_refuses(engine, vm):
    suspend(engine, vm)
    nic = types.Nic(name="nic2", vnic_profile=types.VnicProfile(id=engine.profile_id("ovirtmgmt")))
    actions = [
        vm.suspend,
        vm.reboot,
        vm.remove,
        lambda: vm.start(vm=types.Vm()),
        lambda: vm.nics_service().add(nic),
        lambda: vm.snapshots_service().add(types.Snapshot(description="s")),
    ]
    for action in actions:
        refused(action, "because the VM is in Suspended status")
    refused(vm.shutdown, "VM is not running")
    [attachment] = vm.disk_attachments_service().list()
    refused(lambda: engine.disks.disk_service(attachment.id).remove(), "plugged to non-Down VMs")
    assert vm.get().status == STATUS.SUSPENDED


def test_stopping_a_suspended_vm_forgets_its_memory(engine, vm):
    suspend(engine, vm)
    vm.stop()
    engine.wait(lambda: vm.get().status == STATUS.DOWN)
    starts = len(engine.hypervisor.started)
    engine.start(vm)
    assert len(engine.hypervisor.started) == starts + 1


def test_a_vm_that_cannot_be_suspended_stays_up(engine, vm):
    engine.faults.plant(Fault("vm.suspend", "error", match=vm.get().name, message="no room for its memory"))
    vm.suspend(query={"correlation_id": "unlucky"})
    engine.wait(lambda: vm.get().status == STATUS.UP)
    [job] = engine.system.jobs_service().list(search="correlation_id=unlucky")
    assert job.status == types.JobStatus.FAILED
    vm.stop()
    engine.wait(lambda: vm.get().status == STATUS.DOWN)
    refused(vm.suspend, "because the VM is in Down status")
