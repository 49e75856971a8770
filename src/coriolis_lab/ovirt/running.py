"""A VM's life from start to down: launching, watching the process and the guest agent, stopping.

One thread follows each run. The caller of `start`, `stop` and `reboot` holds the engine's lock.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import GuestNic, GuestSystem, HypervisorError, VmSpec, VmState
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import VM_DOWN, VM_DOWN_ERROR, VM_RUNNING, VM_START_FAILED
from coriolis_lab.ovirt.launch import is_connected, payload, vm_spec
from coriolis_lab.ovirt.machine_settings import Initialization
from coriolis_lab.ovirt.records import SUSPENSION, Job, Run, Vm, VmStatus, now
from coriolis_lab.ovirt.tasks import INTERNAL_ERROR

POLL_SECONDS = 0.2
POLLS_A_SYSTEM = 4  # the agent is asked for its NICs each time, for its system every fourth
LOST_PROCESS = "Lost connection with qemu process"


@dataclass
class _Follower:
    """The state of the thread that follows one run."""

    engine: Engine
    vm: Vm
    run: Run
    job: Job
    fault: Fault | None

    def follow(self, spec: VmSpec) -> None:
        engine = self.engine
        if engine.tasks.closing.wait(engine.settings.delays.server):
            return
        kind = self.fault.kind if self.fault else ""
        if kind == "stuck" or not self._is_current():
            return
        if self.fault and kind == "error":
            self._down(self.fault.message or INTERNAL_ERROR, failed=True)
            return
        try:
            engine.hypervisor.define_vm(spec)
            engine.hypervisor.start_vm(spec.id)
        except HypervisorError as error:
            self._down(str(error), failed=True)
            return
        with engine.lock:
            self.run.launched = True
            stopping = self.run.stopping
            if not stopping:
                self.vm.status = VmStatus.POWERING_UP
        if stopping:
            engine.hypervisor.stop_vm(spec.id, force=True)
        self._watch()

    def _watch(self) -> None:
        engine, delays = self.engine, self.engine.settings.delays
        started = time.monotonic()
        next_agent_poll = started
        polls = 0
        dying = started + self.fault.seconds if self.fault and self.fault.kind == "die" else None
        while not engine.tasks.closing.wait(POLL_SECONDS):
            try:
                status = engine.hypervisor.vm_status(self.vm.id)
            except HypervisorError as error:
                self._down(str(error), failed=False)
                return
            if status.state == VmState.STOPPED:
                self._down(status.stop_reason or LOST_PROCESS, failed=False)
                return
            if dying is not None and time.monotonic() >= dying:
                self._kill(status.pid)
                dying = None
            elif time.monotonic() >= next_agent_poll and self.vm.status not in SUSPENSION:
                answer = engine.hypervisor.guest_interfaces(self.vm.id)
                if answer is not None and polls % POLLS_A_SYSTEM == 0:
                    self._take_system(engine.hypervisor.guest_system(self.vm.id))
                polls += 1 if answer is not None else 0
                next_agent_poll = time.monotonic() + delays.agent_poll
                self._take_answer(answer, time.monotonic() - started > delays.no_agent)

    def _take_system(self, system: GuestSystem | None) -> None:
        """Silence keeps what was told before."""
        with self.engine.lock:
            self.run.system = system or self.run.system

    def _take_answer(self, answer: Sequence[GuestNic] | None, waited_enough: bool) -> None:
        with self.engine.lock:
            if answer is not None:
                self.run.reported = tuple(answer)
            starting = self.vm.status in (VmStatus.POWERING_UP, VmStatus.REBOOTING)
            if starting and (answer is not None or waited_enough):
                self.vm.status = VmStatus.UP
                self.engine.journal.close_job(self.job, "finished")
                self.engine.journal.tell(
                    VM_RUNNING,
                    f"VM {self.vm.name} started on Host {host_name(self.engine, self.vm)}",
                    correlation_id=self.job.correlation_id,
                    vm_id=self.vm.id,
                )

    def _kill(self, pid: int | None) -> None:
        """As an out-of-memory killer would."""
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        else:
            self.engine.hypervisor.stop_vm(self.vm.id, force=True)

    def _is_current(self) -> bool:
        return self.vm.run is self.run

    def _down(self, reason: str, *, failed: bool) -> None:
        """`failed`: the VM never ran."""
        end_run(self.engine, self.vm, self.run, reason, failed=failed, job=self.job)


def start(
    engine: Engine,
    vm: Vm,
    job: Job,
    fault: Fault | None,
    *,
    use_cloud_init: bool = False,
    once: Initialization | None = None,
    run_once: bool = False,
) -> None:
    """The VM waits for its launch from now on."""
    addresses = {
        nic.mac: engine.hypervisor.allocate_address() for nic in vm.nics.values() if is_connected(nic)
    }
    spec = vm_spec(engine, vm, vm.settings, addresses, payload(vm, use_cloud_init, once))
    mute = fault is not None and fault.kind == "no_address"
    run = Run(addresses, run_once=run_once, mute=mute)
    vm.run = run
    vm.status = VmStatus.WAIT_FOR_LAUNCH
    vm.started_before = True
    vm.start_time, vm.stop_reason, vm.status_detail = now(), "", None
    follower = _Follower(engine, vm, run, job, fault)
    threading.Thread(target=follower.follow, args=(spec,), name=f"ovirt vm {vm.name}", daemon=True).start()


def stop(engine: Engine, vm: Vm, *, force: bool) -> None:
    """Power button or plug. A run that has not been launched yet ends at once."""
    run = vm.run
    if run is None:
        return
    run.stopping = True
    vm.status = VmStatus.POWERING_DOWN
    if not run.launched:
        if force:
            threading.Thread(target=_abandon, args=(engine, vm, run), daemon=True).start()
        return
    threading.Thread(target=_stop_process, args=(engine, vm, force), daemon=True).start()


def _abandon(engine: Engine, vm: Vm, run: Run) -> None:
    """Ends a run that hangs before its launch; its follower stops one that is launched meanwhile."""
    if engine.tasks.closing.wait(2 * engine.settings.delays.server):
        return
    with engine.lock:
        waiting = vm.run is run and not run.launched
    if waiting:
        end_run(engine, vm, run, "", failed=False, job=None)


def _stop_process(engine: Engine, vm: Vm, force: bool) -> None:
    try:
        engine.hypervisor.stop_vm(vm.id, force=force)
    except HypervisorError as error:
        with engine.lock:
            engine.journal.tell(VM_DOWN_ERROR, f"Failed to stop VM {vm.name}: {error}", vm_id=vm.id)


def end_run(engine: Engine, vm: Vm, run: Run, reason: str, *, failed: bool, job: Job | None) -> None:
    """Down: the hypervisor forgets the VM, its addresses are free again, and the events tell why."""
    with engine.lock:
        if vm.run is not run:
            return
        vm.run = None
    for address in run.ssh_addresses.values():
        engine.hypervisor.release_address(address)
    try:
        engine.hypervisor.undefine_vm(vm.id)
    except HypervisorError:
        defined = False  # it never got so far as to be defined
    else:
        defined = True
    crashed = defined and not run.stopping and "shut down" not in reason
    with engine.lock:
        vm.status = VmStatus.DOWN
        if vm.next_run is not None:
            vm.settings, vm.next_run = vm.next_run, None
        vm.stop_time = now()
        vm.stop_reason = reason if failed or crashed else ""
        vm.status_detail = None
        if job is not None and job.end_time is None:
            engine.journal.close_job(job, "failed" if failed or crashed else "finished")
        kind, text = VM_DOWN, f"VM {vm.name} is down. Exit message: {reason or 'User shut down the VM'}."
        if failed:
            kind, text = VM_START_FAILED, f"Failed to run VM {vm.name}: {reason}."
        elif crashed:
            kind, text = VM_DOWN_ERROR, f"VM {vm.name} is down with error. Exit message: {reason}."
        correlation_id = job.correlation_id if job else None
        engine.journal.tell(kind, text, correlation_id=correlation_id, vm_id=vm.id)


def host_name(engine: Engine, vm: Vm) -> str:
    return next((host.name for host in engine.hosts.values() if host.cluster_id == vm.cluster_id), "")
