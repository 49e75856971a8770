"""Starting, stopping and rebooting, and noticing that a guest went off by itself."""

import threading
import time

from coriolis_lab.hypervisor.api import HypervisorError, VmState
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute.build import fail, job_key, plan_death, started, stopped
from coriolis_lab.openstack.records import Server

_SHUTDOWN_SECONDS = 60.0  # Nova's shutdown_timeout; the image property os_shutdown_timeout goes before it
_POLL_SECONDS = 0.2


def submit_start(cloud: Cloud, server: Server) -> None:
    server.task_state = "powering-on"

    def work() -> None:
        fault = cloud.faults.strike("server.start", server.name)
        try:
            cloud.hypervisor.start_vm(server.id)
        except HypervisorError as error:
            fail(cloud, server, str(error))
            return
        started(cloud, server)
        if fault and fault.kind == "die":
            plan_death(cloud, server, fault)

    cloud.jobs.submit(job_key(server.id), work, cloud.settings.delays.server)


def submit_stop(cloud: Cloud, server: Server) -> None:
    server.task_state = "powering-off"
    cloud.jobs.submit(job_key(server.id), lambda: _stop(cloud, server), cloud.settings.delays.server)


def _stop(cloud: Cloud, server: Server) -> None:
    try:
        _shut_down(cloud, server)
    except HypervisorError as error:
        fail(cloud, server, str(error))
        return
    stopped(cloud, server)


def _shut_down(cloud: Cloud, server: Server) -> None:
    """The power button, and the plug for a guest that does not heed it in time."""
    patience = float(server.image_properties.get("os_shutdown_timeout", _SHUTDOWN_SECONDS))
    if cloud.hypervisor.vm_status(server.id).state is VmState.STOPPED:
        return
    cloud.hypervisor.stop_vm(server.id)
    end = time.monotonic() + patience
    while cloud.hypervisor.vm_status(server.id).state is not VmState.STOPPED:
        if time.monotonic() > end or cloud.jobs.stopping.wait(_POLL_SECONDS):
            cloud.hypervisor.stop_vm(server.id, force=True)
            return


def submit_reboot(cloud: Cloud, server: Server, *, hard: bool) -> None:
    server.task_state = "rebooting_hard" if hard else "rebooting"

    def work() -> None:
        try:
            if cloud.hypervisor.vm_status(server.id).state is VmState.STOPPED:
                cloud.hypervisor.start_vm(server.id)
            elif hard:
                cloud.hypervisor.stop_vm(server.id, force=True)
                cloud.hypervisor.start_vm(server.id)
            else:
                cloud.hypervisor.reboot_vm(server.id)
        except HypervisorError as error:
            fail(cloud, server, str(error))
            return
        started(cloud, server)

    cloud.jobs.submit(job_key(server.id), work, cloud.settings.delays.server)


class PowerWatch:
    """Nova's reaction to a VM that ends without being told to: the server becomes SHUTOFF."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._thread = threading.Thread(target=self._watch, name="openstack-power-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After `Jobs.stop`, which ends the watch."""
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._cloud.jobs.stopping.wait(self._cloud.settings.delays.agent_poll):
            with self._cloud.lock:
                idle = [server for server in self._cloud.servers.values() if _is_idle(server)]
            for server in idle:
                if self._is_off(server):
                    self._cloud.jobs.submit(job_key(server.id), lambda found=server: self._sync(found))  # type: ignore[misc]

    def _is_off(self, server: Server) -> bool:
        try:
            return self._cloud.hypervisor.vm_status(server.id).state is VmState.STOPPED
        except HypervisorError:
            return False  # undefined between the look at the state and the question

    def _sync(self, server: Server) -> None:
        """Looks again, in the server's queue: it may have been started or deleted meanwhile."""
        with self._cloud.lock:
            idle = server.id in self._cloud.servers and _is_idle(server)
        if idle and self._is_off(server):
            stopped(self._cloud, server)


def _is_idle(server: Server) -> bool:
    return server.vm_state == "active" and server.task_state is None
