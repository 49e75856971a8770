"""What a role reads or writes: a disk of the worker, or any other image of one.

`coriolis.agent.block` has the disks of a worker; what the conductor opens by itself is in `coriolis.images`.
"""

from abc import ABC, abstractmethod
from typing import List, NamedTuple, Optional


class DeviceError(Exception):
    """The disk is not there, not unique, of another size, in use, or refuses a read or a write."""


class DiskUnavailableError(Exception):
    """What holds the disk does not answer now; the run may go on later."""


class Extent(NamedTuple):
    """Bytes of the disk. `zero`: all of it reads as zeros."""

    offset: int
    length: int
    zero: bool = False


class Handle(ABC):
    """For one thread at a time, which closes it. Raises DeviceError, DiskUnavailableError and OSError."""

    @abstractmethod
    def read(self, offset: int, length: int, view: memoryview) -> None:
        """Fills `view[:length]`; what is behind it in `view` may be overwritten too."""

    @abstractmethod
    def write(self, offset: int, data: memoryview) -> None:
        """All of `data`, which is only valid until this returns."""

    @abstractmethod
    def zero(self, offset: int, length: int) -> None:
        """The range reads as zeros from now on."""

    @abstractmethod
    def close(self) -> None: ...


class Disk(ABC):
    """An opened disk. `name` is for people, `size` its bytes, `threads` how many of them keep it busy (0: as many
    as the processors want)."""

    name = ""
    size = 0
    threads = 0

    @abstractmethod
    def open(self) -> Handle: ...

    def changes(self, since: Optional[str]) -> Optional[List[Extent]]:
        """What may differ from the point in time that `since` names, or, for None, from a disk full of zeros; in any
        order. None: that cannot be told, so all is to be read.
        """
        del since
        return None

    @abstractmethod
    def flush(self) -> None:
        """All that was written through any handle is durable when this returns."""

    @abstractmethod
    def close(self) -> None:
        """Nothing is read or written any more."""
