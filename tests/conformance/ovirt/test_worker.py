"""The life of a temporary VM: from a template, with cloud-init, with disks attached and detached, to its
removal.
"""

import json
import time

import ovirtsdk4
import pytest
import yaml
from ovirtsdk4 import types

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import Bus, Machine


def add_nic(engine, service, **fields):
    values = {"name": "nic1", "interface": types.NicInterface.VIRTIO, **fields}
    return service.nics_service().add(
        types.Nic(vnic_profile=types.VnicProfile(id=engine.profile_id("ovirtmgmt")), **values)
    )


def initialization(**fields) -> types.Vm:
    return types.Vm(initialization=types.Initialization(**fields))


@pytest.fixture
def worker(engine, request):
    """A VM from the worker template, with a NIC, down."""
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")[:60]
    service = engine.new_vm(name, "worker")
    add_nic(engine, service)
    return service


def test_thin_clone_of_a_template(engine):
    body = types.Vm(
        name="thin",
        cluster=types.Cluster(name="Default"),
        template=types.Template(name="worker"),
        memory=2 * 1024**3,
    )
    vm = engine.vms.add(body)
    assert vm.status == types.VmStatus.IMAGE_LOCKED
    service = engine.vms.vm_service(vm.id)
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    [attachment] = service.disk_attachments_service().list()
    disk = engine.disks.disk_service(attachment.id).get()
    assert (disk.status, disk.format) == (types.DiskStatus.OK, types.DiskFormat.COW)
    assert engine.hypervisor.contents[disk.id] == "image worker-image"
    assert (service.get().memory, service.get().memory_policy.guaranteed) == (2 * 1024**3, 2 * 1024**3)


def test_nothing_goes_while_the_image_is_locked(engine):
    engine.faults.plant(Fault("vm.create", "stuck", match="stuck"))
    body = types.Vm(
        name="stuck", cluster=types.Cluster(name="Default"), template=types.Template(name="worker")
    )
    service = engine.vms.vm_service(engine.vms.add(body).id)
    with pytest.raises(ovirtsdk4.Error, match="Image Locked") as raised:
        service.start()
    assert raised.value.code == 409
    with pytest.raises(ovirtsdk4.Error, match="VM is locked") as raised:
        engine.attach(service, engine.new_disk("early").id)
    assert raised.value.code == 409
    with pytest.raises(ovirtsdk4.Error, match="The following disks are locked") as raised:
        service.remove()
    assert raised.value.code == 409
    service.remove(force=True)
    engine.wait_gone(service)


def test_failed_creation_rolls_back(engine):
    before = len(engine.disks.list())
    engine.faults.plant(Fault("vm.create", "error", match="doomed", message="cannot read the template"))
    vm = engine.vms.add(
        types.Vm(name="doomed", cluster=types.Cluster(name="Default"), template=types.Template(name="worker"))
    )
    engine.wait_gone(engine.vms.vm_service(vm.id))
    assert len(engine.disks.list()) == before
    events = engine.system.events_service().list(search=f"vm.id={vm.id} and severity=error")
    assert "cannot read the template" in events[0].description


def test_start_with_cloud_init(engine, worker):
    script = "packages:\n- python3\n"
    assert worker.reported_devices_service().list() == []
    worker.start(
        use_cloud_init=True,
        vm=initialization(
            host_name="minion",
            user_name="coriolis",
            root_password="pass: \"word'",
            authorized_ssh_keys="ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n",
            custom_script=script,
        ),
    )
    engine.wait(lambda: worker.get().status == types.VmStatus.UP)
    running = worker.get()
    assert running.run_once
    assert running.host is not None
    [spec] = [spec for spec in engine.hypervisor.started if spec.id == running.id]
    assert (spec.machine, spec.uefi, spec.memory_mb, spec.cpus) == (Machine.PC, False, 1024, 2)
    meta_data = json.loads(spec.config_drive["openstack/latest/meta_data.json"])
    assert (meta_data["hostname"], meta_data["public_keys"]) == (
        "minion",
        ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
    )
    user_data = spec.config_drive["openstack/latest/user_data"].decode()
    assert user_data.startswith("#cloud-config\n")
    assert user_data.endswith(script)
    parsed = yaml.safe_load(user_data)
    assert (parsed["user"], parsed["password"]) == ("coriolis", "pass: \"word'")
    assert parsed["ssh_pwauth"] is True
    assert "openstack/latest/network_data.json" not in spec.config_drive


