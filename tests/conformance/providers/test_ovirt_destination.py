"""oVirt as a destination, through ovirtsdk4, on the embedded engine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.model.enums import EventLevel, Firmware, OsType, ResourceKind
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ClonedDisk, DetectedOs, ReplicaDisk
from coriolis_lab.faults import Fault
from tests.conformance.providers.conftest import GIB, OvirtLab
from tests.memory_operation import Crash, MemoryOperation

DEBIAN = DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")


def instance(**change: Any) -> Instance:
    web = Instance(
        id="i1",
        name="web",
        num_cpu=2,
        memory_mb=512,
        os_type=OsType.LINUX,
        firmware=Firmware.BIOS,
        disks=(Disk("d1", 3 * GIB, 0, bootable=True), Disk("d2", 4 * GIB, 1)),
        nics=(Nic("private", "fa:16:3e:00:00:01"),),
    )
    return replace(web, **change)


def disks_of(lab: OvirtLab, vm_name: str) -> list[str]:
    system = lab.destination()._client.system
    (vm,) = system.vms_service().list(search=f'name="{vm_name}"')
    listed = system.vms_service().vm_service(vm.id).disk_attachments_service().list()
    return [attachment.disk.id for attachment in listed]


def deployed(lab: OvirtLab, op: MemoryOperation) -> tuple[list[ReplicaDisk], Sequence[ClonedDisk]]:
    destination = lab.destination()
    replicas = list(destination.deploy_disks(op, lab.env, instance(), []))
    return replicas, destination.clone_disks(op, lab.env, instance(), replicas)


# What is there


def test_the_connection_is_validated(ovirt: OvirtLab) -> None:
    ovirt.destination().validate_connection()
    ovirt.destination(ca_file=None, allow_untrusted=True).validate_connection()
    ovirt.destination(url=ovirt.front.url + "/").validate_connection()


def test_wrong_password(ovirt: OvirtLab) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="admin@internal") as raised:
        ovirt.destination(password="wrong-one").validate_connection()
    assert "wrong-one" not in str(raised.value)


def test_an_unknown_profile_is_explained(ovirt: OvirtLab) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="internalsso"):
        ovirt.destination(username="admin@nowhere").validate_connection()


def test_an_untrusted_certificate(ovirt: OvirtLab) -> None:
    with pytest.raises(errors.CloudError, match="allow_untrusted"):
        ovirt.destination(ca_file=None).validate_connection()


def test_an_unreachable_engine(ovirt: OvirtLab) -> None:
    with pytest.raises(errors.CloudUnavailable, match=r"https://127\.0\.0\.1:9/ovirt-engine/api"):
        ovirt.destination(url="https://127.0.0.1:9").validate_connection()


def test_passing_faults_are_sat_out(ovirt: OvirtLab) -> None:
    destination = ovirt.destination()
    destination.list_storage(ovirt.env)
    for kind in ("503", "expire_token", "drop"):
        ovirt.faults.plant(Fault("http", kind))
        assert destination.list_storage(ovirt.env), kind


def test_inventory(ovirt: OvirtLab) -> None:
    destination = ovirt.destination()
    assert [n.name for n in destination.list_networks(ovirt.env)] == ["blue", "ovirtmgmt"]
    assert [s.name for s in destination.list_storage(ovirt.env)] == ["block1", "data1"]
    offers = {o.name: o for o in destination.destination_options(ovirt.env)}
    assert {v.name for v in offers["migr_template_map"].values} == {"Blank", "debian-worker"}
    assert "debian_9" in offers["os_release"].values
    assert offers["storage_domain"].default == "data1"
    assert [o.name for o in destination.destination_options(ovirt.env, ["cluster"])] == ["cluster"]


# Validation


@pytest.mark.parametrize(
    ("env", "change", "error", "text"),
    [
        ({"network_map": {}}, {}, errors.NetworkNotMapped, "private"),
        ({"network_map": {"private": "green"}}, {}, errors.InvalidInput, "no VM network 'green'"),
        ({}, {"name": "web server"}, errors.NameNotAllowed, "web-server"),
        ({}, {"disks": (Disk("d1", 600 * GIB),)}, errors.StorageTooSmall, "data1"),
        ({"migr_template_map": {"linux": "none"}}, {}, errors.InvalidInput, "no template 'none'"),
        ({"migr_template_map": {}}, {}, errors.InvalidInput, "migr_template_map.linux"),
        ({"cluster": "Other"}, {}, errors.InvalidInput, "no cluster 'Other'"),
        ({"storage_domain": "gold"}, {}, errors.InvalidInput, "no storage domain 'gold'"),
        ({"storage_domain": None}, {}, errors.InvalidInput, "No storage domain for disk 'd1'"),
        ({"vm_pool": "p"}, {}, errors.InvalidInput, "no VM pool 'p'"),
        ({"os_release": "beos"}, {}, errors.InvalidInput, "beos"),
        ({"migr_template_username_map": {"linux": "root"}}, {}, errors.InvalidInput, "neither"),
        ({"cluster_name": "x"}, {}, errors.InvalidInput, "cluster_name"),
    ],
)
def test_bad_input_is_told_before_anything_is_created(
    ovirt: OvirtLab, env: dict[str, Any], change: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        ovirt.destination().validate_destination({**ovirt.env, **env}, instance(**change))
    assert ovirt.things() == {"vms": [], "disks": []}


def test_good_input_passes(ovirt: OvirtLab) -> None:
    ovirt.destination().validate_destination(ovirt.env, instance())
    by_disk = {"disk_mappings": [{"disk_id": "d2", "destination": "block1"}]}
    ovirt.destination().validate_destination({**ovirt.env, "storage_mappings": by_disk}, instance())


def test_space_counts_all_disks_but_not_what_replicas_hold_already(ovirt: OvirtLab) -> None:
    large = instance(disks=(Disk("d1", 60 * GIB), Disk("d2", 60 * GIB)))
    with pytest.raises(errors.StorageTooSmall):
        ovirt.destination().validate_destination(ovirt.env, large)
    there = [ReplicaDisk("d1", "v1", "n1", 60 * GIB)]
    ovirt.destination().validate_destination(ovirt.env, large, there)


def test_a_deployment_needs_its_replicas_and_a_free_name(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    replicas = destination.deploy_disks(op, ovirt.env, instance(), [])
    destination.validate_deployment(ovirt.env, instance(), replicas)
    lost = replace(replicas[0], volume_id="00000000-1111-2222-3333-444444444444", volume_name="nameless")
    with pytest.raises(errors.NotFound, match="nameless"):
        destination.validate_deployment(ovirt.env, instance(), [lost, replicas[1]])
    with pytest.raises(errors.InvalidInput, match="without a replica"):
        destination.validate_deployment(ovirt.env, instance(), replicas[:1])
    system = destination._client.system
    taken = types.Vm(name="web", cluster=types.Cluster(name="Default"), template=types.Template(name="Blank"))
    system.vms_service().add(taken)
    with pytest.raises(errors.Conflict, match="'web'"):
        destination.validate_deployment(ovirt.env, instance(), replicas)


# Replica disks


@pytest.mark.parametrize(
    ("domain", "thin", "form", "sparse"),
    [
        ("data1", True, types.DiskFormat.RAW, True),
        ("data1", False, types.DiskFormat.RAW, False),
        ("block1", True, types.DiskFormat.COW, True),
        ("block1", False, types.DiskFormat.RAW, False),
    ],
)
def test_replica_disks_by_storage_type(
    *, ovirt: OvirtLab, op: MemoryOperation, domain: str, thin: bool, form: Any, sparse: bool
) -> None:
    env = {**ovirt.env, "storage_domain": domain, "use_thin_disk_allocation": thin}
    replicas = ovirt.destination().deploy_disks(op, env, instance(), [])
    assert [(r.disk_id, r.size_bytes, r.generation) for r in replicas] == [
        ("d1", 3 * GIB, 0),
        ("d2", 4 * GIB, 0),
    ]
    disk = ovirt.destination()._client.system.disks_service().disk_service(replicas[0].volume_id).get()
    assert (disk.format, disk.sparse) == (form, sparse)
    assert disk.provisioned_size >= 3 * GIB
    assert not op.ledger.owed()
    assert len(op.ledger.kept()) == 2


def test_replica_disks_are_kept_grown_replaced_and_deleted(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    first = destination.deploy_disks(op, ovirt.env, instance(), [])
    assert destination.deploy_disks(op, ovirt.env, instance(), first) == first
    larger = instance(disks=(Disk("d1", 5 * GIB), Disk("d2", 4 * GIB)))
    later = MemoryOperation(op.settings, job="later", ledger=op.ledger)
    grown = destination.deploy_disks(later, ovirt.env, larger, first)
    assert grown[0] == replace(first[0], size_bytes=5 * GIB)
    disks = destination._client.system.disks_service()
    assert disks.disk_service(first[0].volume_id).get().provisioned_size >= 5 * GIB
    disks.disk_service(first[1].volume_id).remove()
    anew = destination.deploy_disks(later, ovirt.env, larger, grown)
    assert anew[0] == grown[0]
    assert anew[1].volume_id != first[1].volume_id
    assert anew[1].generation == 0
    assert [level for level, _ in later.events] == [EventLevel.WARNING]
    destination.delete_disks(later, anew)
    destination.delete_disks(later, anew)
    assert ovirt.things()["disks"] == []
    assert not op.ledger.kept()


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
def test_a_crash_while_replica_disks_are_made(ovirt: OvirtLab, op: MemoryOperation, again: bool) -> None:
    op.ledger.crash_after = ResourceKind.DISK
    with pytest.raises(Crash):
        ovirt.destination().deploy_disks(op, ovirt.env, instance(), [])
    if again:
        replicas = ovirt.destination().deploy_disks(op, ovirt.env, instance(), [])
        assert len(ovirt.things()["disks"]) == 2
    else:  # the engine tells what its ledger holds and no answer named
        replicas = [ReplicaDisk("", row.cloud_id or "", row.name, 0) for row in op.ledger.rows.values()]
    ovirt.destination().delete_disks(op, replicas)
    assert ovirt.things()["disks"] == []
    assert not op.ledger.owed()


def test_a_disk_that_turns_illegal_is_told(ovirt: OvirtLab, op: MemoryOperation) -> None:
    ovirt.faults.plant(Fault("disk.create", "error"))
    with pytest.raises(errors.CloudError, match=r"illegal|vanished"):
        ovirt.destination().deploy_disks(op, ovirt.env, instance(), [])


# Workers


def test_a_copy_worker_comes_and_goes_and_the_replicas_stay(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    replicas = destination.deploy_disks(op, ovirt.env, instance(), [])
    resources = destination.deploy_target_resources(op, ovirt.env, instance(), replicas)
    worker = resources.worker
    assert resources.route == "ssh"
    assert worker.login.private_key is not None
    assert [(d.disk_id, d.serial) for d in worker.disks] == [(r.disk_id, r.volume_id) for r in replicas]
    assert {r.volume_id for r in replicas} < set(disks_of(ovirt, worker.name))
    assert destination.has_worker(worker)
    destination.delete_target_resources(op, ovirt.env, replicas)
    assert not destination.has_worker(worker)
    destination.delete_target_resources(op, ovirt.env, replicas)
    assert ovirt.things() == {"vms": [], "disks": sorted(r.volume_name for r in replicas)}
    assert not op.ledger.owed()


def test_a_template_with_preset_user_and_password(ovirt: OvirtLab, op: MemoryOperation) -> None:
    env = {
        **ovirt.env,
        "migr_template_username_map": {"linux": "root"},
        "migr_template_password_map": {"linux": "Passw0rd"},
    }
    destination = ovirt.destination()
    replicas = destination.deploy_disks(op, env, instance(), [])
    login = destination.deploy_target_resources(op, env, instance(), replicas).worker.login
    assert (login.username, login.private_key) == ("root", None)
    assert login.password is not None
    assert login.password.reveal() == "Passw0rd"
    assert "Passw0rd" not in repr(login)


def test_a_worker_with_a_replica_still_attached_is_not_removed(
    ovirt: OvirtLab, op: MemoryOperation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine deletes attached disks with a VM: the worst that could happen to a replica."""
    destination = ovirt.destination()
    replicas = destination.deploy_disks(op, ovirt.env, instance(), [])
    worker = destination.deploy_target_resources(op, ovirt.env, instance(), replicas).worker
    monkeypatch.setattr(destination._workers._vms, "detach", lambda op, vm_id, disk_id: None)
    for named in (replicas, []):  # disks of ours are protected even where the caller does not name them
        with pytest.raises(errors.DiskStillAttached, match=replicas[0].volume_id):
            destination.delete_target_resources(op, ovirt.env, named)
    assert worker.name in ovirt.things()["vms"]
    assert op.ledger.owed() == [(ResourceKind.VM, worker.name)]
    monkeypatch.undo()
    destination.delete_target_resources(op, ovirt.env, [])
    assert ovirt.things() == {"vms": [], "disks": sorted(r.volume_name for r in replicas)}


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
def test_a_crash_while_a_worker_is_made(ovirt: OvirtLab, op: MemoryOperation, again: bool) -> None:
    replicas = ovirt.destination().deploy_disks(op, ovirt.env, instance(), [])
    op.ledger.crash_after = ResourceKind.VM
    with pytest.raises(Crash):
        ovirt.destination().deploy_target_resources(op, ovirt.env, instance(), replicas)
    if again:
        ovirt.destination().deploy_target_resources(op, ovirt.env, instance(), replicas)
        assert len(ovirt.things()["vms"]) == 1
    ovirt.destination().delete_target_resources(op, ovirt.env, replicas)
    assert ovirt.things() == {"vms": [], "disks": sorted(r.volume_name for r in replicas)}
    assert not op.ledger.owed()


