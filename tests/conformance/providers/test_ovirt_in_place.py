"""Deployments of the replica disks themselves (clone_disks=false) on the embedded engine: the safe point and what
becomes of it."""

from collections.abc import Sequence
from typing import Any

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.model.enums import EventLevel, Firmware, ResourceKind
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis_lab.faults import Fault
from tests.conformance.providers.conftest import OvirtLab
from tests.conformance.providers.test_ovirt_destination import DEBIAN, disks_of, instance
from tests.memory_operation import Crash, MemoryOperation


class Deployment:
    """Of `web`, by one job after the one that made its replica disks."""

    def __init__(self, lab: OvirtLab, op: MemoryOperation, web: Instance, **env: Any) -> None:
        self.lab = lab
        self.cloud = lab.destination()
        self.env = {**lab.env, **env}
        self.web = web
        self.replicas: Sequence[ReplicaDisk] = self.cloud.deploy_disks(op, self.env, web, [])
        for replica in self.replicas:
            lab.hypervisor.contents[replica.volume_id] = f"replicated {replica.disk_id}"
        self.before = self.contents()
        self.op = MemoryOperation(op.settings, job="later", ledger=op.ledger)

    def contents(self) -> list[str]:
        return [self.lab.hypervisor.contents[replica.volume_id] for replica in self.replicas]

    def secure(self) -> Sequence[ClonedDisk]:
        disks: Sequence[ClonedDisk] = self.cloud.secure_disks(self.op, self.env, self.web, self.replicas)
        return disks

    def morph(self, disks: Sequence[ClonedDisk]) -> Any:
        """What a guest on the worker writes; the worker stays."""
        resources = self.cloud.deploy_os_morphing_resources(self.op, self.env, self.web, disks)
        for disk in disks:
            self.lab.hypervisor.contents[disk.volume_id] = "morphed"
        return resources.worker

    def finalize(self, disks: Sequence[ClonedDisk]) -> Any:
        self.cloud.delete_os_morphing_resources(self.op, self.env, disks)
        return self.cloud.finalize_instance(self.op, self.env, self.web, disks, DEBIAN)

    def hand_over(self, disks: Sequence[ClonedDisk]) -> None:
        self.cloud.hand_over_disks(self.op, self.env, self.web, disks)

    def undo(self, disks: Sequence[ClonedDisk] = ()) -> None:
        """As the engine reverts the steps, and twice, as it may after a crash."""
        for _ in range(2):
            self.cloud.delete_instance(self.op, self.env, self.web)
            self.cloud.delete_os_morphing_resources(self.op, self.env, disks)
            self.cloud.roll_back_disks(self.op, self.env, self.web)

    def assert_untouched(self) -> None:
        assert self.contents() == self.before
        assert self.lab.things() == {"vms": [], "disks": sorted(r.volume_name for r in self.replicas)}
        assert not self.op.ledger.owed()
        assert len(self.op.ledger.kept()) == len(self.replicas)
        self.cloud.validate_in_place(self.env, self.web, self.replicas)

    def vm(self) -> Any:
        service = self.cloud._client.system.vms_service()
        (found,) = service.list(search='name="web"')
        return service.vm_service(found.id)

    def snapshots(self) -> list[str]:
        return [s.description for s in self.vm().snapshots_service().list() if s.description != "Active VM"]


@pytest.fixture
def web(ovirt: OvirtLab, op: MemoryOperation) -> Deployment:
    return Deployment(ovirt, op, instance(firmware=Firmware.EFI))


def test_the_replica_disks_become_the_vms(web: Deployment) -> None:
    disks = web.secure()
    assert web.secure() == disks
    assert [d.volume_id for d in disks] == [r.volume_id for r in web.replicas]
    worker = web.morph(disks)
    assert [d.serial for d in worker.disks] == [d.volume_id for d in disks]
    assert len(disks_of(web.lab, "web")) == 3  # and the worker's own
    assert web.vm().get().bios.type != types.BiosType.Q35_OVMF  # but what its system was made for
    (booted,) = web.lab.hypervisor.started
    assert (
        len(booted.disks) == 1
    )  # the guest's come later: their file systems may have the UUIDs of the worker's
    deployed = web.finalize(disks)
    assert deployed.powered_on
    assert {d.disk_id for d in web.lab.hypervisor.started[-1].disks} == {d.volume_id for d in disks}
    assert deployed.addresses
    assert web.snapshots() == ["coriolis-later-safe-point"]
    for _ in range(2):
        web.hand_over(disks)
    assert web.snapshots() == []
    assert web.contents() == ["morphed", "morphed"]
    assert web.lab.things() == {"vms": ["web"], "disks": sorted(r.volume_name for r in web.replicas)}
    assert not web.op.ledger.owed()
    assert {kind for kind, _ in web.op.ledger.kept()} == {ResourceKind.DISK, ResourceKind.VM}
    vm = web.vm().get()
    assert (vm.memory, vm.os.type, vm.bios.type) == (512 << 20, "debian_9", types.BiosType.Q35_OVMF)
    assert vm.memory_policy.max == 4 * vm.memory
    (nic,) = web.vm().nics_service().list()
    assert (nic.name, nic.mac.address) == ("nic1", "fa:16:3e:00:00:01")
    attached = {a.disk.id: a.bootable for a in web.vm().disk_attachments_service().list()}
    assert attached == {disks[0].volume_id: True, disks[1].volume_id: False}


