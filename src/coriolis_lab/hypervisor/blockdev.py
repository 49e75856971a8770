"""Block nodes and the devices that show them to the guest, as QEMU's JSON arguments."""

import re
from pathlib import Path
from typing import Any

from coriolis_lab.hypervisor.api import Bus, HypervisorError, Machine, VmDisk
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.topology import PVSCSI_BUS, SCSI_BUS, Place

# A lab's disks die with the lab: flushes to the host's disk would only cost time.
_NO_FLUSH = {"direct": False, "no-flush": True}
_SHORT_SERIAL = 20  # what virtio-blk and ATA have room for


def device_id(disk_id: str) -> str:
    return "disk-" + re.sub(r"[^A-Za-z0-9_-]", "_", disk_id)


def node_name(layer: Layer) -> str:
    """QEMU allows 31 characters: the layer's number will do."""
    return f"layer-{layer.path.stem}"


def chain_node(top: Layer) -> dict[str, Any]:
    """The node of a disk's writable top layer; QEMU opens the layers below as the file names them."""
    return {
        "driver": top.format,
        "node-name": node_name(top),
        "file": {"driver": "file", "filename": str(top.path), "cache": _NO_FLUSH, "discard": "unmap"},
        "cache": _NO_FLUSH,
        "discard": "unmap",
        "detect-zeroes": "unmap",
    }


def overlay_node(top: Layer) -> dict[str, Any]:
    """The node of a new top layer, to be put above a node that is open already."""
    return {**chain_node(top), "backing": None}


def scratch_node(name: str, path: Path, backing: str) -> dict[str, Any]:
    """A layer above a node in use that keeps, during a backup, what the guest overwrites below it."""
    file = {"driver": "file", "filename": str(path), "cache": _NO_FLUSH}
    return {"driver": "qcow2", "node-name": name, "file": file, "cache": _NO_FLUSH, "backing": backing}


def cd_node(path: str) -> dict[str, Any]:
    return {
        "driver": "raw",
        "node-name": "config-drive",
        "read-only": True,
        "file": {"driver": "file", "filename": path, "read-only": True},
    }


def disk_device(disk: VmDisk, node: str, machine: Machine, place: Place | None, unit: int) -> dict[str, Any]:
    """`place` for virtio disks; `unit` counts the disks on the IDE or SATA bus."""
    arguments: dict[str, Any] = {"id": device_id(disk.disk_id), "drive": node}
    if disk.boot_index is not None:
        arguments["bootindex"] = disk.boot_index
    serial = disk.serial or disk.disk_id
    short, full = serial[:_SHORT_SERIAL], serial[:36]
    if disk.bus == Bus.VIRTIO:
        if place is None:
            raise HypervisorError("a virtio disk needs a place on the PCI bus")
        return {
            "driver": "virtio-blk-pci",
            "serial": short,
            "bus": place.bus,
            "addr": place.address,
            **arguments,
        }
    if disk.bus in (Bus.VIRTIO_SCSI, Bus.PVSCSI):
        bus = SCSI_BUS if disk.bus == Bus.VIRTIO_SCSI else PVSCSI_BUS
        return {"driver": "scsi-hd", "serial": full, "bus": bus, **arguments}
    return {"driver": "ide-hd", "serial": short, **_ata_place(disk.bus, machine, unit), **arguments}


def _ata_place(bus: Bus, machine: Machine, unit: int) -> dict[str, Any]:
    if bus == Bus.SATA:
        if unit >= 6:
            raise HypervisorError("a SATA controller has six ports")
        return {"bus": f"{'sata0' if machine == Machine.PC else 'ide'}.{unit}", "unit": 0}
    if machine == Machine.Q35:
        raise HypervisorError("a q35 machine has no IDE bus")
    if unit >= 3:
        raise HypervisorError("the IDE bus has room for three disks beside the CD drive")
    # primary master and slave, then the secondary slave: the CD drive is the secondary master
    return {"bus": f"ide.{unit // 2}", "unit": 1 if unit else 0}
