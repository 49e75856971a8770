"""VMs that are suspended and restored. The lab's hosts keep no guest's memory on a disk: the process of a suspended VM
stays, and its processors stand still."""

from dataclasses import dataclass

from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import VM_RUNNING, VM_SUSPEND_FAILED, VM_SUSPENDED, EventKind
from coriolis_lab.ovirt.records import Job, Run, Vm, VmStatus
from coriolis_lab.ovirt.running import host_name
from coriolis_lab.ovirt.tasks import Task


@dataclass(frozen=True)
class _Change:
    """From the status before to the one after, unless the run ended meanwhile."""

    engine: Engine
    vm: Vm
    run: Run
    job: Job

    def suspend(self) -> None:
        self.engine.hypervisor.pause_vm(self.vm.id)

    def suspended(self) -> None:
        """What the guest's agent told goes: the guest may have another address when it is back."""
        self.run.reported, self.run.system = (), None
        text = f"VM {self.vm.name} on Host {host_name(self.engine, self.vm)} is suspended."
        self._become(VmStatus.SUSPENDED, VM_SUSPENDED, text)

    def not_suspended(self, reason: str) -> None:
        self._become(VmStatus.UP, VM_SUSPEND_FAILED, f"Failed to suspend VM {self.vm.name}: {reason}")

    def restore(self) -> None:
        self.engine.hypervisor.resume_vm(self.vm.id)

    def restored(self) -> None:
        text = f"VM {self.vm.name} started on Host {host_name(self.engine, self.vm)}"
        self._become(VmStatus.UP, VM_RUNNING, text)

    def not_restored(self, reason: str) -> None:
        self._become(VmStatus.SUSPENDED, VM_SUSPEND_FAILED, f"Failed to run VM {self.vm.name}: {reason}")

    def _become(self, status: VmStatus, kind: EventKind, text: str) -> None:
        if self.vm.run is self.run:
            self.vm.status = status
            self.engine.journal.tell(kind, text, correlation_id=self.job.correlation_id, vm_id=self.vm.id)


def suspend(engine: Engine, vm: Vm, run: Run, job: Job, fault: Fault | None) -> None:
    """The caller holds the engine's lock."""
    change = _Change(engine, vm, run, job)
    vm.status = VmStatus.SAVING_STATE
    delay = engine.settings.delays.server
    engine.tasks.start(Task(job, delay, change.suspend, change.suspended, change.not_suspended, fault))


def restore(engine: Engine, vm: Vm, run: Run, job: Job) -> None:
    """The caller holds the engine's lock."""
    change = _Change(engine, vm, run, job)
    vm.status = VmStatus.RESTORING_STATE
    delay = engine.settings.delays.server
    engine.tasks.start(Task(job, delay, change.restore, change.restored, change.not_restored))
