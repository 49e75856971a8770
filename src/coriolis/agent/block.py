"""The disks of the machine we run on, as roles use them."""

import fcntl
import os
from errno import EINVAL
from typing import Any, Dict, List

from coriolis.agent import devices
from coriolis.agent.disk import DeviceError, Disk, Handle
from coriolis.agent.fence import Fence


def open_disk(role: str, options: Dict[str, Any]) -> "BlockDisk":
    """The disk with `serial` (see `devices.find`). A writer takes the fence first, which lives as long as this
    process.
    """
    path = devices.find(str(options["serial"]), float(options["wait"]))
    if role == "writer":
        Fence(str(options["scope"]), str(options["disk"]), int(options["token"])).take()
    return BlockDisk(path, writing=role == "writer")


class BlockDisk(Disk):
    def __init__(self, path: str, *, writing: bool) -> None:
        self.name = path
        self._writing = writing
        self._descriptor = devices.open_for_writing(path) if writing else devices.open_for_reading(path)
        self.size = devices.size_of(self._descriptor)

    def open(self) -> Handle:
        """Readers have a position each (`os.preadv` is 3.7+); writers need none."""
        if self._writing:
            return BlockHandle(os.dup(self._descriptor))
        return BlockHandle(devices.open_for_reading(self.name))

    def flush(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class BlockHandle(Handle):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, length: int, view: memoryview) -> None:
        """Asks for the whole buffer, as O_DIRECT wants lengths in blocks."""
        have = 0
        while have < length:
            os.lseek(self._descriptor, offset + have, os.SEEK_SET)
            count = _readv(self._descriptor, [view[have:]])
            if not count:
                raise DeviceError(f"the disk ends at byte {offset + have}")
            have += count

    def write(self, offset: int, data: memoryview) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._descriptor, data[done:], offset + done)

    def zero(self, offset: int, length: int) -> None:
        devices.zero_out(self._descriptor, offset, length)

    def close(self) -> None:
        os.close(self._descriptor)


def _readv(descriptor: int, views: List[memoryview]) -> int:
    try:
        return os.readv(descriptor, views)
    except OSError as error:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        if error.errno != EINVAL or not flags & os.O_DIRECT:
            raise
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)  # larger blocks than ours, or an odd end
    return os.readv(descriptor, views)
