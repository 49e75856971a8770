"""VMs from the Blank template: the final machine's settings, names, updates, clones."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.hypervisor.api import Machine
from tests.conformance.ovirt.conftest import GIGABYTE

BLANK = "00000000-0000-0000-0000-000000000000"


def final_vm(name: str, **fields) -> types.Vm:
    values = {
        "name": name,
        "cluster": types.Cluster(name="Default"),
        "template": types.Template(id=BLANK),
        "memory": 512 * 1024**2,
        "memory_policy": types.MemoryPolicy(guaranteed=512 * 1024**2, max=2 * GIGABYTE, ballooning=False),
        "cpu": types.Cpu(topology=types.CpuTopology(sockets=2, cores=1, threads=1)),
        "os": types.OperatingSystem(type="debian_9", boot=types.Boot(devices=[types.BootDevice.HD])),
        "bios": types.Bios(type=types.BiosType.Q35_OVMF),
        "type": types.VmType.SERVER,
        "description": "migrated",
        "time_zone": types.TimeZone(name="Etc/GMT"),
        "high_availability": types.HighAvailability(enabled=True, priority=50),
        **fields,
    }
    return types.Vm(**values)


def test_blank_vm_is_down_at_once_with_its_settings(engine):
    vm = engine.vms.add(final_vm("final"))
    assert vm.status == types.VmStatus.DOWN
    seen = engine.vms.vm_service(vm.id).get()
    assert (seen.os.type, seen.bios.type, seen.type) == (
        "debian_9",
        types.BiosType.Q35_OVMF,
        types.VmType.SERVER,
    )
    assert (seen.memory, seen.memory_policy.max, seen.memory_policy.ballooning) == (
        512 * 1024**2,
        2 * GIGABYTE,
        False,
    )
    assert seen.cpu.topology.sockets == 2
    assert (seen.high_availability.enabled, seen.high_availability.priority) == (True, 50)
    assert (seen.template.id, seen.description, seen.delete_protected) == (BLANK, "migrated", False)


def test_firmware_and_boot_disk_reach_the_machine(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("uefi")).id)
    with pytest.raises(ovirtsdk4.Error, match="without at least one bootable disk") as raised:
        service.start()
    assert raised.value.code == 409
    data, boot = engine.new_disk("data"), engine.new_disk("boot")
    engine.attach(service, data.id)
    engine.attach(service, boot.id, bootable=True)
    engine.start(service)
    [spec] = [spec for spec in engine.hypervisor.started if spec.name == "uefi"]
    assert (spec.machine, spec.uefi, spec.cpus, spec.memory_mb) == (Machine.Q35, True, 2, 512)
    assert [(disk.disk_id, disk.boot_index) for disk in spec.disks] == [(boot.id, 0), (data.id, None)]
    assert spec.config_drive is None


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("web-01.example_x", True),
        ("größe", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("two words", False),
        ("bracket(1)", False),
        ("a/b", False),
    ],
)
def test_names(engine, name, good):
    if good:
        assert engine.vms.add(final_vm(name)).name == name
    else:
        with pytest.raises(ovirtsdk4.Error) as raised:
            engine.vms.add(final_vm(name))
        assert raised.value.code == 400


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"name": None}, 400, r"Vm \[name\] required for add"),
        ({"cluster": None}, 400, r"Vm \[cluster.id\|name\] required for add"),
        ({"template": None}, 400, r"Vm \[template.id\|name\] required for add"),
        ({"cluster": types.Cluster(name="nowhere")}, 404, "Entity not found: Cluster: name=nowhere"),
        ({"os": types.OperatingSystem(type="beos")}, 400, "Invalid value beos"),
        ({"memory": 100 * 1024**2}, 409, "below the minimum"),
        ({"memory": 512 * 1024**2 + 1}, 409, "multiple of 1 MB"),
        ({"os": types.OperatingSystem(type="windows_11")}, 409, "TPM device is required"),
    ],
)
def test_refusals(engine, change, code, text):
    body = final_vm("refused")
    for name, value in change.items():
        setattr(body, name, value)
    if "memory" in change:
        body.memory_policy = None
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        engine.vms.add(body)
    assert raised.value.code == code


def test_names_are_unique_in_a_data_center(engine):
    engine.vms.add(final_vm("unique"))
    with pytest.raises(ovirtsdk4.Error, match="name is already in use") as raised:
        engine.vms.add(final_vm("unique"))
    assert raised.value.code == 409
    engine.front.add_data_center("Other")
    engine.front.add_cluster("OtherCluster", "Other", bios_type="i440fx_sea_bios")
    body = final_vm("unique", cluster=types.Cluster(name="OtherCluster"), bios=None)
    assert engine.vms.add(body).bios.type == types.BiosType.I440FX_SEA_BIOS


def test_vm_pool_in_the_body_is_ignored(engine):
    pool = engine.front.add_vm_pool("pool", "Default", "worker")
    assert engine.system.vm_pools_service().list()[0].name == "pool"
    vm = engine.vms.add(final_vm("pooled", vm_pool=types.VmPool(id=pool)))
    assert engine.vms.vm_service(vm.id).get().vm_pool is None


def test_update_of_a_running_vm_waits_for_the_next_run(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("running")).id)
    engine.attach(service, engine.new_disk("root").id, bootable=True)
    engine.start(service)
    service.update(types.Vm(memory=GIGABYTE, description="new text"))
    seen = service.get()
    assert (seen.memory, seen.description, seen.next_run_configuration_exists) == (
        512 * 1024**2,
        "new text",
        True,
    )
    assert service.get(next_run=True).memory == GIGABYTE
    service.stop()
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    engine.start(service)
    assert (service.get().memory, service.get().next_run_configuration_exists) == (GIGABYTE, False)


def test_search_follow_and_all_content(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("followed")).id)
    engine.attach(service, engine.new_disk("followed-disk").id)
    [vm] = engine.vms.list(
        search="name=FOLLOWED and status=down and cluster=Default",
        follow="disk_attachments.disk,nics,cluster",
    )
    assert vm.disk_attachments[0].disk.alias == "followed-disk"
    assert vm.cluster.name == "Default"
    assert vm.nics == []
    assert service.get(all_content=True).console.enabled
    assert service.get().console is None


def test_attachment_with_a_new_disk(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("grown")).id)
    body = types.DiskAttachment(
        disk=engine.disk_body("made-here"), interface=types.DiskInterface.VIRTIO, bootable=True, active=True
    )
    attachment = service.disk_attachments_service().add(body)
    attached = service.disk_attachments_service().attachment_service(attachment.id)
    engine.wait(lambda: engine.disks.disk_service(attachment.id).get().status == types.DiskStatus.OK)
    attached.update(types.DiskAttachment(disk=types.Disk(provisioned_size=3 * GIGABYTE)))
    engine.wait(lambda: engine.disks.disk_service(attachment.id).get().provisioned_size == 3 * GIGABYTE)
    attached.remove(detach_only=False)
    engine.wait_gone(engine.disks.disk_service(attachment.id))


def test_clone_action_copies_disks(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("cloned-from")).id)
    disk = engine.new_disk("source-disk")
    engine.hypervisor.contents[disk.id] = "content"
    engine.attach(service, disk.id, bootable=True)
    service.clone(vm=types.Vm(name="cloned-to"))
    [clone] = engine.vms.list(search="name=cloned-to")
    engine.wait(lambda: engine.vms.vm_service(clone.id).get().status == types.VmStatus.DOWN)
    [copy] = engine.disks.list(search="vm_names=cloned-to")
    assert (copy.alias, engine.hypervisor.contents[copy.id]) == ("source-disk", "content")
    assert copy.id != disk.id


def test_template_from_a_vm(engine):
    service = engine.vms.vm_service(engine.vms.add(final_vm("golden")).id)
    disk = engine.new_disk("golden-disk")
    engine.hypervisor.contents[disk.id] = "golden"
    engine.attach(service, disk.id, bootable=True)
    templates = engine.system.templates_service()
    template = templates.add(types.Template(name="golden-template", vm=types.Vm(id=service.get().id)))
    assert template.status == types.TemplateStatus.LOCKED
    template_service = templates.template_service(template.id)
    engine.wait(lambda: template_service.get().status == types.TemplateStatus.OK)
    child = engine.new_vm("golden-child", "golden-template")
    [child_disk] = child.disk_attachments_service().list()
    assert engine.hypervisor.contents[child_disk.id] == "golden"
    with pytest.raises(ovirtsdk4.Error, match="used by the following VMs: golden-child") as raised:
        template_service.remove()
    assert raised.value.code == 409
    child.remove()
    engine.wait_gone(child)
    template_service.remove()
    engine.wait_gone(template_service)


def test_jobs_and_events_by_correlation_id(engine):
    engine.vms.add(final_vm("tracked"), query={"correlation_id": "track-1"})
    [job] = engine.system.jobs_service().list(search="correlation_id=track-1")
    assert (job.status, job.end_time is not None) == (types.JobStatus.FINISHED, True)
    assert engine.system.jobs_service().job_service(job.id).get().description == job.description
    events = engine.system.events_service().list(search="correlation_id=track-1")
    assert events[0].severity == types.LogSeverity.NORMAL
    later = engine.system.events_service().list(from_=events[0].index)
    assert all(event.index > events[0].index for event in later)
    with pytest.raises(ovirtsdk4.Error, match="longer than 50") as raised:
        engine.vms.list(query={"correlation_id": "x" * 51})
    assert raised.value.code == 400
