"""What the guest's agent says, as the engine passes it on."""

from ovirtsdk4 import types


def test_a_guest_with_an_agent_tells_its_system(engine):
    service = engine.new_vm("talker", template="worker", clone=True)
    assert service.get().fqdn is None
    engine.start(service)
    engine.wait(lambda: service.get().fqdn is not None)
    vm = service.get()
    system = vm.guest_operating_system
    assert (vm.fqdn, system.distribution, system.family) == ("talker.example", "Debian GNU/Linux", "Linux")
    assert (system.version.major, system.kernel.version.full_version) == (12, "6.1.0-13-amd64")
    assert (system.kernel.version.major, system.kernel.version.minor, system.kernel.version.build) == (
        6,
        1,
        0,
    )
    assert (vm.guest_time_zone.name, vm.guest_time_zone.utc_offset) == ("CET", "+01:00")
    names = {one.name for one in service.applications_service().list()}
    assert names == {"kernel-6.1.0-13-amd64", "qemu-guest-agent-7.2.5"}
    [attachment] = service.disk_attachments_service().list()
    assert attachment.logical_name == "/dev/sda"
    assert [one.id for one in engine.vms.list(search="fqdn=talker.*")] == [vm.id]
    service.stop()
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    assert (service.get().fqdn, service.applications_service().list()) == (None, [])
    service.remove()


def test_a_silent_guest_tells_nothing(engine):
    engine.hypervisor.agents = False
    service = engine.new_vm("silent", template="worker", clone=True)
    engine.start(service)
    vm = service.get()
    assert (vm.fqdn, vm.guest_operating_system) == (None, None)
    service.stop()