def test_reported_address_leads_to_the_guest(engine, worker):
    engine.start(worker)
    [nic] = worker.nics_service().list()
    devices = {device.name: device for device in worker.reported_devices_service().list()}
    assert devices["lo"].ips[0].address == "127.0.0.1"
    device = devices["ens3"]
    assert device.mac.address == nic.mac.address
    [v4] = [ip.address for ip in device.ips if ip.version == types.IpVersion.V4]
    assert v4 in engine.hypervisor.held
    [spec] = [spec for spec in engine.hypervisor.started if spec.id == worker.get().id]
    assert spec.nics[0].ssh_address == v4
    assert spec.nics[0].address.startswith("10.20.0.")
    [same] = worker.nics_service().nic_service(nic.id).reported_devices_service().list()
    assert same.ips[0].address == v4
    worker.stop()
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)
    assert v4 not in engine.hypervisor.held
    assert worker.reported_devices_service().list() == []


def test_vm_without_agent_is_up_after_a_while_and_has_no_address(engine, worker):
    engine.hypervisor.agents = False
    worker.start()  # that it is not up at once, tests with an agent show: here it is a matter of a moment
    engine.wait(lambda: worker.get().status == types.VmStatus.UP)
    assert worker.reported_devices_service().list() == []


def test_attach_and_detach_while_it_runs(engine, worker):
    disk = engine.new_disk("hot")
    engine.start(worker)
    vm_id = worker.get().id
    attachment = engine.attach(worker, disk.id)
    assert (attachment.id, attachment.active) == (disk.id, True)
    plugged = engine.hypervisor.vms[vm_id].disks[disk.id]
    assert (plugged.bus, plugged.boot_index) == (Bus.VIRTIO_SCSI, None)
    with pytest.raises(ovirtsdk4.Error, match="plugged to non-Down VMs") as raised:
        engine.disks.disk_service(disk.id).remove()
    assert raised.value.code == 409
    service = worker.disk_attachments_service().attachment_service(disk.id)
    assert service.update(types.DiskAttachment(active=False)).active
    engine.wait(lambda: not service.get().active)
    assert disk.id not in engine.hypervisor.vms[vm_id].disks
    service.remove()
    engine.wait_gone(service)
    assert engine.disks.disk_service(disk.id).get().status == types.DiskStatus.OK
    assert disk.id in engine.hypervisor.sizes


def test_detach_of_an_active_disk_unplugs_it(engine, worker):
    disk = engine.new_disk("pulled")
    engine.start(worker)
    engine.attach(worker, disk.id)
    service = worker.disk_attachments_service().attachment_service(disk.id)
    service.remove(detach_only=True)
    engine.wait_gone(service)
    assert disk.id not in engine.hypervisor.vms[worker.get().id].disks


def test_attach_defaults_to_inactive(engine, worker):
    disk = engine.new_disk("idle")
    body = types.DiskAttachment(
        disk=types.Disk(id=disk.id), interface=types.DiskInterface.VIRTIO, bootable=False
    )
    assert worker.disk_attachments_service().add(body).active is False


def test_attach_refusals(engine, worker):
    disk = engine.new_disk("taken")
    other = engine.new_vm("other")
    engine.attach(other, disk.id)
    with pytest.raises(ovirtsdk4.Error, match="not shareable and is already attached to a VM") as raised:
        engine.attach(worker, disk.id)
    assert raised.value.code == 409
    second = engine.new_disk("second-boot")
    with pytest.raises(ovirtsdk4.Error, match="already marked as boot") as raised:
        engine.attach(worker, second.id, bootable=True)
    assert raised.value.code == 409
    engine.faults.plant(Fault("disk.create", "stuck", match="locked"))
    locked = engine.disks.add(engine.disk_body("locked"))
    with pytest.raises(ovirtsdk4.Error, match="The following disks are locked: locked") as raised:
        engine.attach(worker, locked.id)
    assert raised.value.code == 409


def test_failed_plug_leaves_it_attached_and_inactive(engine, worker):
    disk = engine.new_disk("unplugged")
    engine.start(worker)
    engine.hypervisor.plug_problem = "no free slot"
    with pytest.raises(ovirtsdk4.Error, match="no free slot") as raised:
        engine.attach(worker, disk.id)
    assert raised.value.code == 400
    assert worker.disk_attachments_service().attachment_service(disk.id).get().active is False


def test_stuck_detach_stays_active(engine, worker):
    disk = engine.new_disk("clinging")
    engine.start(worker)
    engine.attach(worker, disk.id)
    engine.faults.plant(Fault("disk.detach", "stuck"))
    service = worker.disk_attachments_service().attachment_service(disk.id)
    service.update(types.DiskAttachment(active=False))
    time.sleep(0.3)
    assert service.get().active


def test_removal_deletes_every_attached_disk(engine, worker):
    replica = engine.new_disk("precious")
    engine.attach(worker, replica.id)
    [boot] = [item.id for item in worker.disk_attachments_service().list() if item.bootable]
    worker.remove()
    engine.wait_gone(worker)
    assert replica.id not in engine.hypervisor.sizes
    assert boot not in engine.hypervisor.sizes
    engine.wait_gone(engine.disks.disk_service(replica.id))


