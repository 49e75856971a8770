"""A hypervisor without VMs: it remembers what it was told. For the fronts' state logic only."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from coriolis_lab.hypervisor.api import (
    DiskInfo,
    GuestNic,
    HypervisorError,
    VmDisk,
    VmNic,
    VmSpec,
    VmState,
    VmStatus,
)


class MemoryHypervisor:
    """Implements `coriolis_lab.hypervisor.api.Hypervisor`.

    `broken_vms` names VMs whose start fails; a VM named in `deaf_vms` does not heed the power button; the
    guest never lets `stuck_disks` go; in VMs named in `agents` a guest agent answers. `doings`: in which order disks
    were frozen and guests held, as (what, id of disk or VM).
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.disks: dict[str, int] = {}
        self.snapshots: dict[str, tuple[str, int]] = {}
        self.specs: dict[str, VmSpec] = {}
        self.attached: dict[str, list[VmDisk]] = {}
        self.running: set[str] = set()
        self.ssh: dict[tuple[str, str], str | None] = {}
        self.held: set[str] = set()
        self.broken_vms: set[str] = set()
        self.deaf_vms: set[str] = set()
        self.stuck_disks: set[str] = set()
        self.agents: set[str] = set()
        self.doings: list[tuple[str, str]] = []
        self._addresses = (f"127.43.{high}.{low}" for high in itertools.count(1) for low in range(1, 255))

    def register_image(self, image_id: str, path: Path, disk_format: str) -> None:
        self.disks[image_id] = 0

    def delete_image(self, image_id: str) -> None:
        self.disks.pop(image_id, None)

    def create_disk(self, disk_id: str, size: int) -> None:
        with self.lock:
            if disk_id in self.disks:
                raise HypervisorError(f"disk {disk_id} exists")
            self.disks[disk_id] = size

    def disk_from_image(self, disk_id: str, image_id: str, size: int | None = None) -> None:
        if image_id == "missing":
            raise HypervisorError("no such image")
        self.create_disk(disk_id, size or 0)

    def disk_from_snapshot(self, disk_id: str, snapshot_id: str, size: int | None = None) -> None:
        if snapshot_id not in self.snapshots:
            raise HypervisorError(f"no snapshot {snapshot_id}")
        self.create_disk(disk_id, size or self.snapshots[snapshot_id][1])

    def copy_disk(self, source_id: str, disk_id: str) -> None:
        self.create_disk(disk_id, self.disks[source_id])

    def resize_disk(self, disk_id: str, size: int) -> None:
        self.disks[disk_id] = size

    def delete_disk(self, disk_id: str) -> None:
        if any(disk.disk_id == disk_id for disks in self.attached.values() for disk in disks):
            raise HypervisorError(f"disk {disk_id} is attached")
        del self.disks[disk_id]

    def disk_info(self, disk_id: str) -> DiskInfo:
        if disk_id not in self.disks:
            raise HypervisorError(f"no disk {disk_id}")
        return DiskInfo(disk_id, self.disks[disk_id], 0)

    def disk_digest(self, disk_id: str) -> str:
        return "0" * 64

    def snapshot_disks(self, snapshots: Mapping[str, str]) -> None:
        for disk_id, snapshot_id in snapshots.items():
            self.doings.append(("snapshot", disk_id))
            self.snapshots[snapshot_id] = (disk_id, self.disks[disk_id])

    def revert_disk(self, disk_id: str, snapshot_id: str) -> None:
        self.disks[disk_id] = self.snapshots[snapshot_id][1]

    def delete_snapshot(self, snapshot_id: str) -> None:
        if self.snapshots.pop(snapshot_id, None) is None:
            raise HypervisorError(f"no snapshot {snapshot_id}")

    def define_vm(self, spec: VmSpec) -> None:
        self.specs[spec.id] = spec
        self.attached[spec.id] = list(spec.disks)

    def undefine_vm(self, vm_id: str) -> None:
        self.running.discard(vm_id)
        self.attached.pop(vm_id)
        del self.specs[vm_id]

    def start_vm(self, vm_id: str) -> None:
        if self.specs[vm_id].name in self.broken_vms:
            raise HypervisorError("qemu-system-x86_64: Could not open disk")
        self.running.add(vm_id)

    def stop_vm(self, vm_id: str, *, force: bool = False) -> None:
        if force or self.specs[vm_id].name not in self.deaf_vms:
            self.running.discard(vm_id)

    def reboot_vm(self, vm_id: str) -> None:
        self._known(vm_id)

    def vm_status(self, vm_id: str) -> VmStatus:
        self._known(vm_id)
        state = VmState.RUNNING if vm_id in self.running else VmState.STOPPED
        return VmStatus(state, attached=list(self.attached[vm_id]))

    def attach_disk(self, vm_id: str, disk: VmDisk) -> None:
        self._known(vm_id)
        self.attached[vm_id].append(disk)

    def detach_disk(self, vm_id: str, disk_id: str) -> None:
        if disk_id in self.stuck_disks:
            raise HypervisorError("the guest did not let the disk go")
        self.attached[vm_id] = [disk for disk in self.attached[vm_id] if disk.disk_id != disk_id]

    def add_nic(self, vm_id: str, nic: VmNic) -> None:
        if vm_id in self.running:
            raise HypervisorError("the VM runs")

    def remove_nic(self, vm_id: str, mac: str) -> None:
        self._known(vm_id)

    def set_ssh_address(self, vm_id: str, mac: str, ssh_address: str | None) -> None:
        self._known(vm_id)
        self.ssh[vm_id, mac] = ssh_address

    def console_log(self, vm_id: str) -> str:
        self._known(vm_id)
        return "one\ntwo\nthree\n"

    def freeze_guest(self, vm_id: str) -> None:
        self._known(vm_id)
        if self.specs[vm_id].name not in self.agents:
            raise HypervisorError("the guest agent does not answer")
        self.doings.append(("freeze", vm_id))

    def thaw_guest(self, vm_id: str) -> None:
        self.doings.append(("thaw", vm_id))

    def guest_interfaces(self, vm_id: str) -> Sequence[GuestNic] | None:
        return None

    def allocate_address(self) -> str:
        with self.lock:
            address = next(self._addresses)
            self.held.add(address)
            return address

    def release_address(self, address: str) -> None:
        self.held.remove(address)

    def close(self) -> None:
        self.running.clear()

    def _known(self, vm_id: str) -> None:
        if vm_id not in self.specs:
            raise HypervisorError(f"no VM {vm_id}")
