"""At most one OSMorphing program on a worker VM: that of the job's newest owner.

A conductor that was paused or cut off still has its program here, or may start one, after another has taken the
job over. The highest fencing token wins.
"""

import contextlib
import fcntl
import os
import signal
import struct
import time
from typing import TYPE_CHECKING

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_FILE = "/run/coriolis-osmorphing.lock"  # its text: the highest token that was here
_LEAVE_SECONDS = 90.0  # an interrupted program kills what it runs and unmounts; slow storage takes its time
_LOOK_SECONDS = 0.2
_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, process; 32 bytes


@contextlib.contextmanager
def sole_program(
    token: int, lock_file: str = LOCK_FILE, patience: float = _LEAVE_SECONDS
) -> "Iterator[None]":
    """Interrupts the program of an earlier owner and waits until it has unmounted everything.

    Raises MorphFailure for an owner whose job was taken over, and where the earlier program does not leave.
    """
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, token, patience)
        os.pwrite(descriptor, b"%d\n" % token, 0)
        yield
    finally:
        os.close(descriptor)  # and with it goes the lock


def _lock(descriptor: int, token: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    told = 0
    while True:
        highest = int(os.pread(descriptor, 32, 0) or b"0")
        if highest > token:
            raise MorphFailure("another conductor has taken this job over")
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(descriptor)
            if holder and holder != told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(holder, signal.SIGTERM)
                told = holder
        else:
            return
        if time.monotonic() > deadline:
            raise MorphFailure(f"an earlier OSMorphing (process {told} of the worker VM) does not leave")
        time.sleep(_LOOK_SECONDS)


def _holder(descriptor: int) -> int:
    """The process that has the lock as the kernel knows it, 0 where it is free by now."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(process)
