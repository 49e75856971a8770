"""Engines of different ages: versions, login profiles, chipsets, guest types, serials, what is kept of the past."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import Fault, FaultBook
from coriolis_lab.hypervisor.api import Machine
from tests.conformance.ovirt.conftest import Engine, make_front
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor


@pytest.fixture
def aged(request, tmp_path):
    hypervisor, faults, checked = MemoryHypervisor(), FaultBook(), []
    front = make_front(tmp_path, hypervisor, faults, checked, ovirt_look=request.param)
    front.start()
    engine = Engine(front, hypervisor, faults, None)
    engine.connection = engine.connect()
    yield engine
    engine.connection.close()
    front.stop()
    assert checked[0].problems == []


def look(name: str):
    return pytest.mark.parametrize("aged", [name], indirect=True, ids=[name])


@pytest.mark.parametrize(
    ("aged", "versions", "chipset", "serial"),
    [
        ("4.3", (3, 3), (types.BiosType.I440FX_SEA_BIOS, Machine.PC), 20),
        ("4.4", (4, 6), (types.BiosType.Q35_SEA_BIOS, Machine.Q35), 36),
        ("4.5", (5, 7), (types.BiosType.Q35_SEA_BIOS, Machine.Q35), 36),
    ],
    indirect=["aged"],
)
def test_what_differs(aged, versions, chipset, serial):
    """`versions`: minor ones of the engine and of its clusters."""
    product = aged.system.get().product_info.version
    [cluster] = aged.system.clusters_service().list(search="name=Default")
    assert (product.major, product.minor, cluster.version.minor) == (4, *versions)
    vm, disk = aged.new_vm("aged"), aged.new_disk("aged-boot")
    aged.attach(vm, disk.id, bootable=True)
    aged.start(vm)
    [spec] = aged.hypervisor.started
    [seen] = spec.disks
    assert (cluster.bios_type, spec.machine) == chipset
    assert (seen.serial or seen.disk_id) == disk.id[:serial]


@look("4.5-keycloak")
def test_keycloak_users(aged):
    assert aged.front.username == "admin@ovirt@internalsso"
    assert aged.vms.list() == []
    with pytest.raises(ovirtsdk4.AuthError, match="No valid profile found in credentials"):
        aged.connect(username="admin").authenticate()
    with pytest.raises(ovirtsdk4.AuthError, match="Cannot authenticate user 'admin@internal'"):
        aged.connect(username="admin@internal").authenticate()


@look("4.4")
def test_an_engine_without_keycloak_has_no_such_profile(aged):
    with pytest.raises(ovirtsdk4.AuthError, match="No valid profile found in credentials"):
        aged.connect(username="admin@ovirt@internalsso").authenticate()


@look("4.3")
def test_later_guest_types_are_unknown(aged):
    names = {system.name for system in aged.system.operating_systems_service().list()}
    assert {"rhel_8x64", "other_linux"} <= names
    assert "windows_2022" not in names
    with pytest.raises(ovirtsdk4.Error, match="Invalid value windows_2022 for os type") as raised:
        aged.new_vm("too-new", os=types.OperatingSystem(type="windows_2022"))
    assert raised.value.code == 400


@look("4.3")
def test_backups_vanish_when_they_end(aged):
    vm, disk = aged.new_vm("old"), aged.new_disk("old-boot")
    aged.attach(vm, disk.id, bootable=True)
    backups = vm.backups_service()
    backup = backups.backup_service(backups.add(types.Backup(disks=[types.Disk(id=disk.id)])).id)
    aged.wait(lambda: backup.get().phase == types.BackupPhase.READY)
    backup.finalize()
    aged.wait_gone(backup)


@look("4.5")
def test_faults_of_storage(aged):
    """A disk turns illegal under its users; a domain has no room for a while."""
    disk = aged.disks.disk_service(aged.new_disk("fading").id)
    aged.faults.plant(Fault("disk.look", "error", match="fading"))
    assert disk.get().status == types.DiskStatus.ILLEGAL
    aged.faults.plant(Fault("domain.space", "error", match="data", count=1))
    with pytest.raises(ovirtsdk4.Error, match="Low disk space on Storage Domain data") as raised:
        aged.disks.add(aged.disk_body("late"))
    assert raised.value.code == 409
    aged.new_disk("later")
