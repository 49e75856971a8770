"""A hypervisor whose disks are byte strings and whose VMs run nothing: fast tests of the front's own
behaviour.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from coriolis_lab.hypervisor.api import (
    DiskBackup,
    DiskInfo,
    GuestNic,
    GuestSystem,
    HypervisorError,
    VmDisk,
    VmNic,
    VmSpec,
    VmState,
    VmStatus,
)

IMAGE_SIZE = 2 * 1024**3


@dataclass
class MemoryVm:
    spec: VmSpec
    disks: dict[str, VmDisk]
    state: VmState = VmState.STOPPED
    stop_reason: str | None = None


@dataclass
class MemoryHypervisor:
    """`contents`: disk id -> what was written to it. `agents`: whether guests' agents answer."""

    images: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, tuple[str, int]] = field(default_factory=dict)
    vms: dict[str, MemoryVm] = field(default_factory=dict)
    started: list[VmSpec] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    agents: bool = True
    backups: dict[str, list[DiskBackup]] = field(default_factory=dict)
    plug_problem: str | None = None
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def register_image(self, image_id: str, path: Path, disk_format: str) -> None:
        self.images.add(image_id)

    def delete_image(self, image_id: str) -> None:
        self.images.discard(image_id)

    def create_disk(self, disk_id: str, size: int) -> None:
        self._new_disk(disk_id, size, "")

    def disk_from_image(self, disk_id: str, image_id: str, size: int | None = None) -> None:
        if image_id not in self.images:
            raise HypervisorError(f"no image {image_id}")
        self._new_disk(disk_id, size or IMAGE_SIZE, f"image {image_id}")

    def disk_from_snapshot(self, disk_id: str, snapshot_id: str, size: int | None = None) -> None:
        content, old_size = self.snapshots[snapshot_id]
        self._new_disk(disk_id, size or old_size, content)

    def copy_disk(self, source_id: str, disk_id: str) -> None:
        self._new_disk(disk_id, self.sizes[source_id], self.contents[source_id])

    def resize_disk(self, disk_id: str, size: int) -> None:
        self._existing(disk_id)
        self.sizes[disk_id] = size

    def delete_disk(self, disk_id: str) -> None:
        self._existing(disk_id)
        del self.sizes[disk_id], self.contents[disk_id]

    def disk_info(self, disk_id: str) -> DiskInfo:
        self._existing(disk_id)
        return DiskInfo(disk_id, self.sizes[disk_id], len(self.contents[disk_id]))

    def disk_digest(self, disk_id: str) -> str:
        return self.contents[disk_id]

    def snapshot_disks(self, snapshots: Mapping[str, str]) -> None:
        for disk_id, snapshot_id in snapshots.items():
            self._existing(disk_id)
            self.snapshots[snapshot_id] = (self.contents[disk_id], self.sizes[disk_id])

    def revert_disk(self, disk_id: str, snapshot_id: str) -> None:
        self.contents[disk_id], self.sizes[disk_id] = self.snapshots[snapshot_id]

    def delete_snapshot(self, snapshot_id: str) -> None:
        del self.snapshots[snapshot_id]

    def export_disk(self, export_id: str, disk_id: str, *, writable: bool) -> str:
        raise HypervisorError("disks in memory cannot be transferred")

    def export_snapshot(self, export_id: str, snapshot_id: str) -> str:
        raise HypervisorError("disks in memory cannot be transferred")

    def close_export(self, export_id: str) -> None:
        pass

    def write_disk_file(self, disk_id: str, path: Path) -> None:
        raise HypervisorError("disks in memory cannot be transferred")

    def read_disk_file(self, disk_id: str, path: Path) -> None:
        raise HypervisorError("disks in memory cannot be transferred")

    def start_backup(self, backup_id: str, disks: Sequence[DiskBackup]) -> Mapping[str, str]:
        self.backups[backup_id] = list(disks)
        return {wish.disk_id: f"nbd:unix:/nowhere:exportname={wish.disk_id}" for wish in disks}

    def stop_backup(self, backup_id: str) -> None:
        self.backups.pop(backup_id, None)

    def delete_checkpoint(self, checkpoint: str, disk_id: str) -> None:
        self._existing(disk_id)

    def define_vm(self, spec: VmSpec) -> None:
        if spec.id in self.vms:
            raise HypervisorError(f"there is a VM {spec.id} already")
        for disk in spec.disks:
            self._existing(disk.disk_id)
        self.vms[spec.id] = MemoryVm(spec, {disk.disk_id: disk for disk in spec.disks})

    def undefine_vm(self, vm_id: str) -> None:
        self._vm(vm_id)
        del self.vms[vm_id]

    def start_vm(self, vm_id: str) -> None:
        vm = self._vm(vm_id)
        vm.state, vm.stop_reason = VmState.RUNNING, None
        self.started.append(vm.spec)

    def stop_vm(self, vm_id: str, *, force: bool = False) -> None:
        vm = self._vm(vm_id)
        vm.state = VmState.STOPPED
        vm.stop_reason = "QEMU was killed by signal 9" if force else "the guest shut down"

    def reboot_vm(self, vm_id: str) -> None:
        self._vm(vm_id)

    def pause_vm(self, vm_id: str) -> None:
        self._vm(vm_id).state = VmState.PAUSED

    def resume_vm(self, vm_id: str) -> None:
        self._vm(vm_id).state = VmState.RUNNING

    def vm_status(self, vm_id: str) -> VmStatus:
        vm = self._vm(vm_id)
        return VmStatus(vm.state, stop_reason=vm.stop_reason, attached=list(vm.disks.values()))

    def attach_disk(self, vm_id: str, disk: VmDisk) -> None:
        if self.plug_problem:
            raise HypervisorError(self.plug_problem)
        self._existing(disk.disk_id)
        self._vm(vm_id).disks[disk.disk_id] = disk

    def detach_disk(self, vm_id: str, disk_id: str) -> None:
        del self._vm(vm_id).disks[disk_id]

    def add_nic(self, vm_id: str, nic: VmNic) -> None:
        raise HypervisorError("not while it runs")

    def remove_nic(self, vm_id: str, mac: str) -> None:
        raise HypervisorError("not while it runs")

    def set_ssh_address(self, vm_id: str, mac: str, ssh_address: str | None) -> None:
        vm = self._vm(vm_id)
        nics = [replace(nic, ssh_address=ssh_address) if nic.mac == mac else nic for nic in vm.spec.nics]
        vm.spec = replace(vm.spec, nics=nics)

    def console_log(self, vm_id: str) -> str:
        return ""

    def freeze_guest(self, vm_id: str) -> None:
        if not self.agents:
            raise HypervisorError("the guest agent does not answer")

    def thaw_guest(self, vm_id: str) -> None:
        pass

    def guest_interfaces(self, vm_id: str) -> Sequence[GuestNic] | None:
        vm = self.vms.get(vm_id)
        if not self.agents or vm is None or vm.state != VmState.RUNNING:
            return None
        loopback = GuestNic("lo", "00:00:00:00:00:00", ["127.0.0.1", "::1"])
        nics = [
            GuestNic(f"ens{number + 3}", nic.mac, [nic.address, "fe80::1"])
            for number, nic in enumerate(vm.spec.nics)
        ]
        return [loopback, *nics]

    def guest_system(self, vm_id: str) -> GuestSystem | None:
        vm = self.vms.get(vm_id)
        if not self.agents or vm is None or vm.state != VmState.RUNNING:
            return None
        return GuestSystem(
            host_name=f"{vm.spec.name}.example",
            system="Debian GNU/Linux",
            system_id="debian",
            version="12",
            kernel="6.1.0-13-amd64",
            machine="x86_64",
            time_zone="CET",
            utc_offset=3600,
            agent_version="7.2.5",
            disks={disk_id: f"/dev/sd{letter}" for disk_id, letter in zip(vm.disks, "abcdef", strict=False)},
        )

    def allocate_address(self) -> str:
        address = f"127.77.0.{next(self._numbers)}"
        self.held.add(address)
        return address

    def release_address(self, address: str) -> None:
        self.held.remove(address)

    def close(self) -> None:
        self.vms.clear()

    def _new_disk(self, disk_id: str, size: int, content: str) -> None:
        if disk_id in self.sizes:
            raise HypervisorError(f"there is a disk {disk_id} already")
        self.sizes[disk_id], self.contents[disk_id] = size, content

    def _existing(self, disk_id: str) -> None:
        if disk_id not in self.sizes:
            raise HypervisorError(f"no disk {disk_id}")

    def _vm(self, vm_id: str) -> MemoryVm:
        if vm_id not in self.vms:
            raise HypervisorError(f"there is no VM {vm_id}")
        return self.vms[vm_id]
