"""One VM: its definition, and its QEMU process while it runs."""

import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from coriolis_lab.hypervisor import blockdev, command_line, network
from coriolis_lab.hypervisor.agent import GuestAgent
from coriolis_lab.hypervisor.api import (
    Bus,
    DiskBackup,
    GuestNic,
    GuestSystem,
    HypervisorError,
    VmDisk,
    VmNic,
    VmSpec,
    VmState,
    VmStatus,
)
from coriolis_lab.hypervisor.backup import RunningVmBackup
from coriolis_lab.hypervisor.command_line import MemoryFile, PlacedDisk, VmPaths
from coriolis_lab.hypervisor.iso import write_config_drive
from coriolis_lab.hypervisor.layers import Disk, Layer
from coriolis_lab.hypervisor.process import Spawner
from coriolis_lab.hypervisor.qmp import QmpClient, QmpEvent
from coriolis_lab.hypervisor.topology import Place, Topology

LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")

UNPLUG_SECONDS = 60.0
_QUIT_SECONDS = 15.0
_AGENT_SECONDS = 1.5
_STOP_REASONS = {
    "guest-shutdown": "the guest shut down",
    "guest-panic": "the guest crashed",
    "host-qmp-quit": "stopped by request",
}


@dataclass
class OpenDisk:
    """A disk in a running VM. `layers` have nodes of their own, bottom first: the last one is the top."""

    disk: VmDisk
    layers: list[Layer]
    place: Place | None


@dataclass
class _Running:
    """What lives as long as one QEMU process."""

    process: "subprocess.Popen[bytes]"
    monitor: QmpClient
    disks: dict[str, OpenDisk] = field(default_factory=dict)
    paused: bool = False


