"""Finding a disk in the guest by its serial, and opening it.

Hypervisors show a disk's serial in different places and lengths: virtio-blk at most 20 characters, in
/sys/block/X/serial; SCSI in the vital product data page 0x80; NVMe in device/serial; and udev repeats some of
them.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from typing import Iterator, List, Set

from coriolis.agent.disk import DeviceError

CUT_SERIAL = 20  # characters a virtio-blk or ATA disk shows
_NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")
_BLKGETSIZE64 = 0x80081272
_BLKZEROOUT = 0x127F
_POLL_SECONDS = 0.25


def find(serial: str, wait: float) -> str:
    """The device node of the disk with `serial`; an absolute path is used as it is.

    A hot-plugged disk may take seconds to show, so it is looked for `wait` seconds long.
    """
    if serial.startswith("/"):
        if not os.path.exists(serial):
            raise DeviceError(f"there is no {serial}")
        return serial
    end = time.monotonic() + wait
    while True:
        found = sorted(_matching(serial))
        if len(found) == 1 and os.path.exists("/dev/" + found[0]):
            return "/dev/" + found[0]
        if len(found) > 1:
            raise DeviceError("serial {!r} is that of several disks: {}".format(serial, ", ".join(found)))
        if time.monotonic() >= end:
            shown = {name: sorted(serials_of(name)) for name in disk_names()}
            raise DeviceError(f"no disk with serial {serial!r} within {wait:g} s; there are {shown}")
        time.sleep(_POLL_SECONDS)


def _matching(serial: str) -> Set[str]:
    exact, cut = set(), set()
    for name in disk_names():
        for shown in serials_of(name):
            if shown == serial:
                exact.add(name)
            elif len(shown) >= CUT_SERIAL and serial.startswith(shown):
                cut.add(name)
    return exact or cut


def disk_names(sys_block: str = "/sys/block") -> List[str]:
    try:
        names = os.listdir(sys_block)
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith(_NO_DISKS))


def serials_of(name: str, sys_block: str = "/sys/block") -> Set[str]:
    """All that the kernel and udev show as this disk's serial."""
    base = os.path.join(sys_block, name)
    found = {_read(os.path.join(base, "serial")), _read(os.path.join(base, "device", "serial"))}
    found.add(_vital_product_data(os.path.join(base, "device", "vpd_pg80")))
    found.update(_udev_serials(_read(os.path.join(base, "dev"))))
    return {shown for shown in found if shown}


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(4096).decode("ascii", "replace").strip("\0 \n")
    except OSError:
        return ""


def _vital_product_data(path: str) -> str:
    """SPC-4 7.8: a header of four bytes, the last two of them the length, then the serial in ASCII."""
    try:
        with open(path, "rb") as file:
            page = file.read(4096)
    except OSError:
        return ""
    if len(page) < 4 or page[1] != 0x80:
        return ""
    length = struct.unpack("!H", page[2:4])[0]
    return page[4 : 4 + length].decode("ascii", "replace").strip("\0 ")


def _udev_serials(numbers: str) -> Iterator[str]:
    keys = ("E:ID_SERIAL_SHORT=", "E:ID_SCSI_SERIAL=", "E:SCSI_IDENT_SERIAL=", "E:ID_SERIAL=")
    for line in _udev_record(numbers).splitlines():
        if line.startswith(keys):
            yield line.split("=", 1)[1].strip()
        elif line.startswith("S:disk/by-id/") and "-part" not in line:
            yield line.rsplit("/", 1)[1].split("-", 1)[-1]


def _udev_record(numbers: str) -> str:
    try:
        with open("/run/udev/data/b" + numbers) as file:
            return file.read(1 << 16)
    except (OSError, UnicodeDecodeError):
        return ""


def size_of(descriptor: int) -> int:
    if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
        return os.lseek(descriptor, 0, os.SEEK_END)
    answer = fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8))
    return int(struct.unpack("Q", answer)[0])


def open_for_reading(path: str) -> int:
    """Past the page cache where the file system allows it: each byte is read once, and what the disk holds
    counts.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise DeviceError(f"cannot open {path}: {error}") from error
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def open_for_writing(path: str) -> int:
    """Refuses a disk the worker itself uses."""
    for user in users_of(path):
        raise DeviceError(f"{path} is in use by this machine: {user}")
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise DeviceError(f"cannot open {path}: {error}") from error


def users_of(path: str) -> Iterator[str]:
    """Mount points and swap areas on the disk, its partitions, and what device mapper built on them."""
    status = os.stat(path)
    if not stat.S_ISBLK(status.st_mode):
        return
    numbers = set(_with_children(os.path.realpath("/sys/dev/block/{}:{}".format(*_numbers(status.st_rdev)))))
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            if fields[2] in numbers:
                yield "mounted on " + fields[4]
    with open("/proc/swaps") as file:
        for line in list(file)[1:]:
            with contextlib.suppress(OSError):
                if "{}:{}".format(*_numbers(os.stat(line.split()[0]).st_rdev)) in numbers:
                    yield "swap"


def _numbers(device: int) -> List[int]:
    return [os.major(device), os.minor(device)]


def _with_children(directory: str) -> Iterator[str]:
    """The "major:minor" of a block device in sysfs, of its partitions and of their holders."""
    yield _read(os.path.join(directory, "dev"))
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if os.path.exists(os.path.join(directory, name, "partition")):
                for child in _with_children(os.path.join(directory, name)):
                    yield child
    with contextlib.suppress(OSError):
        for name in os.listdir(os.path.join(directory, "holders")):
            for child in _with_children(os.path.realpath(os.path.join(directory, "holders", name))):
                yield child


def zero_out(descriptor: int, offset: int, length: int) -> None:
    """Makes a range read as zeros: by a hole, by the device's own zeroing, else by writing. Never by a
    discard, which promises nothing about what is read afterwards.
    """
    if _punch(descriptor, offset, length):
        return
    try:
        fcntl.ioctl(descriptor, _BLKZEROOUT, struct.pack("QQ", offset, length))
    except OSError:
        block = bytes(min(length, 1 << 20))
        while length:
            done = os.pwrite(descriptor, block[: min(length, len(block))], offset)
            offset, length = offset + done, length - done


def _punch(descriptor: int, offset: int, length: int) -> bool:
    """FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE: files, and block devices that can zero a range (Linux
    4.9).
    """
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return bool(fallocate(descriptor, 0x02 | 0x01, offset, length) == 0)
