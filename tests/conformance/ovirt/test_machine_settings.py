"""Settings that a client makes and reads back, sizes by instance type, templates in versions."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types


def test_what_changes_nothing_is_told_back(engine):
    service = engine.new_vm(
        "echo",
        display=types.Display(type=types.DisplayType.SPICE, monitors=2),
        placement_policy=types.VmPlacementPolicy(affinity=types.VmAffinity.USER_MIGRATABLE),
        usb=types.Usb(enabled=True, type=types.UsbType.NATIVE),
        serial_number=types.SerialNumber(policy=types.SerialNumberPolicy.CUSTOM, value="S-1"),
        rng_device=types.RngDevice(source=types.RngSource.URANDOM),
        cpu_shares=512,
        soundcard_enabled=True,
    )
    vm = service.get()
    # the rest of the display is as before
    assert (vm.display.type, vm.display.monitors, vm.display.copy_paste_enabled) == (
        types.DisplayType.SPICE,
        2,
        True,
    )
    assert vm.placement_policy.affinity == types.VmAffinity.USER_MIGRATABLE
    assert (vm.usb.enabled, vm.serial_number.value, vm.rng_device.source.value) == (True, "S-1", "urandom")
    assert (vm.cpu_shares, vm.soundcard_enabled) == (512, True)
    changed = service.update(types.Vm(display=types.Display(monitors=4)))
    assert (changed.display.type, changed.display.monitors) == (types.DisplayType.SPICE, 4)
    token = engine.connection.authenticate()
    wrong = engine.raw(
        "PUT",
        f"/vms/{vm.id}",
        token,
        data="<vm><display><type>hologram</type></display></vm>",
        headers={"Content-Type": "application/xml"},
    )
    assert (wrong.status_code, b"'hologram' is no DisplayType" in wrong.content) == (400, True)


def test_sizes_by_instance_type(engine):
    large = engine.new_vm("large", instance_type=types.InstanceType(name="Large")).get()
    assert (large.memory, large.cpu.topology.sockets) == (8 * 1024**3, 2)
    assert engine.connection.follow_link(large.instance_type).name == "Large"
    own = engine.new_vm("own", instance_type=types.InstanceType(name="Tiny"), memory=1024**3).get()
    assert own.memory == 1024**3
    with pytest.raises(ovirtsdk4.NotFoundError, match="InstanceType: Gigantic"):
        engine.new_vm("no", instance_type=types.InstanceType(name="Gigantic"))


def test_versions_of_a_template(engine):
    vm = engine.new_vm("mother").get()
    templates = engine.system.templates_service()

    def make(**fields):
        made = templates.add(types.Template(vm=types.Vm(id=vm.id), **fields))
        service = templates.template_service(made.id)
        engine.wait(lambda: service.get().status == types.TemplateStatus.OK)
        return service

    base = make(name="tree")
    version = types.TemplateVersion(base_template=types.Template(id=base.get().id), version_name="branch")
    second = make(name="ignored", version=version)
    shown = second.get()
    assert (shown.name, shown.version.version_name, shown.version.version_number) == ("tree", "branch", 2)
    assert shown.version.base_template.id == base.get().id
    with pytest.raises(ovirtsdk4.Error, match="please first remove all Template Versions"):
        base.remove()
    with pytest.raises(ovirtsdk4.Error, match="Only the Version name"):
        second.update(types.Template(name="leaf"))
    changed = base.update(types.Template(name="trunk", memory=2 * 1024**3, description="d"))
    assert (changed.name, changed.memory, changed.description) == ("trunk", 2 * 1024**3, "d")
    second.remove()
    engine.wait_gone(second)
    base.remove()
    engine.wait_gone(base)