class VirtualMachine:
    """`lock` is held by its owner around every call that changes something; status and console may be read at
    any time.
    """

    def __init__(self, spec: VmSpec, paths: VmPaths, spawner: Spawner) -> None:
        self.spec = spec
        self.paths = paths
        self.lock = threading.RLock()
        self.disks = {disk.disk_id: disk for disk in spec.disks}
        self.nics = {nic.mac.lower(): nic for nic in spec.nics}
        self._topology = Topology(spec.machine)
        self._spawner = spawner
        self._running: _Running | None = None
        self._stop_reason: str | None = None

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.process.poll() is None

    @property
    def monitor(self) -> QmpClient:
        if self._running is None:
            raise HypervisorError(f"VM {self.spec.name} is not running")
        return self._running.monitor

    def status(self) -> VmStatus:
        running = self._running
        attached = list(self.disks.values())
        if running is None or running.process.poll() is not None:
            return VmStatus(VmState.STOPPED, stop_reason=self._stop_reason, attached=attached)
        state = VmState.PAUSED if running.paused else VmState.RUNNING
        return VmStatus(state, pid=running.process.pid, attached=attached)

    def start(self, disks: Sequence[Disk]) -> None:
        """A cold boot. `disks` in the order of `self.disks`."""
        placed = self._place(zip(self.disks.values(), disks, strict=True))
        self.launch(placed, list(self.nics.values()), config_drive=self.write_config_drive())
        self.open_network()

    def launch(
        self,
        placed: Sequence[PlacedDisk],
        nics: Sequence[VmNic],
        *,
        config_drive: bool,
        memory: MemoryFile | None = None,
        incoming: bool = False,
    ) -> None:
        """Starts the process and connects to its monitor."""
        for path in (self.paths.monitor, self.paths.agent):
            path.unlink(missing_ok=True)
        if self.spec.uefi and not self.paths.firmware_variables.exists():
            shutil.copyfile(command_line.FIRMWARE_VARIABLES, self.paths.firmware_variables)
        command = command_line.build(
            self.spec,
            self._topology,
            self.paths,
            placed,
            nics,
            config_drive=config_drive,
            memory=memory,
            incoming=incoming,
        )
        self._stop_reason = None
        self.paths.log.write_bytes(b"")
        process = self._spawner.start(command, self.paths.log)
        try:
            monitor = QmpClient(self.paths.monitor, self._take_event, lambda: process.poll() is None)
        except HypervisorError as error:
            process.kill()
            process.wait()
            output = self.paths.log.read_text(errors="replace").strip()[-1000:]
            raise HypervisorError(f"VM {self.spec.name} did not start: {error}. {output}".strip()) from error
        running = _Running(process, monitor)
        running.disks = {p.disk.disk_id: OpenDisk(p.disk, [p.top], p.place) for p in placed}
        self._running = running
        threading.Thread(
            target=self._watch, args=(running,), name=f"vm {self.spec.name}", daemon=True
        ).start()

    def open_network(self) -> None:
        """Leads the NICs' loopback addresses to the guest."""
        for nic in self.nics.values():
            if nic.ssh_address:
                self._forward(nic, nic.ssh_address)

    def power_button(self) -> None:
        self.monitor.execute("system_powerdown")

    def kill(self) -> None:
        """Pulls the plug, and waits. QEMU is asked first: it then writes out what it still holds of the
        disks' layers.
        """
        running = self._running
        if running is None:
            return
        if running.process.poll() is None:
            try:
                running.monitor.execute("quit", timeout=5)
                running.process.wait(_QUIT_SECONDS)
            except (HypervisorError, subprocess.TimeoutExpired) as error:
                LOG.info(
                    "VM %s does not quit (%s): killing process %d", self.spec.name, error, running.process.pid
                )
                running.process.kill()
        running.process.wait()
        self._ended(running)

    def reset(self) -> None:
        self.monitor.execute("system_reset")

    def pause(self) -> None:
        self.monitor.execute("stop")

    def resume(self) -> None:
        self.monitor.execute("cont")

    def plug(self, disk: VmDisk, top: Layer) -> None:
        if disk.bus in (Bus.IDE, Bus.SATA):
            raise HypervisorError(
                f"disk {disk.disk_id}: the {disk.bus} bus cannot take disks while the VM runs"
            )
        running = self._require_running()
        taken = [opened.place for opened in running.disks.values() if opened.place]
        place = self._topology.free_disk_place(taken) if disk.bus == Bus.VIRTIO else None
        running.monitor.execute("blockdev-add", blockdev.chain_node(top))
        placed = PlacedDisk(replace(disk, boot_index=None), top, place)
        try:
            running.monitor.execute("device_add", command_line.disk_device(placed, self.spec.machine))
        except HypervisorError:
            running.monitor.execute("blockdev-del", {"node-name": blockdev.node_name(top)})
            raise
        running.disks[disk.disk_id] = OpenDisk(disk, [top], place)

    def unplug(self, disk_id: str) -> None:
        running = self._require_running()
        opened = running.disks[disk_id]
        device = blockdev.device_id(disk_id)
        since = running.monitor.mark()
        deadline = time.monotonic() + UNPLUG_SECONDS
        while True:
            self._ask_unplug(running.monitor, device)
            # a guest that is still booting misses the request: it is repeated until the device is gone
            if running.monitor.wait_event("DEVICE_DELETED", {"device": device}, since, timeout=5):
                break
            if time.monotonic() > deadline:
                raise HypervisorError(f"the guest did not release disk {disk_id} within {UNPLUG_SECONDS:g} s")
        for layer in reversed(opened.layers):
            running.monitor.execute("blockdev-del", {"node-name": blockdev.node_name(layer)})
        del running.disks[disk_id]

    def freeze(self, overlays: dict[str, Layer]) -> None:
        """Puts the new layers (by disk id) on top of the disks' present ones, all at one instant."""
        running = self._require_running()
        for layer in overlays.values():
            running.monitor.execute("blockdev-add", blockdev.overlay_node(layer))
        actions = [
            {
                "type": "blockdev-snapshot",
                "data": {
                    "node": blockdev.node_name(running.disks[disk_id].layers[-1]),
                    "overlay": blockdev.node_name(layer),
                },
            }
            for disk_id, layer in overlays.items()
        ]
        try:
            running.monitor.execute("transaction", {"actions": actions})
        except HypervisorError:
            for layer in overlays.values():
                running.monitor.execute("blockdev-del", {"node-name": blockdev.node_name(layer)})
            raise
        for disk_id, layer in overlays.items():
            running.disks[disk_id].layers.append(layer)

    def start_backup(
        self, number: int, scratch_directory: Path, disks: Sequence[tuple[Disk, DiskBackup]]
    ) -> RunningVmBackup:
        running = self._require_running()
        nodes = {disk.id: blockdev.node_name(running.disks[disk.id].layers[-1]) for disk, _wish in disks}
        backup = RunningVmBackup(running.monitor, self.paths.directory / f"backup{number}", scratch_directory)
        backup.begin(disks, nodes)
        return backup

    def delete_checkpoint(self, disk_id: str, name: str) -> None:
        node = blockdev.node_name(self._require_running().disks[disk_id].layers[-1])
        self.monitor.execute("block-dirty-bitmap-remove", {"node": node, "name": name})

    def resize(self, disk_id: str, size: int) -> None:
        top = self._require_running().disks[disk_id].layers[-1]
        self.monitor.execute("block_resize", {"node-name": blockdev.node_name(top), "size": size})

    def plug_nics(self) -> None:
        for nic, place in zip(self.nics.values(), self._topology.nics, strict=False):
            self.monitor.execute("netdev_add", network.netdev(nic))
            self.monitor.execute("device_add", network.device(nic, place))

    def set_ssh_address(self, mac: str, ssh_address: str | None) -> None:
        nic = self.nics.get(mac.lower())
        if nic is None:
            raise HypervisorError(f"VM {self.spec.name} has no NIC {mac}")
        if self.is_running:
            if nic.ssh_address:
                for command in network.remove_forwards(nic, nic.ssh_address):
                    self.monitor.human(command)
            if ssh_address:
                self._forward(nic, ssh_address)
        self.nics[mac.lower()] = replace(nic, ssh_address=ssh_address)

    def interfaces(self) -> Sequence[GuestNic] | None:
        return self._ask_agent(GuestAgent.interfaces)

    def guest_system(self) -> GuestSystem | None:
        return self._ask_agent(GuestAgent.system)

    def _ask_agent(self, question: Callable[[GuestAgent], Answer]) -> Answer | None:
        """None where no agent answers."""
        if not self.is_running or not self.spec.guest_agent_channel:
            return None
        try:
            with GuestAgent(self.paths.agent, _AGENT_SECONDS) as agent:
                return question(agent)
        except HypervisorError as error:
            LOG.debug("VM %s: %s", self.spec.name, error)
            return None

    def freeze_guest(self) -> None:
        """Raises AgentSilentError where no agent answers; the file systems are then as they were."""
        self._require_running()
        if not self.spec.guest_agent_channel:
            raise HypervisorError(f"VM {self.spec.name} has no channel for a guest agent")
        with GuestAgent(self.paths.agent, _AGENT_SECONDS) as agent:
            try:
                agent.freeze_file_systems()
            except HypervisorError:
                agent.thaw_file_systems()  # some may be frozen
                raise

    def thaw_guest(self) -> None:
        if self.is_running:
            with GuestAgent(self.paths.agent, _AGENT_SECONDS) as agent:
                agent.thaw_file_systems()

    def write_config_drive(self) -> bool:
        """Whether there is one."""
        if self.spec.config_drive is None:
            return False
        write_config_drive(self.spec.config_drive, self.paths.config_drive)
        return True

    def place_boot_disk(self, top: Layer) -> PlacedDisk:
        """The first disk on its place, for a start from a prepared boot snapshot."""
        disk = next(iter(self.disks.values()))
        return PlacedDisk(disk, top, self._topology.virtio_disks[0])

    def _place(self, disks: Iterable[tuple[VmDisk, Disk]]) -> list[PlacedDisk]:
        places = iter(self._topology.virtio_disks)
        units = {Bus.IDE: 0, Bus.SATA: 0}
        placed = []
        for vm_disk, disk in disks:
            place, unit = None, 0
            if vm_disk.bus == Bus.VIRTIO:
                place = next(places, None)
            elif vm_disk.bus in units:
                unit = units[vm_disk.bus]
                units[vm_disk.bus] += 1
            placed.append(PlacedDisk(vm_disk, disk.top, place, unit))
        return placed

    def _forward(self, nic: VmNic, ssh_address: str) -> None:
        for command in network.add_forwards(nic, ssh_address):
            answer = self.monitor.human(command)
            if answer:
                raise HypervisorError(f"{command}: {answer}")

    @staticmethod
    def _ask_unplug(monitor: QmpClient, device: str) -> None:
        try:
            monitor.execute("device_del", {"id": device})
        except HypervisorError as error:
            # gone meanwhile, or the last request is still on its way: the event tells
            if "not found" not in str(error) and "in the process of unplug" not in str(error):
                raise

    def _require_running(self) -> _Running:
        if self._running is None or not self.is_running:
            raise HypervisorError(f"VM {self.spec.name} is not running")
        return self._running

    def _take_event(self, event: QmpEvent) -> None:
        if event.name == "SHUTDOWN":
            reason = str(event.data.get("reason", ""))
            self._stop_reason = _STOP_REASONS.get(reason, reason)
        elif event.name in ("STOP", "RESUME") and self._running:
            self._running.paused = event.name == "STOP"

    def _watch(self, running: _Running) -> None:
        running.process.wait()
        self._ended(running)

    def _ended(self, running: _Running) -> None:
        running.monitor.close()
        if self._stop_reason is None:
            code = running.process.returncode
            self._stop_reason = (
                f"QEMU was killed by signal {-code}" if code < 0 else f"QEMU ended with code {code}"
            )
        if self._running is running:
            self._running = None
