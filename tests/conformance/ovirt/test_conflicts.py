"""Every conflict (409) that clients of the engine meet, with the engine's text."""

import contextlib
from collections.abc import Iterator

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import Fault
from tests.conformance.ovirt.conftest import GIGABYTE

VIRTIO_SCSI = types.DiskInterface.VIRTIO_SCSI


@contextlib.contextmanager
def refused(text: str, code: int = 409) -> Iterator[None]:
    """The text is part of a printed list, with the reason every conflict has."""
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        yield
    assert raised.value.code == code
    if code == 409:
        assert raised.value.fault.reason == "Operation Failed"
        assert raised.value.fault.detail.startswith("[Cannot ")
        assert raised.value.fault.detail.endswith("]")


def running(engine, name: str):
    """An up VM with a boot disk, and that disk."""
    vm, disk = engine.new_vm(name), engine.new_disk(f"{name}-boot")
    engine.attach(vm, disk.id, bootable=True)
    engine.start(vm)
    return vm, disk


def attachment(disk_id: str, **fields) -> types.DiskAttachment:
    values = {"interface": VIRTIO_SCSI, "bootable": False, "active": True, **fields}
    return types.DiskAttachment(disk=types.Disk(id=disk_id), **values)


@pytest.fixture(scope="module", autouse=True)
def _storage(module_engine) -> None:
    module_engine.front.add_storage_domain("block", "Default", "iscsi")
    module_engine.front.add_storage_domain("managed", "Default", "managed_block_storage")
    module_engine.front.add_storage_domain("tiny", "Default", capacity_bytes=GIGABYTE)
    module_engine.front.add_data_center("Second")
    module_engine.front.add_cluster("Second", "Second")
    module_engine.front.add_storage_domain("far", "Second")
    module_engine.front.add_network("ovirtmgmt", "Second", "10.21.0.0/24")


@pytest.mark.parametrize(
    ("domain", "fields", "text"),
    [
        (
            "block",
            {},
            r"Disk configuration \(RAW Sparse backup-None\) is incompatible with the storage domain",
        ),
        ("data", {"format": types.DiskFormat.COW, "sparse": False}, "COW Preallocated backup-None"),
        ("data", {"backup": types.DiskBackup.INCREMENTAL}, "RAW Sparse backup-Incremental"),
        ("tiny", {"sparse": False, "size": 2 * GIGABYTE}, "Low disk space on Storage Domain tiny"),
        ("ovirt-image-repository", {}, "not attached to any Data Center"),
    ],
)
def test_disks_that_a_domain_does_not_take(engine, domain, fields, text):
    size = fields.pop("size", GIGABYTE)
    with refused(text):
        engine.disks.add(engine.disk_body("unfit", size, domain, **fields))


@pytest.mark.parametrize(
    ("domain", "fields"),
    [
        ("block", {"format": types.DiskFormat.COW}),
        ("block", {"sparse": False}),
        ("data", {"sparse": False}),
        ("data", {"format": types.DiskFormat.COW, "backup": types.DiskBackup.INCREMENTAL}),
        ("managed", {}),
    ],
)
def test_disks_that_it_takes(engine, domain, fields):
    disk = engine.disks.add(engine.disk_body("fit", GIGABYTE, domain, **fields))
    service = engine.disks.disk_service(disk.id)
    engine.wait(lambda: service.get().status == types.DiskStatus.OK)
    kind = service.get().storage_type
    assert (kind == types.DiskStorageType.MANAGED_BLOCK_STORAGE) == (domain == "managed")


def test_a_locked_disk(engine):
    vm = engine.new_vm("lock-holder")
    engine.faults.plant(Fault("disk.create", "stuck", match="forever"))
    disk = engine.disks.add(engine.disk_body("forever"))
    service = engine.disks.disk_service(disk.id)
    [domain] = engine.system.storage_domains_service().list(search="name=data")
    with refused("The following disks are locked: forever. Please try again in a few minutes"):
        vm.disk_attachments_service().add(attachment(disk.id))
    with refused("Cannot remove Virtual Disk: The following disks are locked"):
        service.remove()
    with refused("Cannot edit Virtual Disk: The following disks are locked"):
        service.update(types.Disk(description="x"))
    with refused("Cannot copy Virtual Disk: The following disks are locked"):
        service.copy(disk=types.Disk(name="y"), storage_domain=types.StorageDomain(id=domain.id))
    with refused("Cannot transfer Virtual Disk: The following disks are locked"):
        engine.system.image_transfers_service().add(types.ImageTransfer(disk=types.Disk(id=disk.id)))