def test_detach_only_is_for_vms_based_on_blank(engine, worker):
    with pytest.raises(ovirtsdk4.Error, match="VM is based from template") as raised:
        worker.remove(detach_only=True)
    assert raised.value.code == 409
    blank, disk = engine.new_vm("on-blank"), engine.new_disk("kept")
    engine.attach(blank, disk.id)
    blank.remove(detach_only=True)
    engine.wait_gone(blank)
    assert engine.disks.disk_service(disk.id).get().status == types.DiskStatus.OK
    assert disk.id in engine.hypervisor.sizes


def test_removal_refusals(engine, worker):
    engine.start(worker)
    with pytest.raises(ovirtsdk4.Error, match="VM is running") as raised:
        worker.remove()
    assert raised.value.code == 409
    worker.stop()
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)
    with pytest.raises(ovirtsdk4.Error, match="VM is not running") as raised:
        worker.stop()
    assert raised.value.code == 409
    worker.update(types.Vm(delete_protected=True))
    with pytest.raises(ovirtsdk4.Error, match="Delete protection is enabled") as raised:
        worker.remove()
    assert raised.value.code == 409
    worker.update(types.Vm(delete_protected=False))
    engine.faults.plant(Fault("vm.delete", "error"))
    worker.remove()
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)


def test_shutdown_and_reboot(engine, worker):
    engine.start(worker)
    worker.reboot()
    engine.wait(lambda: worker.get().status == types.VmStatus.UP)
    worker.shutdown()
    assert worker.get().status in (types.VmStatus.POWERING_DOWN, types.VmStatus.DOWN)
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)
    assert worker.get().stop_time is not None
    engine.start(worker)
    assert worker.get().start_time is not None


def test_start_that_fails_falls_back_to_down(engine, worker):
    engine.faults.plant(Fault("vm.start", "error", message="no host satisfies the constraints"))
    worker.start(query={"correlation_id": "start-fails"})
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)
    assert worker.get().stop_reason == "no host satisfies the constraints"
    search = f"vm.id={worker.get().id} and severity=error"
    assert "no host satisfies" in engine.system.events_service().list(search=search)[0].description
    [job] = engine.system.jobs_service().list(search="correlation_id=start-fails")
    assert job.status == types.JobStatus.FAILED


def test_vm_that_dies(engine, worker):
    engine.faults.plant(Fault("vm.start", "die", seconds=0.5))
    engine.start(worker)
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)
    assert "killed" in worker.get().stop_reason
    engine.start(worker)


def test_vm_that_never_gets_an_address(engine, worker):
    engine.faults.plant(Fault("vm.start", "no_address"))
    engine.start(worker)
    devices = {device.name: device for device in worker.reported_devices_service().list()}
    assert not devices["ens3"].ips


def test_stuck_start_can_be_stopped(engine, worker):
    engine.faults.plant(Fault("vm.start", "stuck"))
    worker.start()
    time.sleep(0.3)
    assert worker.get().status == types.VmStatus.WAIT_FOR_LAUNCH
    worker.stop()
    engine.wait(lambda: worker.get().status == types.VmStatus.DOWN)


def test_initialization_of_the_vm_is_used_at_the_first_start_only(engine):
    service = engine.new_vm(
        "stored", "worker", initialization=types.Initialization(host_name="once", root_password="secret")
    )
    assert service.get().initialization.root_password == "******"
    for _ in range(2):
        engine.start(service)
        service.stop()
        engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    drives = [spec.config_drive for spec in engine.hypervisor.started if spec.name == "stored"]
    assert drives[0] is not None
    assert drives[1] is None


def test_windows_ignores_cloud_init(engine):
    service = engine.new_vm("win", "worker", os=types.OperatingSystem(type="windows_2019x64"))
    engine.start(service, use_cloud_init=True, vm=initialization(user_name="x", root_password="y"))
    [spec] = [spec for spec in engine.hypervisor.started if spec.name == "win"]
    assert spec.config_drive is None


def test_full_clone_of_a_template(engine):
    [template] = engine.system.templates_service().list(search="name=worker")
    [attachment] = (
        engine.system.templates_service().template_service(template.id).disk_attachments_service().list()
    )
    wish = types.DiskAttachment(
        disk=types.Disk(id=attachment.id, name="cloned-disk", format=types.DiskFormat.RAW, sparse=True)
    )
    service = engine.new_vm("full", "worker", clone=True, disk_attachments=[wish])
    [disk] = engine.disks.list(search="vm_names=full")
    assert (disk.name, disk.format) == ("cloned-disk", types.DiskFormat.RAW)
    service.remove(detach_only=True)
    engine.wait_gone(service)
    assert engine.disks.disk_service(disk.id).get().status == types.DiskStatus.OK
