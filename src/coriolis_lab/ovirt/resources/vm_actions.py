"""Actions on VMs: start, stop, shutdown, suspend, reboot, reset, detach (from a pool)."""

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt import running, suspension
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import VM_REBOOTED, VM_SHUTDOWN_ASKED, VM_STARTED, VM_STOPPED, EventKind
from coriolis_lab.ovirt.machine_settings import read_initialization
from coriolis_lab.ovirt.records import SUSPENSION, DiskStatus, Job, Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, disks_locked, failed, illegal_status
from coriolis_lab.ovirt.web import Call, Reply, action, completed


def start(call: Call) -> Reply:
    """A `<vm>` in the action makes it a run once: its initialization holds for this run only."""
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        if vm.status in SUSPENSION:
            return _restore(call, vm)
        _check_startable(engine, vm)
        fault = engine.admit("vm.start", vm.name)
        if body.boolean("use_cloud_init") and body.boolean("use_sysprep"):
            raise conflict("Cannot run VM. Cloud-Init and Sysprep cannot be used together.")
        vm_node = body.find("vm")
        once = read_initialization(vm_node.find("initialization")) if vm_node is not None else None
        job = engine.journal.open_job(f"Launching VM {vm.name}", call.correlation_id)
        running.start(
            engine,
            vm,
            job,
            fault,
            use_cloud_init=bool(body.boolean("use_cloud_init")),
            once=once,
            run_once=vm_node is not None,
        )
        _tell(engine, VM_STARTED, f"VM {vm.name} was started.", job, vm)
        return completed(job)


def _restore(call: Call, vm: Vm) -> Reply:
    """A suspended VM goes on as it was: what a first start takes of the action holds for nothing here."""
    if vm.run is None or vm.status != VmStatus.SUSPENDED or call.document.find("vm") is not None:
        raise illegal_status("run", "VM", vm.status)
    job = call.engine.journal.open_job(f"Launching VM {vm.name}", call.correlation_id)
    suspension.restore(call.engine, vm, vm.run, job)
    _tell(call.engine, VM_STARTED, f"VM {vm.name} was started.", job, vm)
    return completed(job)


def _check_startable(engine: Engine, vm: Vm) -> None:
    if not any(host.cluster_id == vm.cluster_id and host.status == "up" for host in engine.hosts.values()):
        raise conflict(
            "Cannot run VM. There is no host that satisfies current scheduling constraints. See below for details:",
            "There are no hosts to use. Check that the cluster contains at least one host in Up state.",
        )
    if vm.status == VmStatus.IMAGE_LOCKED:
        raise illegal_status("run", "VM", vm.status)
    if vm.is_running:
        raise conflict("Cannot run VM. VM is running.")
    if vm.locking_snapshot:
        raise conflict(
            "Cannot run VM. The VM is performing an operation on a Snapshot. "
            "Please wait for the operation to finish, and try again."
        )
    disks = [engine.disks[item.disk_id] for item in vm.attachments.values() if item.active]
    locked = [disk.alias for disk in disks if disk.is_locked]
    if locked:
        raise disks_locked("run", "VM", locked)
    illegal = [disk.alias for disk in disks if disk.status == DiskStatus.ILLEGAL]
    if illegal:
        names = ", ".join(illegal)
        raise conflict(
            f"Cannot run VM. The following attached disks are in ILLEGAL status: {names} - "
            "please remove them and try again."
        )
    if any(engine.storage_domains[disk.storage_domain_id].status != "active" for disk in disks):
        raise conflict(
            "Cannot run VM. The relevant Storage Domain is inaccessible.\n"
            "-Please handle Storage Domain issues and retry the operation."
        )
    if not disks and vm.settings.boot_devices == ("hd",):
        raise conflict("Cannot run VM without at least one bootable disk.")


def stop(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if not vm.is_running:
            raise conflict("Cannot stop VM. VM is not running.")
        if vm.status in (VmStatus.SAVING_STATE, VmStatus.RESTORING_STATE):
            raise illegal_status("stop", "VM", vm.status)
        job = call.done(f"Stopping VM {vm.name}")
        running.stop(call.engine, vm, force=True)
        _tell(call.engine, VM_STOPPED, f"VM {vm.name} powered off.", job, vm)
        return completed(job)


def shutdown(call: Call) -> Reply:
    """ACPI: a guest without an operating system never answers, and the VM stays powering_down."""
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if not vm.is_on_host:
            raise conflict("Cannot shutdown VM. VM is not running.")
        if vm.status in (VmStatus.WAIT_FOR_LAUNCH, VmStatus.SAVING_STATE, VmStatus.RESTORING_STATE):
            raise illegal_status("shutdown", "VM", vm.status)
        job = call.done(f"Shutting down VM {vm.name}")
        running.stop(call.engine, vm, force=False)
        _tell(call.engine, VM_SHUTDOWN_ASKED, f"VM shutdown initiated on VM {vm.name}.", job, vm)
        return completed(job)


def reboot(call: Call) -> Reply:
    return _reboot(call, "restart")


def reset(call: Call) -> Reply:
    """The lab has one kind of both, QEMU's."""
    return _reboot(call, "reset")


def _reboot(call: Call, verb: str) -> Reply:
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        if vm.status not in (VmStatus.UP, VmStatus.POWERING_UP):
            raise illegal_status(verb, "VM", vm.status)
        job = call.done(f"Rebooting VM {vm.name}")
        vm.status = VmStatus.REBOOTING
        if vm.run is not None:
            vm.run.reported, vm.run.system = (), None
        _tell(engine, VM_REBOOTED, f"VM {vm.name} was rebooted.", job, vm)
    try:
        engine.hypervisor.reboot_vm(vm.id)
    except HypervisorError as error:
        raise failed(str(error)) from error
    return completed(job)


def suspend(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        if vm.run is None or vm.status != VmStatus.UP:
            raise illegal_status("hibernate", "VM", vm.status)
        if vm.pool_id is not None:
            raise conflict(
                "Cannot hibernate VM. Suspending a VM that is attached to a VM Pool is not supported."
            )
        job = engine.journal.open_job(f"Hibernating VM {vm.name}", call.correlation_id)
        suspension.suspend(engine, vm, vm.run, job, engine.admit("vm.suspend", vm.name))
        return completed(job)


def detach(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if vm.pool_id is None:
            raise conflict("Cannot detach VM from pool. VM is not attached to the VM-Pool.")
        if vm.is_running:
            raise conflict("Cannot detach VM from VM-Pool. VM is running.")
        vm.pool_id = None
        return completed(call.done(f"Detaching VM {vm.name} from its pool"))


def _tell(engine: Engine, kind: EventKind, text: str, job: Job, vm: Vm) -> None:
    engine.journal.tell(kind, text, correlation_id=job.correlation_id, vm_id=vm.id)


ROUTES = [
    action("vms/{vm}/start", start),
    action("vms/{vm}/stop", stop),
    action("vms/{vm}/shutdown", shutdown),
    action("vms/{vm}/reboot", reboot),
    action("vms/{vm}/reset", reset),
    action("vms/{vm}/suspend", suspend),
    action("vms/{vm}/detach", detach),
]
