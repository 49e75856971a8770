"""Making and deleting VMs. The caller holds the engine's lock."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.backup_work import check_no_backup
from coriolis_lab.ovirt.disk_work import clone_content, destroy_disks, forget_disk
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import (
    VM_ADDED,
    VM_CREATED,
    VM_CREATION_FAILED,
    VM_CREATION_STARTED,
    VM_REMOVE_FAILED,
    VM_REMOVED,
)
from coriolis_lab.ovirt.machine_settings import Initialization, MachineSettings
from coriolis_lab.ovirt.records import (
    BLANK_TEMPLATE_ID,
    SUSPENSION,
    Attachment,
    Disk,
    DiskStatus,
    Job,
    Nic,
    Snapshot,
    SnapshotDisk,
    Vm,
    VmStatus,
    now,
)
from coriolis_lab.ovirt.refusals import RefusalError, conflict, disks_locked, illegal_status
from coriolis_lab.ovirt.tasks import Task


@dataclass(frozen=True)
class NewDisk:
    """A disk to be made for a VM: `make` does it on the hypervisor. `locks` is locked meanwhile."""

    disk: Disk
    attachment: Attachment
    make: Callable[[], None]
    locks: Disk | None = None


def new_vm(
    name: str,
    cluster_id: str,
    template_id: str,
    settings: MachineSettings,
    initialization: Initialization | None = None,
) -> Vm:
    """A VM without devices, down, with its "Active VM" snapshot; not yet registered."""
    vm = Vm(
        id=new_id(),
        name=name,
        cluster_id=cluster_id,
        template_id=template_id,
        original_template_id=template_id,
        settings=settings,
        status=VmStatus.DOWN,
        creation_time=now(),
        initialization=initialization,
        stop_time=now(),
    )
    active = Snapshot(id=new_id(), vm_id=vm.id, description="Active VM", date=vm.creation_time, type="active")
    vm.snapshots[active.id] = active
    return vm


def _copy_nics(engine: Engine, vm: Vm, nics: Sequence[Nic]) -> None:
    """With MACs and addresses of their own."""
    for nic in nics:
        address = ""
        if nic.vnic_profile_id is not None:
            address = engine.free_guest_address(engine.network_of_profile(nic.vnic_profile_id))
        copy = replace(nic, id=new_id(), mac=engine.free_mac(), address=address)
        vm.nics[copy.id] = copy


def from_template_disk(engine: Engine, source: Disk, attachment: Attachment, target: Disk) -> NewDisk:
    """`target` is `source` with what the request changed (id, domain, format…)."""

    def make() -> None:
        clone_content(engine, source, target.id)

    return NewDisk(target, replace(attachment, disk_id=target.id, active=True), make)


def from_snapshot_disk(engine: Engine, entry: SnapshotDisk, domain_id: str | None = None) -> NewDisk:
    source = engine.disks[entry.disk_id]
    target = replace(
        source,
        id=new_id(),
        image_id=new_id(),
        base_format=entry.format,
        provisioned_size=entry.provisioned_size,
        storage_domain_id=domain_id or source.storage_domain_id,
        status=DiskStatus.LOCKED,
        made=False,
    )

    def make() -> None:
        engine.hypervisor.disk_from_snapshot(target.id, entry.image_id)

    return NewDisk(target, replace(entry.attachment, disk_id=target.id), make)


def from_vm_disk(engine: Engine, source: Disk, attachment: Attachment) -> NewDisk:
    target = replace(
        source,
        id=new_id(),
        image_id=new_id(),
        base_format=engine.disk_format(source),
        status=DiskStatus.LOCKED,
        made=False,
    )

    def make() -> None:
        engine.hypervisor.copy_disk(source.id, target.id)

    return NewDisk(target, replace(attachment, disk_id=target.id), make, locks=source)


def from_running_vm(engine: Engine, vm: Vm) -> list[NewDisk]:
    """Copies of all its disks as of one instant: a snapshot that is there only for that."""
    frozen = {disk.id: new_id() for disk in engine.attached_disks(vm)}
    taken = threading.Event()

    def copier(source_id: str, target_id: str) -> Callable[[], None]:
        def make() -> None:
            if not taken.is_set():
                engine.hypervisor.snapshot_disks(frozen)
                taken.set()
            engine.hypervisor.disk_from_snapshot(target_id, frozen[source_id])
            engine.hypervisor.delete_snapshot(frozen[source_id])

        return make

    copies = [from_vm_disk(engine, disk, vm.attachments[disk.id]) for disk in engine.attached_disks(vm)]
    return [
        replace(copy, make=copier(copy.locks.id, copy.disk.id)) for copy in copies if copy.locks is not None
    ]


def add_vm(
    engine: Engine,
    vm: Vm,
    disks: Sequence[NewDisk],
    nics: Sequence[Nic],
    *,
    correlation_id: str | None,
    fault: Fault | None,
) -> threading.Event | None:
    """Registers the VM with copies of the given NICs. Without disks it is down at once (None); else
    image_locked until its disks are made.

    A failure takes the VM and its disks away again, as the engine rolls back.
    """
    engine.vms[vm.id] = vm
    try:
        _copy_nics(engine, vm, nics)
    except RefusalError:
        engine.vms.pop(vm.id)
        raise
    job = engine.journal.open_job(
        f"Creating VM {vm.name} in Cluster {engine.clusters[vm.cluster_id].name}", correlation_id
    )
    if not disks and fault is None:
        engine.journal.close_job(job, "finished")
        engine.journal.tell(
            VM_ADDED, f"VM {vm.name} was created.", correlation_id=job.correlation_id, vm_id=vm.id
        )
        return None
    vm.status = VmStatus.IMAGE_LOCKED
    for item in disks:
        engine.disks[item.disk.id] = item.disk
        vm.attachments[item.disk.id] = item.attachment
        if item.locks is not None:
            item.locks.status = DiskStatus.LOCKED
    engine.journal.tell(
        VM_CREATION_STARTED,
        f"VM {vm.name} creation was initiated.",
        correlation_id=job.correlation_id,
        vm_id=vm.id,
    )

    def work() -> None:
        for item in disks:
            item.make()
            item.disk.made = True
            size = engine.hypervisor.disk_info(item.disk.id).actual_size
            item.disk.actual_size = size

    def unlock_sources() -> None:
        for item in disks:
            if item.locks is not None:
                item.locks.status = DiskStatus.OK

    def done() -> None:
        unlock_sources()
        for item in disks:
            item.disk.status = DiskStatus.OK
        vm.status = VmStatus.DOWN
        engine.journal.tell(
            VM_CREATED,
            f"VM {vm.name} creation has been completed.",
            correlation_id=job.correlation_id,
            vm_id=vm.id,
        )

    def failed(reason: str) -> None:
        unlock_sources()
        _roll_back(engine, vm, [item.disk for item in disks])
        engine.journal.tell(
            VM_CREATION_FAILED,
            f"Failed to complete VM {vm.name} creation: {reason}.",
            correlation_id=job.correlation_id,
            vm_id=vm.id,
        )

    return engine.tasks.start(Task(job, engine.settings.delays.disk, work, done, failed, fault))


def _roll_back(engine: Engine, vm: Vm, disks: Sequence[Disk]) -> None:
    for disk in disks:
        if disk.made:
            engine.hypervisor.delete_disk(disk.id)
        engine.disks.pop(disk.id, None)
    engine.vms.pop(vm.id, None)


def check_removable(engine: Engine, vm: Vm, *, force: bool) -> None:
    """The engine's 409s on DELETE, in its order."""
    if vm.settings.delete_protected:
        raise conflict(
            "Cannot remove VM. Delete protection is enabled. "
            "In order to delete, disable Delete protection first."
        )
    if vm.pool_id is not None:
        raise conflict("Cannot remove VM. VM is attached to a VM Pool.")
    if vm.status in SUSPENSION:
        raise illegal_status("remove", "VM", vm.status)
    if vm.is_running:
        raise conflict("Cannot remove VM. VM is running.")
    if vm.locking_snapshot:
        raise conflict(
            "Cannot remove VM. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )
    check_no_backup(vm, "remove", "VM")
    locked = [disk.alias for disk in engine.attached_disks(vm) if disk.is_locked]
    if locked and not force:
        raise disks_locked("remove", "VM", locked)


def check_detach_only(engine: Engine, vm: Vm) -> None:
    """`detach_only=true` keeps the disks: only for VMs based on Blank whose disks have no snapshot."""
    if vm.template_id != BLANK_TEMPLATE_ID:
        raise conflict("Cannot remove VM with detaching disks, VM is based from template.")
    if any(engine.has_snapshot(disk_id) for disk_id in vm.attachments):
        raise conflict("Cannot remove VM with detaching disks, snapshots exist.")


def remove_vm(
    engine: Engine, vm: Vm, correlation_id: str | None, *, detach_only: bool
) -> tuple[Job, threading.Event]:
    """With every attached disk, really, unless `detach_only`."""
    fault = engine.admit("vm.delete", vm.name)
    doomed = (
        [] if detach_only else [disk for disk in engine.attached_disks(vm) if not _is_shared(engine, disk)]
    )
    job = engine.journal.open_job(f"Removing VM {vm.name} from system", correlation_id)
    vm.status = VmStatus.IMAGE_LOCKED
    for disk in doomed:
        disk.status = DiskStatus.LOCKED

    layers = [placed.layer_id for placed in vm.snapshot_attachments.values()]

    def work() -> None:
        destroy_disks(engine, doomed)
        for layer_id in layers:
            engine.hypervisor.delete_disk(layer_id)

    def done() -> None:
        for disk in doomed:
            forget_disk(engine, disk)
        engine.vms.pop(vm.id, None)
        engine.journal.tell(
            VM_REMOVED,
            f"VM {vm.name} was successfully removed.",
            correlation_id=job.correlation_id,
            vm_id=vm.id,
        )

    def failed(reason: str) -> None:
        vm.status = VmStatus.DOWN
        for disk in doomed:
            disk.status = DiskStatus.ILLEGAL
        engine.journal.tell(
            VM_REMOVE_FAILED,
            f"Failed to remove VM {vm.name}: {reason}.",
            correlation_id=job.correlation_id,
            vm_id=vm.id,
        )

    return job, engine.tasks.start(Task(job, engine.settings.delays.delete, work, done, failed, fault))


def _is_shared(engine: Engine, disk: Disk) -> bool:
    """A shareable disk that another VM has too is only detached."""
    return len(engine.vms_of_disk(disk.id)) > 1
