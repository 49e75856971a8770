"""What the lab's cloud fronts ask of the hypervisor. `coriolis_lab.hypervisor.local.LocalHypervisor`
implements it.

Disks, snapshots and images are named by ids that the fronts choose. Calls block until done and may be made
from any thread. Nothing here is asynchronous or fails on purpose: states, delays and faults belong to the
fronts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Bus(StrEnum):
    VIRTIO = "virtio"
    VIRTIO_SCSI = "virtio_scsi"
    SATA = "sata"
    IDE = "ide"
    PVSCSI = "pvscsi"


class Machine(StrEnum):
    PC = "pc"
    Q35 = "q35"


class VmState(StrEnum):
    """STOPPED covers never started, shut down by the guest, and crashed: `stop_reason` tells."""

    STOPPED = "stopped"
    RUNNING = "running"
    PAUSED = "paused"


@dataclass(frozen=True)
class VmDisk:
    """The guest sees `disk_id` as serial (20 characters of it with virtio), unless `serial` says another one. The
    lowest boot_index boots.
    """

    disk_id: str
    bus: Bus
    boot_index: int | None = None
    serial: str | None = None


@dataclass(frozen=True)
class VmNic:
    """`network` is a CIDR such as 10.20.0.0/24 whose DHCP gives the guest `address`; its first host is the
    gateway.

    `ssh_address`: a loopback address (127.x.y.z) whose port 22 leads to the guest's port 22 at `address`, and
    `network.AGENT_PORTS` to the same.
    """

    mac: str
    network: str
    address: str
    model: str = "virtio-net-pci"
    ssh_address: str | None = None


@dataclass(frozen=True)
class VmSpec:
    """`config_drive` maps file names to contents on a CD labelled config-2, as cloud-init's ConfigDrive
    source reads.
    """

    id: str
    name: str
    memory_mb: int
    cpus: int
    disks: Sequence[VmDisk] = ()
    nics: Sequence[VmNic] = ()
    machine: Machine = Machine.PC
    uefi: bool = False
    config_drive: Mapping[str, bytes] | None = None
    guest_agent_channel: bool = True


@dataclass(frozen=True)
class GuestNic:
    """As the guest agent tells: {name: "eth0", mac, addresses: ["10.20.0.10", "fe80::1"]}."""

    name: str
    mac: str
    addresses: Sequence[str]


@dataclass(frozen=True)
class GuestSystem:
    """As the guest agent tells of the system it runs in; "" for what it does not know.

    `system` is such as "Debian GNU/Linux", `system_id` "debian", `version` "12", `kernel` "6.1.0-13-amd64";
    `utc_offset` is in seconds; `disks`: a disk's serial -> its device, such as /dev/vda.
    """

    host_name: str = ""
    system: str = ""
    system_id: str = ""
    version: str = ""
    kernel: str = ""
    machine: str = ""
    time_zone: str = ""
    utc_offset: int = 0
    agent_version: str = ""
    disks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DiskInfo:
    """Bytes. `actual_size` is what the layers of this disk alone take on the host."""

    id: str
    virtual_size: int
    actual_size: int


@dataclass(frozen=True)
class DiskBackup:
    """`since`: the checkpoint whose changes are told beside the content; `checkpoint`: one to begin at this instant."""

    disk_id: str
    since: str | None = None
    checkpoint: str | None = None


@dataclass
class VmStatus:
    state: VmState
    pid: int | None = None
    stop_reason: str | None = None
    attached: list[VmDisk] = field(default_factory=list)


class HypervisorError(Exception):
    """The text is fit for an instance fault or an engine event."""


class Hypervisor(Protocol):
    # images: read-only bases
    def register_image(self, image_id: str, path: Path, disk_format: str) -> None:
        """Makes a file usable as a base (in place, read-only)."""

    def delete_image(self, image_id: str) -> None: ...

    # disks: chains of qcow2 layers
    def create_disk(self, disk_id: str, size: int) -> None: ...

    def disk_from_image(self, disk_id: str, image_id: str, size: int | None = None) -> None:
        """A thin clone of the image, at least `size` bytes."""

    def disk_from_snapshot(self, disk_id: str, snapshot_id: str, size: int | None = None) -> None: ...

    def copy_disk(self, source_id: str, disk_id: str) -> None:
        """A copy that shares no writable layer with its source. The source must not be attached to a running
        VM.
        """

    def resize_disk(self, disk_id: str, size: int) -> None:
        """Grows, also while attached."""

    def delete_disk(self, disk_id: str) -> None: ...

    def disk_info(self, disk_id: str) -> DiskInfo: ...

    def disk_digest(self, disk_id: str) -> str:
        """SHA-256 (hex) of all bytes a guest would read; the disk must not be open for writing."""

    def snapshot_disks(self, snapshots: Mapping[str, str]) -> None:
        """{disk id: snapshot id}: freezes the present content of all of them at one instant (also while
        attached to a running VM: one QMP transaction a VM).
        """

    def revert_disk(self, disk_id: str, snapshot_id: str) -> None: ...

    def delete_snapshot(self, snapshot_id: str) -> None:
        """The layer itself goes once nothing is based on it."""

    # disks' contents, for whoever transfers images
    def export_disk(self, export_id: str, disk_id: str, *, writable: bool) -> str:
        """Serves the disk over NBD: nbd:unix:PATH:exportname=NAME. It must not be attached to a running VM."""

    def export_snapshot(self, export_id: str, snapshot_id: str) -> str:
        """The same for a frozen content, read-only; its disk may be in use."""

    def close_export(self, export_id: str) -> None:
        """Does nothing when there is none."""

    def write_disk_file(self, disk_id: str, path: Path) -> None:
        """The disk's content as a qcow2 file."""

    def read_disk_file(self, disk_id: str, path: Path) -> None:
        """The reverse: refuses what a host does not trust (backing files, other formats, too large ones)."""

    # backups
    def start_backup(self, backup_id: str, disks: Sequence[DiskBackup]) -> Mapping[str, str]:
        """The NBD URL of each disk's content as of one instant, by disk id; a disk with `since` also has the
        meta context `qemu:dirty-bitmap:`. All disks are of one VM, which runs or not.
        """

    def stop_backup(self, backup_id: str) -> None:
        """Does nothing when there is none."""

    def delete_checkpoint(self, checkpoint: str, disk_id: str) -> None:
        """Does nothing for a disk that lacks it."""

    # VMs
    def define_vm(self, spec: VmSpec) -> None: ...

    def undefine_vm(self, vm_id: str) -> None:
        """Kills it if it runs. Its disks stay."""

    def start_vm(self, vm_id: str) -> None:
        """A VM whose boot disk is a fresh clone of an image with a prepared boot snapshot resumes from it in
        seconds; it then takes key, host name and user data from its config drive as on a first boot.
        """

    def stop_vm(self, vm_id: str, *, force: bool = False) -> None:
        """ACPI power button (returns at once; watch `vm_status`), or the plug with `force`."""

    def reboot_vm(self, vm_id: str) -> None: ...

    def pause_vm(self, vm_id: str) -> None:
        """Its processors stand still until `resume_vm`; memory and open disks stay as they are."""

    def resume_vm(self, vm_id: str) -> None: ...

    def vm_status(self, vm_id: str) -> VmStatus: ...

    def attach_disk(self, vm_id: str, disk: VmDisk) -> None:
        """Hot-plugs if the VM runs."""

    def detach_disk(self, vm_id: str, disk_id: str) -> None:
        """Returns when the guest let it go (DEVICE_DELETED), or raises after a time-out."""

    def add_nic(self, vm_id: str, nic: VmNic) -> None:
        """The VM must be stopped."""

    def remove_nic(self, vm_id: str, mac: str) -> None: ...

    def set_ssh_address(self, vm_id: str, mac: str, ssh_address: str | None) -> None:
        """Binds or unbinds a loopback address (a floating IP) while the VM runs."""

    def console_log(self, vm_id: str) -> str: ...

    def guest_interfaces(self, vm_id: str) -> Sequence[GuestNic] | None:
        """What the guest agent answers; None when no agent answers within a second or two."""

    def guest_system(self, vm_id: str) -> GuestSystem | None:
        """None when no agent answers, or while its file systems are frozen."""

    def freeze_guest(self, vm_id: str) -> None:
        """The guest's agent writes out and holds its file systems until `thaw_guest`. Raises where none answers."""

    def thaw_guest(self, vm_id: str) -> None:
        """Does nothing for a VM that is off meanwhile."""

    # loopback addresses: 127.x.y.z, unique on the host while held
    def allocate_address(self) -> str: ...

    def release_address(self, address: str) -> None: ...

    def close(self) -> None:
        """Kills every VM of this lab and removes its run-time files."""
