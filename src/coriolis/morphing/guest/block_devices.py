"""The guest's disks as the worker's kernel shows them: found by serial, with what each part of them holds."""

import os
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest.commands import find_tool, run
from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from coriolis.morphing.guest.job import GuestDisk

_SYS_BLOCK = "/sys/block"
_SHORTEST_SERIAL = 20  # bytes of a serial that virtio-blk and old emulated SCSI disks show
_ATTACH_SECONDS = 60  # a disk that the cloud calls attached may come to the guest later
_VPD_PAGE_HEADER = 4


class BlockDevice(NamedTuple):
    """A disk, partition or logical volume. `kind` is blkid's TYPE: "ext4", "LVM2_member", "" if not known."""

    path: str
    disk_index: "int | None" = None
    partition: "int | None" = None
    kind: str = ""
    uuid: str = ""
    label: str = ""
    partition_uuid: str = ""
    partition_label: str = ""
    partition_type: str = ""


def find_disks(disks: "tuple[GuestDisk, ...]", sys_block: str = _SYS_BLOCK) -> "list[str]":
    """Device paths in the job's order. Waits for late ones; raises MorphFailure naming those that never
    come."""
    deadline = time.monotonic() + _ATTACH_SECONDS
    while True:
        shown = {
            name: serial for name in os.listdir(sys_block) for serial in [_serial(sys_block, name)] if serial
        }
        found = [_match(disk.serial, shown) for disk in disks]
        if None not in found:
            if len(set(found)) < len(found):
                raise MorphFailure("two disks of the guest show the same beginning of their serials")
            return ["/dev/" + name for name in found if name]
        if time.monotonic() > deadline:
            absent = ", ".join(disk.serial for disk, name in zip(disks, found) if name is None)
            raise MorphFailure(f"the worker VM shows no disk with serial {absent} after {_ATTACH_SECONDS} s")
        time.sleep(0.3)


def _match(serial: str, shown: "dict[str, str]") -> "str | None":
    for name, text in shown.items():
        if text == serial or (len(text) >= _SHORTEST_SERIAL and serial.startswith(text)):
            return name
    return None


def _serial(sys_block: str, name: str) -> str:
    """virtio-blk and NVMe tell it in `serial`, SCSI disks in the vital product data page 0x80 (SPC-4,
    7.8.13)."""
    for place in ("serial", "device/serial"):
        path = os.path.join(sys_block, name, place)
        if os.path.exists(path):
            with open(path, encoding="ascii", errors="replace") as source:
                return source.read().strip()
    page = os.path.join(sys_block, name, "device/vpd_pg80")
    if os.path.exists(page):
        with open(page, "rb") as data:
            return data.read()[_VPD_PAGE_HEADER:].decode("ascii", errors="replace").strip("\0 ")
    return ""


def scan(disk_paths: "list[str]") -> "list[BlockDevice]":
    """All parts of the disks, after the kernel has read their partition tables (hot-plug may have missed
    them)."""
    devices = []
    for index, path in enumerate(disk_paths):
        partx = find_tool("partx")
        if partx:
            run(
                [partx, "--update", path], check=False
            )  # code 1: no table, e.g. a file system on the bare disk
        partitions = _partitions(path)
        _await_nodes([node for _, node in partitions])
        if not partitions:
            devices.append(probe(path, index, None))
        devices += [probe(node, index, number) for number, node in partitions]
    return devices


def _partitions(disk_path: str) -> "list[tuple[int, str]]":
    directory = os.path.join(_SYS_BLOCK, os.path.basename(disk_path))
    found = []
    for name in os.listdir(directory):
        number = os.path.join(directory, name, "partition")
        if os.path.exists(number):
            with open(number, encoding="ascii") as source:
                found.append((int(source.read()), "/dev/" + name))
    return sorted(found)


def _await_nodes(nodes: "list[str]") -> None:
    deadline = time.monotonic() + 10  # udev makes them within a second
    while not all(os.path.exists(node) for node in nodes):
        if time.monotonic() > deadline:
            raise MorphFailure("no device node came for {}".format(", ".join(nodes)))
        time.sleep(0.1)


def probe(path: str, disk_index: "int | None" = None, partition: "int | None" = None) -> BlockDevice:
    """Reads the device itself, never blkid's cache or udev's memory of an earlier content."""
    done = run([find_tool("blkid") or "blkid", "-p", "-o", "export", path], check=False)
    if done.returncode not in (0, 2):  # 2: nothing recognised
        raise MorphFailure(f"cannot look at {path}: {done.tail}")
    found = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    return BlockDevice(
        path=path,
        disk_index=disk_index,
        partition=partition,
        kind=found.get("TYPE", ""),
        uuid=found.get("UUID", ""),
        label=_unescaped(found.get("LABEL", "")),
        partition_uuid=found.get("PART_ENTRY_UUID", ""),
        partition_label=_unescaped(found.get("PART_ENTRY_NAME", "")),
        partition_type=found.get("PART_ENTRY_TYPE", ""),
    )


def _unescaped(text: str) -> str:
    """blkid's export format puts a backslash before characters that a shell would read."""
    return re.sub(r"\\(.)", r"\1", text)