def test_an_illegal_disk(engine):
    vm, kept = engine.new_vm("illegal-holder"), engine.new_disk("turns-illegal")
    engine.attach(vm, kept.id, bootable=True)
    engine.faults.plant(Fault("disk.create", "error", match="illegal-one"))
    disk = engine.disks.add(engine.disk_body("illegal-one"))
    engine.wait(lambda: engine.disks.disk_service(disk.id).get().status == types.DiskStatus.ILLEGAL)
    with refused("Disks in an illegal state can only be deleted"):
        vm.disk_attachments_service().add(attachment(disk.id))
    with refused("The following attached disks are in ILLEGAL status: illegal-one"):
        engine.system.image_transfers_service().add(types.ImageTransfer(disk=types.Disk(id=disk.id)))
    engine.front._engine.disks[kept.id].status = "illegal"
    with refused("in ILLEGAL status: turns-illegal - please remove them and try again"):
        vm.start()
    with refused("in ILLEGAL status: turns-illegal"):
        vm.snapshots_service().add(types.Snapshot(description="s", persist_memorystate=False))
    engine.disks.disk_service(disk.id).remove()
    engine.wait_gone(engine.disks.disk_service(disk.id))


def test_a_disk_in_use(engine):
    vm, disk = running(engine, "user")
    other = engine.new_vm("other-user")
    service = engine.disks.disk_service(disk.id)
    [domain] = engine.system.storage_domains_service().list(search="name=data")
    with refused("The disk user-boot is plugged to non-Down VMs: user"):
        service.remove()
    with refused("plugged to non-Down VMs: user"):
        service.copy(disk=types.Disk(name="y"), storage_domain=types.StorageDomain(id=domain.id))
    with refused("plugged to non-Down VMs: user"):
        engine.system.image_transfers_service().add(types.ImageTransfer(disk=types.Disk(id=disk.id)))
    with refused("not shareable and is already attached to a VM"):
        other.disk_attachments_service().add(attachment(disk.id))
    with refused("The disk is already attached to VM"):
        vm.disk_attachments_service().add(attachment(disk.id))


def test_attachments_that_cannot_be(engine):
    vm, _boot = running(engine, "full")
    second = engine.new_disk("second")
    attachments = vm.disk_attachments_service()
    with refused("Disk full-boot in VM full is already marked as boot"):
        attachments.add(attachment(second.id, bootable=True))
    with refused("does not support hot plug"):
        attachments.add(attachment(second.id, interface=types.DiskInterface.SATA))
    down = engine.new_vm("down-one").disk_attachments_service()
    with refused("SATA disks can't be read-only"):
        down.add(attachment(second.id, interface=types.DiskInterface.SATA, read_only=True))
    with refused("disk interface is not supported by the VM OS"):
        down.add(attachment(second.id, interface=types.DiskInterface.IDE))
    windows = engine.new_vm("windows-xp", os=types.OperatingSystem(type="windows_xp"))
    with refused("not supported by the VM OS: windows_xp"):
        windows.disk_attachments_service().add(attachment(second.id))
    far = engine.disks.add(engine.disk_body("far-disk", domain="far"))
    engine.wait(lambda: engine.disks.disk_service(far.id).get().status == types.DiskStatus.OK)
    with refused("The target Data Center does not contain the Virtual Disk"):
        down.add(attachment(far.id))


