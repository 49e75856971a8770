"""QEMU's command line for a VM."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coriolis_lab.hypervisor import blockdev, network
from coriolis_lab.hypervisor.api import Bus, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.topology import CD_ID, SCSI_BUS, Place, Topology

QEMU = "qemu-system-x86_64"
FIRMWARE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
AGENT_CHANNEL = "org.qemu.guest_agent.0"

# Not a cut-down model: without svm, aes and pclmulqdq, mount(8) and systemd of Debian 12 no longer work.
CPU = "max"

# QEMU's default is a quarter of the host's memory for translated code, in each process
_TRANSLATION_CACHE_MB = 256


@dataclass(frozen=True)
class VmPaths:
    """The run-time files of one VM. Names are short: a unix socket's path has room for 107 characters."""

    directory: Path

    @property
    def monitor(self) -> Path:
        return self.directory / "qmp"

    @property
    def agent(self) -> Path:
        return self.directory / "qga"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def log(self) -> Path:
        return self.directory / "qemu.log"

    @property
    def config_drive(self) -> Path:
        return self.directory / "config.iso"

    @property
    def firmware_variables(self) -> Path:
        return self.directory / "vars.fd"


@dataclass(frozen=True)
class PlacedDisk:
    """A disk as it is at start. `unit` counts the disks on the same ATA bus."""

    disk: VmDisk
    top: Layer
    place: Place | None = None
    unit: int = 0


@dataclass(frozen=True)
class MemoryFile:
    """The VM's memory is this file: `shared` writes to it, otherwise the memory only starts from it."""

    path: Path
    shared: bool


def build(
    spec: VmSpec,
    topology: Topology,
    paths: VmPaths,
    disks: Sequence[PlacedDisk],
    nics: Sequence[VmNic],
    *,
    config_drive: bool,
    memory: MemoryFile | None = None,
    incoming: bool = False,
) -> list[str]:
    """`incoming`: the VM waits for its device state instead of starting."""
    arguments = [QEMU, "-name", f"guest={spec.name},debug-threads=off".replace(" ", "_")]
    arguments += ["-no-user-config", "-nodefaults", "-display", "none"]
    # never KVM: on the hosts this runs on, /dev/kvm may be there and hang
    arguments += ["-accel", f"tcg,thread=multi,tb-size={_TRANSLATION_CACHE_MB}", "-cpu", CPU]
    arguments += ["-smp", str(spec.cpus), "-m", f"{spec.memory_mb}M", "-rtc", "base=utc"]
    arguments += _memory(spec, memory)
    arguments += _machine(spec, paths)
    for device in _fixed_devices(spec, topology, disks, paths, config_drive):
        arguments += device
    for placed in disks:
        arguments += _json("-blockdev", blockdev.chain_node(placed.top))
        arguments += _json("-device", disk_device(placed, spec.machine))
    for nic, place in zip(nics, topology.nics, strict=False):
        arguments += ["-netdev", network.command_line_argument(network.netdev(nic))]
        arguments += _json("-device", network.device(nic, place))
    arguments += [
        "-chardev",
        f"socket,id=monitor,path={paths.monitor},server=on,wait=off",
        "-mon",
        "monitor,mode=control",
    ]
    return [*arguments, "-incoming", "defer"] if incoming else arguments


def disk_device(placed: PlacedDisk, machine: Machine) -> dict[str, Any]:
    return blockdev.disk_device(
        placed.disk, blockdev.node_name(placed.top), machine, placed.place, placed.unit
    )


def _memory(spec: VmSpec, memory: MemoryFile | None) -> list[str]:
    backend: dict[str, Any] = {"qom-type": "memory-backend-ram", "id": "ram", "size": spec.memory_mb * 2**20}
    if memory:
        backend |= {"qom-type": "memory-backend-file", "mem-path": str(memory.path), "share": memory.shared}
    return _json("-object", backend)


def _machine(spec: VmSpec, paths: VmPaths) -> list[str]:
    machine = f"{spec.machine},memory-backend=ram,usb=off,vmport=off"
    if not spec.uefi:
        return ["-machine", machine]
    code = {"driver": "file", "filename": str(FIRMWARE_CODE), "node-name": "firmware-code", "read-only": True}
    variables = {"driver": "file", "filename": str(paths.firmware_variables), "node-name": "firmware-vars"}
    return [
        *_json("-blockdev", code),
        *_json("-blockdev", variables),
        "-machine",
        f"{machine},pflash0=firmware-code,pflash1=firmware-vars",
    ]


def _fixed_devices(
    spec: VmSpec, topology: Topology, disks: Sequence[PlacedDisk], paths: VmPaths, config_drive: bool
) -> list[list[str]]:
    def pci(driver: str, device_id: str, place: Place) -> list[str]:
        return _json("-device", {"driver": driver, "id": device_id, "bus": place.bus, "addr": place.address})

    buses = {placed.disk.bus for placed in disks}
    devices = [_json("-device", port) for port in topology.root_ports]
    devices.append(pci("virtio-scsi-pci", "scsi0", topology.scsi_controller))
    if Bus.PVSCSI in buses:
        devices.append(pci("pvscsi", "pvscsi0", topology.pvscsi_controller))
    if Bus.SATA in buses and spec.machine == Machine.PC:
        devices.append(pci("ahci", "sata0", topology.sata_controller))
    devices += [
        pci("virtio-serial-pci", "serial0", topology.serial),
        pci("virtio-rng-pci", "rng0", topology.random),
        ["-chardev", f"file,id=console,path={paths.console},append=on", "-serial", "chardev:console"],
        _cd_drive(spec.machine, paths, config_drive),
    ]
    if spec.guest_agent_channel:
        port = {"driver": "virtserialport", "bus": "serial0.0", "chardev": "agent", "name": AGENT_CHANNEL}
        chardev = ["-chardev", f"socket,id=agent,path={paths.agent},server=on,wait=off"]
        devices.append([*chardev, *_json("-device", port)])
    return devices


def _cd_drive(machine: Machine, paths: VmPaths, config_drive: bool) -> list[str]:
    """Always there, as in most clouds. On q35 it is a SCSI drive: kernels of cloud images know no AHCI."""
    device: dict[str, Any] = {"driver": "ide-cd", "id": CD_ID, "bus": "ide.1", "unit": 0}
    if machine == Machine.Q35:
        device = {"driver": "scsi-cd", "id": CD_ID, "bus": SCSI_BUS}
    if not config_drive:
        return _json("-device", device)
    node = blockdev.cd_node(str(paths.config_drive))
    return [*_json("-blockdev", node), *_json("-device", {**device, "drive": node["node-name"]})]


def _json(option: str, value: Mapping[str, Any]) -> list[str]:
    return [option, json.dumps(value)]
