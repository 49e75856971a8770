"""The hypervisor on this host: disks as qcow2 layers, VMs as QEMU processes under TCG."""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coriolis_lab.hypervisor import qcow2_files
from coriolis_lab.hypervisor.addresses import AddressPool
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
from coriolis_lab.hypervisor.backup import Backup, StoppedVmBackup, change_bitmap
from coriolis_lab.hypervisor.boot_snapshot import BootSnapshots
from coriolis_lab.hypervisor.command_line import VmPaths
from coriolis_lab.hypervisor.digest import layer_digest
from coriolis_lab.hypervisor.exports import NbdExports
from coriolis_lab.hypervisor.layers import Disk, LayerStore
from coriolis_lab.hypervisor.process import Spawner
from coriolis_lab.hypervisor.resume import resume
from coriolis_lab.hypervisor.vm import VirtualMachine
from coriolis_lab.settings import LabSettings

LOG = logging.getLogger(__name__)


_RUN_DIR = Path("/run")


@dataclass(frozen=True)
class VmSummary:
    """For people who look at a lab. `console` is the serial log's file, which need not be there yet."""

    id: str
    name: str
    state: VmState
    ssh_addresses: Sequence[str]
    console: Path


class LocalHypervisor:
    """See `api.Hypervisor` for the contract. State is in memory: it ends with this object, and so do the VMs.

    Locks are taken in this order: VMs by id, then the store.
    """

    def __init__(self, settings: LabSettings) -> None:
        self._settings = settings
        settings.root.mkdir(parents=True, exist_ok=True)
        self._layers_dir = Path(tempfile.mkdtemp(prefix="disks-", dir=settings.root))
        # not under the root: the sockets' paths must stay short
        _remove_left_overs(_RUN_DIR)
        self._run_dir = Path(tempfile.mkdtemp(prefix=f"colab-{os.getpid()}-", dir=_RUN_DIR))
        self._store = LayerStore(self._layers_dir)
        self._store_lock = threading.RLock()
        self._vms: dict[str, VirtualMachine] = {}
        self._vms_lock = threading.Lock()
        self._spawner = Spawner()
        self._backups: dict[str, Backup] = {}
        self._backup_count = 0
        self._exports = NbdExports(self._run_dir, self._spawner)
        self._addresses = AddressPool()
        self._boot_snapshots = BootSnapshots(settings.cache)

    # images

    def register_image(self, image_id: str, path: Path, disk_format: str) -> None:
        with self._store_lock:
            self._store.add_image(image_id, path, disk_format)

    def delete_image(self, image_id: str) -> None:
        with self._store_lock:
            self._store.delete_image(image_id)

    # disks

    def create_disk(self, disk_id: str, size: int) -> None:
        with self._store_lock:
            self._store.create_disk(disk_id, size)

    def disk_from_image(self, disk_id: str, image_id: str, size: int | None = None) -> None:
        with self._store_lock:
            self._store.disk_from_image(disk_id, image_id, size)

    def disk_from_snapshot(self, disk_id: str, snapshot_id: str, size: int | None = None) -> None:
        with self._store_lock:
            self._store.disk_from_snapshot(disk_id, snapshot_id, size)

    def copy_disk(self, source_id: str, disk_id: str) -> None:
        with self._locked_disks([source_id]) as users, self._store_lock:
            self._refuse_in_use(source_id, users)
            self._store.copy_disk(source_id, disk_id)

    def resize_disk(self, disk_id: str, size: int) -> None:
        with self._locked_disks([disk_id]) as users, self._store_lock:
            disk = self._store.disk(disk_id)
            if disk_id in users:
                if size < disk.top.size:
                    raise HypervisorError(
                        f"disk {disk_id} has {disk.top.size} bytes and cannot shrink to {size}"
                    )
                users[disk_id].resize(disk_id, size)
                disk.top.size = size
            else:
                self._store.resize(disk, size)

    def delete_disk(self, disk_id: str) -> None:
        with self._locked_disks([disk_id]) as users, self._store_lock:
            self._refuse_in_use(disk_id, users)
            self._store.delete_disk(disk_id)

    def disk_info(self, disk_id: str) -> DiskInfo:
        with self._store_lock:
            disk = self._store.disk(disk_id)
            return DiskInfo(disk_id, disk.top.size, self._store.actual_size(disk))

    def disk_digest(self, disk_id: str) -> str:
        with self._locked_disks([disk_id]) as users:
            self._refuse_in_use(disk_id, users)
            with self._store_lock:
                top = self._store.disk(disk_id).top
            return layer_digest(top)

    def snapshot_disks(self, snapshots: Mapping[str, str]) -> None:
        with self._locked_disks(list(snapshots)) as users, self._store_lock:
            disks = {disk_id: self._store.disk(disk_id) for disk_id in snapshots}
            frozen = {disk_id: disk.top for disk_id, disk in disks.items()}
            overlays = {disk_id: self._store.new_overlay(disk) for disk_id, disk in disks.items()}
            try:
                for machine in {id(m): m for m in users.values()}.values():
                    machine.freeze({d: overlays[d] for d, user in users.items() if user is machine})
            except HypervisorError:
                for overlay in overlays.values():
                    self._store.discard(overlay)
                raise
            for disk_id, snapshot_id in snapshots.items():
                self._store.push(disks[disk_id], overlays[disk_id])
                self._store.add_snapshot(snapshot_id, frozen[disk_id])

    def revert_disk(self, disk_id: str, snapshot_id: str) -> None:
        with self._locked_disks([disk_id]) as users, self._store_lock:
            self._refuse_in_use(disk_id, users)
            self._store.revert(self._store.disk(disk_id), snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        with self._store_lock:
            self._store.delete_snapshot(snapshot_id)

    # disks' contents

    def export_disk(self, export_id: str, disk_id: str, *, writable: bool) -> str:
        with self._locked_disks([disk_id]) as users:
            self._refuse_in_use(disk_id, users)
            with self._store_lock:
                disk = self._store.disk(disk_id)
                disk.pristine = disk.pristine and not writable
            return self._exports.open(export_id, disk.top, writable=writable)

    def export_snapshot(self, export_id: str, snapshot_id: str) -> str:
        with self._store_lock:
            frozen = self._store.snapshot(snapshot_id)
        return self._exports.open(export_id, frozen, writable=False)

    def close_export(self, export_id: str) -> None:
        self._exports.close(export_id)

    def write_disk_file(self, disk_id: str, path: Path) -> None:
        with self._locked_disks([disk_id]) as users:
            self._refuse_in_use(disk_id, users)
            qcow2_files.write_file(self._store.disk(disk_id).top, path)

    def read_disk_file(self, disk_id: str, path: Path) -> None:
        with self._locked_disks([disk_id]) as users:
            self._refuse_in_use(disk_id, users)
            disk = self._store.disk(disk_id)
            disk.pristine = False
            qcow2_files.read_file(path, disk.top)

    # backups

    def start_backup(self, backup_id: str, disks: Sequence[DiskBackup]) -> Mapping[str, str]:
        with self._locked_disks([wish.disk_id for wish in disks]) as users, self._store_lock:
            if backup_id in self._backups:
                raise HypervisorError(f"there is a backup {backup_id} already")
            pairs = [(self._store.disk(wish.disk_id), wish) for wish in disks]
            self._backup_count += 1
            backup: Backup
            if users:
                machine = next(iter(users.values()))
                backup = machine.start_backup(self._backup_count, self._layers_dir, pairs)
            else:
                stopped = StoppedVmBackup(self._exports)
                stopped.begin(backup_id, pairs)
                backup = stopped
            self._backups[backup_id] = backup
            return backup.urls

    def stop_backup(self, backup_id: str) -> None:
        with self._store_lock:
            backup = self._backups.pop(backup_id, None)
        if backup is not None:
            backup.stop()

    def delete_checkpoint(self, checkpoint: str, disk_id: str) -> None:
        with self._locked_disks([disk_id]) as users, self._store_lock:
            disk = self._store.disk(disk_id)
            if checkpoint not in disk.checkpoints:
                return
            disk.checkpoints.remove(checkpoint)
            disk.top.bitmaps.discard(checkpoint)
            if disk_id in users:
                users[disk_id].delete_checkpoint(disk_id, checkpoint)
            else:
                change_bitmap(disk.top, checkpoint, "--remove")

    # VMs

    def define_vm(self, spec: VmSpec) -> None:
        with self._store_lock:
            for disk in spec.disks:
                self._store.disk(disk.disk_id)
        with self._vms_lock:
            if spec.id in self._vms:
                raise HypervisorError(f"there is a VM {spec.id} already")
            directory = self._run_dir / hashlib.sha256(spec.id.encode()).hexdigest()[:12]
            directory.mkdir()
            self._vms[spec.id] = VirtualMachine(spec, VmPaths(directory), self._spawner)

    def undefine_vm(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.kill()
            with self._vms_lock:
                self._vms.pop(vm_id, None)
            shutil.rmtree(machine.paths.directory, ignore_errors=True)

    def start_vm(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if machine.is_running:
                raise HypervisorError(f"VM {machine.spec.name} runs already")
            with self._store_lock:
                disks = [self._store.disk(disk_id) for disk_id in machine.disks]
                for disk in disks:
                    self._refuse_other_user(disk.id, machine)
            pristine = bool(disks) and disks[0].pristine
            for disk in disks:
                disk.pristine = False
            if not (pristine and self._resume(machine, disks)):
                machine.start(disks)

    def stop_vm(self, vm_id: str, *, force: bool = False) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if not machine.is_running:
                return
            if force:
                machine.kill()
            else:
                machine.power_button()

    def reboot_vm(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.reset()

    def pause_vm(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.pause()

    def resume_vm(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.resume()

    def vm_status(self, vm_id: str) -> VmStatus:
        return self._vm(vm_id).status()

    def attach_disk(self, vm_id: str, disk: VmDisk) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if disk.disk_id in machine.disks:
                raise HypervisorError(f"disk {disk.disk_id} is attached to VM {machine.spec.name} already")
            with self._store_lock:
                stored = self._store.disk(disk.disk_id)
                if machine.is_running:
                    self._refuse_other_user(disk.disk_id, machine)
                    stored.pristine = False
            if machine.is_running:
                machine.plug(disk, stored.top)
            machine.disks[disk.disk_id] = disk

    def detach_disk(self, vm_id: str, disk_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if disk_id not in machine.disks:
                raise HypervisorError(f"disk {disk_id} is not attached to VM {machine.spec.name}")
            if machine.is_running:
                machine.unplug(disk_id)
            del machine.disks[disk_id]

    def add_nic(self, vm_id: str, nic: VmNic) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if machine.is_running:
                raise HypervisorError(f"VM {machine.spec.name} runs: NICs are added to stopped VMs only")
            machine.nics[nic.mac.lower()] = nic

    def remove_nic(self, vm_id: str, mac: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            if machine.is_running:
                raise HypervisorError(f"VM {machine.spec.name} runs: NICs are removed from stopped VMs only")
            machine.nics.pop(mac.lower(), None)

    def set_ssh_address(self, vm_id: str, mac: str, ssh_address: str | None) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.set_ssh_address(mac, ssh_address)

    def console_log(self, vm_id: str) -> str:
        path = self._vm(vm_id).paths.console
        text = path.read_bytes().decode(errors="replace") if path.exists() else ""
        return re.sub(r"\r+\n", "\n", text)

    def guest_interfaces(self, vm_id: str) -> Sequence[GuestNic] | None:
        return self._vm(vm_id).interfaces()

    def guest_system(self, vm_id: str) -> GuestSystem | None:
        return self._vm(vm_id).guest_system()

    def freeze_guest(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.freeze_guest()

    def thaw_guest(self, vm_id: str) -> None:
        machine = self._vm(vm_id)
        with machine.lock:
            machine.thaw_guest()

    def list_vms(self) -> list[VmSummary]:
        with self._vms_lock:
            machines = list(self._vms.values())
        return [
            VmSummary(
                id=machine.spec.id,
                name=machine.spec.name,
                state=machine.status().state,
                ssh_addresses=[nic.ssh_address for nic in machine.nics.values() if nic.ssh_address],
                console=machine.paths.console,
            )
            for machine in machines
        ]

    # addresses

    def allocate_address(self) -> str:
        with self._vms_lock:
            return self._addresses.allocate()

    def release_address(self, address: str) -> None:
        with self._vms_lock:
            self._addresses.release(address)

    def close(self) -> None:
        for machine in list(self._vms.values()):
            with machine.lock:
                machine.kill()
        self._spawner.close()
        self._addresses.close()
        shutil.rmtree(self._run_dir, ignore_errors=True)
        shutil.rmtree(self._layers_dir, ignore_errors=True)

    def _resume(self, machine: VirtualMachine, disks: list[Disk]) -> bool:
        """Starts from a boot snapshot if there is one that fits. A resume that fails is undone."""
        boot_disk = disks[0]
        size = boot_disk.top.size
        definition = replace(machine.spec, disks=list(machine.disks.values()))
        snapshot = self._boot_snapshots.find(definition, boot_disk.top.parent)
        if snapshot is None:
            return False
        with self._store_lock:
            former = self._store.adopt_booted(boot_disk, snapshot.disk)
        try:
            resume(machine, snapshot, disks, size)
        except HypervisorError as error:
            LOG.warning("VM %s boots the slow way: %s", machine.spec.name, error)
            machine.kill()
            with self._store_lock:
                self._store.put_back(boot_disk, former)
            return False
        with self._store_lock:
            self._store.release(former)
        return True

    def _vm(self, vm_id: str) -> VirtualMachine:
        with self._vms_lock:
            if vm_id not in self._vms:
                raise HypervisorError(f"there is no VM {vm_id}")
            return self._vms[vm_id]

    @contextmanager
    def _locked_disks(self, disk_ids: Sequence[str]) -> Iterator[dict[str, VirtualMachine]]:
        """Locks the VMs that have one of the disks; yields the running ones by disk id."""
        wanted = set(disk_ids)
        with self._vms_lock:
            machines = [vm for _, vm in sorted(self._vms.items()) if wanted & vm.disks.keys()]
        with ExitStack() as stack:
            for machine in machines:
                stack.enter_context(machine.lock)
            yield {disk_id: vm for vm in machines if vm.is_running for disk_id in wanted & vm.disks.keys()}

    def _refuse_in_use(self, disk_id: str, users: Mapping[str, VirtualMachine]) -> None:
        if disk_id in users:
            raise HypervisorError(f"disk {disk_id} is in use by VM {users[disk_id].spec.name}")

    def _refuse_other_user(self, disk_id: str, machine: VirtualMachine) -> None:
        with self._vms_lock:
            others = [
                vm for vm in self._vms.values() if vm is not machine and vm.is_running and disk_id in vm.disks
            ]
        if others:
            raise HypervisorError(f"disk {disk_id} is in use by VM {others[0].spec.name}")


def _remove_left_overs(directory: Path) -> None:
    """Run-time files of labs that were killed, whose directories name their process."""
    for path in directory.glob("colab-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