def test_a_vm_between_states(engine):
    engine.hypervisor.agents = False
    vm, disk = engine.new_vm("slow"), engine.new_disk("slow-boot")
    late = engine.new_disk("late")
    engine.attach(vm, disk.id, bootable=True)
    vm.start()
    engine.wait(lambda: vm.get().status == types.VmStatus.POWERING_UP)
    attachments = vm.disk_attachments_service()
    with refused("must be in status Down, Up or Paused"):
        attachments.add(attachment(late.id))
    with refused("must be in status Down, Up or Paused"):
        attachments.attachment_service(disk.id).remove()
    with refused("VM is running"):
        vm.start()
    with refused("VM is running"):
        vm.remove()
    with refused("must be in status Up or Down"):
        vm.snapshots_service().add(types.Snapshot(description="s", persist_memorystate=False))


def test_an_image_locked_vm(engine):
    engine.faults.plant(Fault("vm.create", "stuck", match="never-ready"))
    vm = engine.vms.add(
        types.Vm(
            name="never-ready", cluster=types.Cluster(name="Default"), template=types.Template(name="worker")
        )
    )
    service = engine.vms.vm_service(vm.id)
    disk = engine.new_disk("waits")
    with refused("Cannot run VM because the VM is in Image Locked status"):
        service.start()
    with refused("VM is locked. Please try again in a few minutes"):
        service.disk_attachments_service().add(attachment(disk.id))
    with refused("VM is locked"):
        service.update(types.Vm(description="x"))
    with refused("VM is locked"):
        service.nics_service().add(types.Nic(name="nic1"))


def test_a_vm_that_is_down(engine):
    vm = engine.new_vm("down-two")
    with refused("Cannot stop VM. VM is not running"):
        vm.stop()
    with refused("Cannot shutdown VM. VM is not running"):
        vm.shutdown()
    with refused("Cannot restart VM because the VM is in Down status"):
        vm.reboot()
    with refused("Cannot run VM without at least one bootable disk"):
        vm.start()
    engine.attach(vm, engine.new_disk("down-two-boot").id, bootable=True)
    with refused("Cloud-Init and Sysprep cannot be used together"):
        vm.start(use_cloud_init=True, use_sysprep=True)
    with refused("VM is not attached to the VM-Pool"):
        vm.detach()


def test_names_macs_and_networks(engine):
    vm = engine.new_vm("taken")
    with refused("The VM name is already in use"):
        engine.new_vm("taken")
    other = engine.new_vm("other-name")
    with refused("The VM name is already in use"):
        other.update(types.Vm(name="taken"))
    second = types.Vm(
        name="taken", cluster=types.Cluster(name="Second"), template=types.Template(name="Blank")
    )
    assert engine.vms.add(second).status == types.VmStatus.DOWN
    mac = types.Mac(address="00:16:3e:11:22:33")
    vm.nics_service().add(types.Nic(name="nic1", mac=mac))
    with refused("MAC Address 00:16:3e:11:22:33 is already in use by VM or snapshot: taken"):
        other.nics_service().add(types.Nic(name="nic1", mac=mac))
    with refused("interface name is already in use"):
        vm.nics_service().add(types.Nic(name="nic1"))
    profiles = engine.system.vnic_profiles_service().list()
    networks = {network.id: network for network in engine.system.networks_service().list()}
    centers = {center.id: center.name for center in engine.system.data_centers_service().list()}
    [far] = [item for item in profiles if centers[networks[item.network.id].data_center.id] == "Second"]
    with refused("Network belongs to a different data-center"):
        vm.nics_service().add(types.Nic(name="nic2", vnic_profile=types.VnicProfile(id=far.id)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"memory": 512 * 1024**2 + 1}, "must be a multiple of 1 MB"),
        (
            {"memory": GIGABYTE, "memory_policy": types.MemoryPolicy(guaranteed=2 * GIGABYTE)},
            "Physical Memory Guaranteed cannot exceed Memory Size",
        ),
        (
            {"memory": GIGABYTE, "memory_policy": types.MemoryPolicy(max=GIGABYTE // 2)},
            r"Memory size \(1024MB\) cannot exceed maximum memory size \(512MB\)",
        ),
        ({"os": types.OperatingSystem(type="windows_11")}, "TPM device is required by the guest operating"),
    ],
)
def test_settings_that_cannot_be(engine, fields, text):
    with refused(text):
        engine.new_vm("impossible", **fields)


