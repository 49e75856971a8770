"""Workers of the OS type Windows on the embedded engine: from a template with a preset user, over WinRM."""

from typing import Any

import pytest

from coriolis import errors
from coriolis.model.enums import Firmware, ResourceKind
from coriolis.workers.winrm import WinRmSession
from coriolis_lab.faults import Fault
from tests.conformance.providers.conftest import SETTINGS, GuestOperation, OvirtLab, WindowsGuests
from tests.conformance.providers.test_ovirt_destination import disks_of, instance
from tests.conformance.providers.test_ovirt_in_place import Deployment
from tests.memory_operation import MemoryOperation

PRESET = {
    "migr_template_map": {"linux": "debian-worker", "windows": "WS2019"},
    "migr_template_username_map": {"windows": "morpher"},
    "migr_template_password_map": {"windows": "Passw0rd"},
}


@pytest.fixture
def lab(ovirt: OvirtLab) -> OvirtLab:
    ovirt.front.add_template("WS2019", "worker", "Default", "data1", 4096, 2, "windows_2019x64")
    ovirt.env |= PRESET
    return ovirt


@pytest.fixture
def op(lab: OvirtLab, windows_guests: WindowsGuests) -> GuestOperation:
    """Its Windows workers answer, to the user of the template."""

    def answer() -> None:
        (address,) = lab.hypervisor.held
        windows_guests.boot(address, "morpher", "Passw0rd")

    return GuestOperation(SETTINGS, when={"Waiting for WinRM on the worker VM": answer})


def cloned(lab: OvirtLab, op: MemoryOperation) -> tuple[Any, Any]:
    destination = lab.destination()
    replicas = destination.deploy_disks(op, lab.env, instance(), [])
    return replicas, destination.clone_disks(op, lab.env, instance(), replicas)


def test_a_windows_worker_comes_and_goes(
    lab: OvirtLab, op: GuestOperation, windows_guests: WindowsGuests
) -> None:
    destination = lab.destination()
    _, clones = cloned(lab, op)
    before = lab.things(), op.ledger.owed()
    worker = destination.deploy_os_morphing_resources(op, lab.env, instance(), clones, "windows").worker
    (guest,) = windows_guests.servers
    assert worker.login == guest.login(certificate=guest.certificate)
    assert worker.login.port == 5986
    assert "Passw0rd" not in repr(worker)
    with WinRmSession(worker.login, worker.name) as session:
        assert session.run("ver").returncode == 0
    (started,) = lab.hypervisor.started
    assert started.config_drive is None
    assert [disk.serial for disk in worker.disks] == [clone.volume_id for clone in clones]
    assert {clone.volume_id for clone in clones} < set(disks_of(lab, worker.name))
    destination.delete_os_morphing_resources(op, lab.env, clones)
    assert (lab.things(), op.ledger.owed()) == before


def test_it_boots_in_the_vm_whose_disks_are_in_a_snapshot(lab: OvirtLab, op: GuestOperation) -> None:
    web = Deployment(lab, op, instance(firmware=Firmware.EFI))
    web.op = GuestOperation(op.settings, job="later", ledger=op.ledger, when=op.when)
    disks = web.secure()
    worker = web.cloud.deploy_os_morphing_resources(web.op, web.env, web.web, disks, "windows").worker
    assert (worker.login.username, worker.login.port) == ("morpher", 5986)
    assert web.vm().get().os.type == "windows_2019x64"
    web.undo(disks)
    web.assert_untouched()


@pytest.mark.parametrize(
    "lacking",
    [
        {"migr_template_username_map": {}, "migr_template_password_map": {}},
        {"migr_template_username_map": {}},
        {"migr_template_password_map": {"linux": "Passw0rd"}},
    ],
)
def test_a_template_without_preset_user_and_password_is_refused_before_anything_is_made(
    lab: OvirtLab, op: GuestOperation, lacking: dict[str, Any]
) -> None:
    """cloud-init would be ignored, and the worker be waited for in vain."""
    destination, env = lab.destination(), {**lab.env, **lacking}
    replicas, clones = cloned(lab, op)
    before, rows = lab.things(), set(op.ledger.rows)
    for ask in (
        lambda: destination.validate_destination(env, instance()),
        lambda: destination.validate_deployment(env, instance(), replicas),
        lambda: destination.validate_in_place(env, instance(), replicas),
        lambda: destination.deploy_os_morphing_resources(op, env, instance(), clones, "windows"),
    ):
        with pytest.raises(
            errors.InvalidInput, match=r"migr_template_(user|pass)\w+_map\.\w+ and .* engines|neither"
        ):
            ask()
    assert (lab.things(), set(op.ledger.rows)) == (before, rows)


def test_with_preset_user_and_password_validation_is_content(lab: OvirtLab, op: GuestOperation) -> None:
    destination = lab.destination()
    replicas = destination.deploy_disks(op, lab.env, instance(), [])
    destination.validate_destination(lab.env, instance())
    destination.validate_deployment(lab.env, instance(), replicas)


def test_a_linux_worker_is_not_made_of_a_windows_template(lab: OvirtLab, op: GuestOperation) -> None:
    env = {**lab.env, "migr_template_map": {"linux": "WS2019"}}
    with pytest.raises(errors.InvalidInput, match=r"'WS2019' \(migr_template_map\.linux\).*windows_2019x64"):
        lab.destination().validate_destination(env, instance())
    with pytest.raises(errors.InvalidInput, match=r"migr_template_map\.windows is needed"):
        lab.destination().deploy_os_morphing_resources(op, env, instance(), [], "windows")
    assert lab.things() == {"vms": [], "disks": []}


def test_a_preset_password_that_the_guest_refuses(lab: OvirtLab, op: GuestOperation) -> None:
    destination, env = lab.destination(), {**lab.env, "migr_template_password_map": {"windows": "mistyped"}}
    _, clones = cloned(lab, op)
    before = lab.things(), op.ledger.owed()
    with pytest.raises(errors.WorkerLoginRefused, match=r"'morpher'.*template") as raised:
        destination.deploy_os_morphing_resources(op, env, instance(), clones, "windows")
    assert "mistyped" not in str(raised.value)
    destination.delete_os_morphing_resources(op, env, clones)
    assert (lab.things(), op.ledger.owed()) == before


def test_a_worker_without_an_address_is_explained(lab: OvirtLab, op: GuestOperation) -> None:
    destination = lab.destination()
    destination._client.patience = type(destination._client.patience)(0.5, 0.02)
    lab.faults.plant(Fault("vm.start", "no_address"))
    with pytest.raises(errors.CloudTimeout, match=r"'WS2019' needs qemu-guest-agent.* DHCP"):
        destination.deploy_os_morphing_resources(op, lab.env, instance(), [], "windows")
    destination.delete_os_morphing_resources(op, lab.env, [])
    assert not [name for kind, name in op.ledger.owed() if kind == ResourceKind.VM]