def test_without_osmorphing_the_worker_only_verifies_and_the_vm_may_stay_off(
    ovirt: OvirtLab, op: MemoryOperation
) -> None:
    web = Deployment(ovirt, op, instance(), leave_migrated_vms_off=True, delete_protected=True)
    disks = web.secure()
    web.cloud.deploy_os_morphing_resources(web.op, web.env, web.web, disks)
    assert not web.finalize(disks).powered_on
    web.hand_over(disks)
    assert (web.vm().get().status, web.vm().get().delete_protected) == (types.VmStatus.DOWN, True)
    assert web.contents() == web.before


def test_a_failed_osmorphing_is_rolled_back(web: Deployment) -> None:
    disks = web.secure()
    web.morph(disks)
    web.undo(disks)
    web.assert_untouched()


def test_a_failed_boot_is_rolled_back(web: Deployment) -> None:
    disks = web.secure()
    web.morph(disks)
    web.cloud.delete_os_morphing_resources(web.op, web.env, disks)
    web.lab.faults.plant(Fault("vm.start", "error"))
    with pytest.raises(errors.CloudError, match="start VM web"):
        web.finalize(disks)
    web.undo(disks)
    web.assert_untouched()


def test_what_failed_can_be_deployed_again(web: Deployment) -> None:
    disks = web.secure()
    web.morph(disks)
    web.undo(disks)
    web.op = MemoryOperation(web.op.settings, job="again", ledger=web.op.ledger)
    disks = web.secure()
    web.finalize(disks)
    web.hand_over(disks)
    assert web.contents() == web.before


@pytest.mark.parametrize("kind", [ResourceKind.VM, ResourceKind.SNAPSHOT, ResourceKind.DISK])
@pytest.mark.parametrize("again", [False, True], ids=["undone", "resumed"])
def test_a_crash_at_any_create_call(web: Deployment, kind: ResourceKind, again: bool) -> None:
    web.op.ledger.crash_after = kind

    def deploy() -> None:
        disks = web.secure()
        web.morph(disks)
        web.finalize(disks)

    with pytest.raises(Crash):
        deploy()
    if again:
        deploy()
        assert len(web.lab.things()["vms"]) == 1
    web.undo()
    web.assert_untouched()


def test_a_snapshot_that_cannot_be_taken_changes_nothing(web: Deployment) -> None:
    web.lab.faults.plant(Fault("snapshot.create", "error"))
    with pytest.raises(errors.CloudError, match="take a snapshot"):
        web.secure()
    web.undo()
    web.assert_untouched()


def test_a_safe_point_that_somebody_removed_is_told_and_nothing_deleted(web: Deployment) -> None:
    disks = web.secure()
    web.morph(disks)
    web.cloud.delete_os_morphing_resources(web.op, web.env, disks)
    service = web.vm().snapshots_service()
    (point,) = [s for s in service.list() if s.description != "Active VM"]
    service.snapshot_service(point.id).remove()
    with pytest.raises(errors.CloudError, match="is gone"):
        web.cloud.roll_back_disks(web.op, web.env, web.web)
    assert web.lab.things() == {"vms": ["web"], "disks": sorted(r.volume_name for r in web.replicas)}
    assert web.op.ledger.owed()


def test_a_safe_point_that_is_not_merged_is_told_and_the_vm_stays(
    web: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks = web.secure()
    web.finalize(disks)

    def refuse(*_: object) -> None:
        raise errors.Conflict(message="Cannot remove Snapshot.")

    monkeypatch.setattr(web.cloud._in_place._snapshots, "remove", refuse)
    web.hand_over(disks)
    assert any(level is EventLevel.WARNING and "by hand" in text for level, text in web.op.events)
    assert (ResourceKind.SNAPSHOT, "coriolis-later-spent-point") in web.op.ledger.kept()
    assert not web.op.ledger.owed()


def test_bad_input_is_told_before_anything_is_created(web: Deployment) -> None:
    web.cloud.validate_in_place(web.env, web.web, web.replicas)
    system = web.cloud._client.system
    held = types.Vm(
        name="holder", cluster=types.Cluster(name="Default"), template=types.Template(name="Blank")
    )
    holder = system.vms_service().add(held)
    attachments = system.vms_service().vm_service(holder.id).disk_attachments_service()
    attachments.add(
        types.DiskAttachment(
            disk=types.Disk(id=web.replicas[1].volume_id),
            interface=types.DiskInterface.VIRTIO_SCSI,
            bootable=False,
        )
    )
    with pytest.raises(errors.Conflict, match=web.replicas[1].volume_name):
        web.cloud.validate_in_place(web.env, web.web, web.replicas)