def test_removals(engine):
    protected = engine.new_vm("protected", delete_protected=True)
    with refused("Delete protection is enabled. In order to delete, disable Delete protection first"):
        protected.remove()
    based = engine.new_vm("based", "worker")
    with refused("VM is based from template"):
        based.remove(detach_only=True)
    [template] = engine.system.templates_service().list(search="name=worker")
    with refused("being used by the following VMs: .*based"):
        engine.system.templates_service().template_service(template.id).remove()
    with refused("Removing Blank Template is not allowed"):
        engine.system.templates_service().template_service("00000000-0000-0000-0000-000000000000").remove()
    [frozen] = (
        engine.system.templates_service().template_service(template.id).disk_attachments_service().list()
    )
    with refused("Disk is attached to a Template"):
        engine.disks.disk_service(frozen.id).remove()


def test_snapshots(engine):
    vm, disk = engine.new_vm("snapped"), engine.new_disk("snapped-disk")
    engine.attach(vm, disk.id, bootable=True)
    snapshots = vm.snapshots_service()
    body = types.Snapshot(description="s", persist_memorystate=False)
    engine.faults.plant(Fault("snapshot.create", "slow", match="nothing"))
    made = snapshots.snapshot_service(snapshots.add(body).id)
    engine.wait(lambda: made.get().snapshot_status == types.SnapshotStatus.OK)
    with refused("already configured in a snapshot. In order to detach it, remove the disk's snapshots"):
        vm.disk_attachments_service().attachment_service(disk.id).remove()
    with refused("snapshots exist"):
        vm.remove(detach_only=True)
    with refused("Disk is used by a Template or a Snapshot"):
        engine.system.image_transfers_service().add(types.ImageTransfer(disk=types.Disk(id=disk.id)))
    engine.faults.plant(Fault("snapshot.create", "stuck", match="snapped"))
    snapshots.add(body)
    for action in (lambda: snapshots.add(body), vm.remove, vm.start, made.remove, made.restore):
        with refused("performing an operation on a Snapshot. Please wait for the operation to finish"):
            action()
    active = next(item for item in snapshots.list() if item.snapshot_type == types.SnapshotType.ACTIVE)
    with refused("only allowed for regular snapshots"):
        snapshots.snapshot_service(active.id).remove()


def test_restore_needs_a_vm_that_is_down(engine):
    vm, _disk = running(engine, "lively")
    snapshots = vm.snapshots_service()
    body = types.Snapshot(description="s", persist_memorystate=False)
    made = snapshots.snapshot_service(snapshots.add(body).id)
    engine.wait(lambda: made.get().snapshot_status == types.SnapshotStatus.OK)
    with refused("Cannot revert to Snapshot. At least one of the VMs is not down"):
        made.restore()


def test_pools(engine):
    pools = engine.system.vm_pools_service()
    body = types.VmPool(
        name="pool-??",
        cluster=types.Cluster(name="Default"),
        template=types.Template(name="worker"),
        size=1,
    )
    pool = pools.pool_service(pools.add(body).id)
    [member] = engine.vms.list(search="pool=pool-??")
    assert member.name == "pool-01"
    service = engine.vms.vm_service(member.id)
    engine.wait(lambda: service.get().status == types.VmStatus.DOWN)
    with refused("VM is attached to a VM Pool"):
        service.remove()
    with refused("name is already in use"):
        pools.add(body)
    with refused("Cannot decrease VMs from VM-Pool"):
        pool.update(types.VmPool(size=0))
    pool.update(types.VmPool(size=2))
    assert pool.get().size == 2
    pool.allocate_vm()
    engine.wait(lambda: any(vm.status == types.VmStatus.UP for vm in engine.vms.list(search="pool=pool-??")))
    with refused("running or locked VMs"):
        pool.remove()
    # vm_pool in a body is ignored, as the engine does
    alone = engine.new_vm("alone", vm_pool=types.VmPool(id=pool.get().id))
    assert alone.get().vm_pool is None
    [up] = [vm for vm in engine.vms.list(search="pool=pool-??") if vm.status == types.VmStatus.UP]
    with refused("VM is running"):
        engine.vms.vm_service(up.id).detach()