# Deployment


def test_a_deployment_from_copies_to_vm(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    replicas, clones = deployed(ovirt, op)
    assert destination.clone_disks(op, ovirt.env, instance(), replicas) == clones
    assert not {c.volume_id for c in clones} & {r.volume_id for r in replicas}
    assert [c.bootable for c in clones] == [True, False]
    worker = destination.deploy_os_morphing_resources(op, ovirt.env, instance(), clones).worker
    assert [d.serial for d in worker.disks] == [c.volume_id for c in clones]
    destination.delete_os_morphing_resources(op, ovirt.env, clones)
    assert destination.morphing_profile(ovirt.env, instance()).mac_addresses == ("fa:16:3e:00:00:01",)
    env = {**ovirt.env, "delete_protected": True}
    result = destination.finalize_instance(op, env, instance(), clones, DEBIAN)
    assert result.powered_on
    assert op.moments == 1  # a downtime ends when the VM is on, not when its agent has answered
    assert result.addresses
    assert not op.ledger.owed()
    assert len(op.ledger.kept()) == 5
    system = destination._client.system
    service = system.vms_service().vm_service(result.id)
    vm = service.get()
    assert (vm.name, vm.memory, vm.os.type, vm.delete_protected) == ("web", 512 << 20, "debian_9", True)
    assert vm.cpu.topology.sockets * vm.cpu.topology.cores == 2
    assert vm.bios.type == types.BiosType.Q35_SEA_BIOS
    assert vm.type == types.VmType.SERVER
    (nic,) = service.nics_service().list()
    assert nic.mac.address == "fa:16:3e:00:00:01"
    attached = {a.disk.id: a.bootable for a in service.disk_attachments_service().list()}
    assert attached == {clones[0].volume_id: True, clones[1].volume_id: False}
    destination.delete_cloned_disks(op, ovirt.env, instance())
    assert set(disks_of(ovirt, "web")) == set(attached)


def test_windows_without_osmorphing(ovirt: OvirtLab, op: MemoryOperation) -> None:
    """Its disks are verified like others, by a worker that runs Linux."""
    destination = ovirt.destination()
    _, clones = deployed(ovirt, op)
    windows = instance(os_type=OsType.WINDOWS, firmware=Firmware.EFI)
    env = {**ovirt.env, "os_release": "windows_2022"}
    worker = destination.deploy_os_morphing_resources(op, env, windows, clones).worker
    assert [d.serial for d in worker.disks] == [c.volume_id for c in clones]
    destination.delete_os_morphing_resources(op, env, clones)
    result = destination.finalize_instance(op, env, windows, clones, None)
    vm = destination._client.system.vms_service().vm_service(result.id).get()
    assert (vm.os.type, vm.cpu.topology.sockets) == ("windows_2022", 1)


def test_uefi_and_left_off(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    _, clones = deployed(ovirt, op)
    env = {**ovirt.env, "leave_migrated_vms_off": True, "optimized_for": "desktop", "os_release": "rhel_9x64"}
    result = destination.finalize_instance(op, env, instance(firmware=Firmware.EFI), clones, DEBIAN)
    assert (result.powered_on, result.addresses) == (False, ())
    assert op.moments == 0
    vm = destination._client.system.vms_service().vm_service(result.id).get()
    assert (vm.bios.type, vm.status) == (types.BiosType.Q35_OVMF, types.VmStatus.DOWN)
    assert (vm.type, vm.os.type) == (types.VmType.DESKTOP, "rhel_9x64")


def test_a_mac_in_use_is_told_and_replaced(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    _, clones = deployed(ovirt, op)
    env = {**ovirt.env, "leave_migrated_vms_off": True}
    assert destination.morphing_profile(env, instance()).mac_addresses == ("fa:16:3e:00:00:01",)
    destination.finalize_instance(op, env, instance(), clones, None)
    # its guest must not wait for a NIC with the address that it will not get
    assert destination.morphing_profile(env, instance(name="web2")).mac_addresses == ()
    later = MemoryOperation(op.settings, job="later", ledger=op.ledger)
    replicas = [ReplicaDisk(c.disk_id, c.volume_id, c.volume_name, c.size_bytes) for c in clones]
    copies = destination.clone_disks(later, env, instance(), replicas)
    destination.finalize_instance(later, env, instance(name="web2"), copies, None)
    assert any("fa:16:3e:00:00:01 is in use" in text for _, text in later.events)


def test_a_pool_is_warned_of(ovirt: OvirtLab, op: MemoryOperation) -> None:
    ovirt.front.add_vm_pool("pool", "Default", "debian-worker")
    env = {**ovirt.env, "vm_pool": "pool", "leave_migrated_vms_off": True}
    _, clones = deployed(ovirt, op)
    ovirt.destination().finalize_instance(op, env, instance(), clones, None)
    assert any("pool" in text for level, text in op.events if level == EventLevel.WARNING)


def test_a_failed_deployment_is_compensated_and_touches_no_replica(
    ovirt: OvirtLab, op: MemoryOperation
) -> None:
    destination = ovirt.destination()
    replicas, clones = deployed(ovirt, op)
    ovirt.faults.plant(Fault("vm.start", "error"))
    with pytest.raises(errors.CloudError, match="start VM web"):
        destination.finalize_instance(op, ovirt.env, instance(), clones, DEBIAN)
    destination.delete_instance(op, ovirt.env, instance())
    destination.delete_instance(op, ovirt.env, instance())
    assert set(ovirt.things()["disks"]) == {d.volume_name for d in (*replicas, *clones)}
    destination.delete_cloned_disks(op, ovirt.env, instance())
    assert ovirt.things() == {"vms": [], "disks": sorted(r.volume_name for r in replicas)}
    assert not op.ledger.owed()


@pytest.mark.parametrize("kind", [ResourceKind.DISK, ResourceKind.VM])
def test_a_crash_in_a_deployment_leaves_nothing(
    ovirt: OvirtLab, op: MemoryOperation, kind: ResourceKind
) -> None:
    replicas = ovirt.destination().deploy_disks(op, ovirt.env, instance(), [])
    op.ledger.crash_after = kind

    def deploy() -> None:
        clones = ovirt.destination().clone_disks(op, ovirt.env, instance(), replicas)
        ovirt.destination().finalize_instance(op, ovirt.env, instance(), clones, DEBIAN)

    with pytest.raises(Crash):
        deploy()
    ovirt.destination().delete_instance(op, ovirt.env, instance())
    ovirt.destination().delete_cloned_disks(op, ovirt.env, instance())
    assert ovirt.things() == {"vms": [], "disks": sorted(r.volume_name for r in replicas)}
    assert not op.ledger.owed()


def test_compensation_never_takes_a_users_vm_of_the_same_name(ovirt: OvirtLab, op: MemoryOperation) -> None:
    destination = ovirt.destination()
    _, clones = deployed(ovirt, op)
    users = types.Vm(name="web", cluster=types.Cluster(name="Default"), template=types.Template(name="Blank"))
    destination._client.system.vms_service().add(users)
    with pytest.raises(errors.Conflict):
        destination.finalize_instance(op, ovirt.env, instance(), clones, DEBIAN)
    destination.delete_instance(op, ovirt.env, instance())
    assert ovirt.things()["vms"] == ["web"]
    assert not op.ledger.find(ResourceKind.VM, op.name("vm"))
