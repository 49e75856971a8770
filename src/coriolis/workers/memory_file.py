"""Files that exist only in this process' memory, for programs that insist on a path."""

import os

from coriolis.closing import Closing


class MemoryFile(Closing):
    """A memfd of mode `mode`, reachable for children at `path` while this process lives and has not closed
    it.

    Chosen for private keys over a 0600 file, which a `kill -9` leaves behind on the disk, and over an
    ssh-agent, which is one more process to end. ssh accepts it: it checks owner and mode of what it has
    opened.
    """

    def __init__(self, name: str, content: bytes = b"", mode: int = 0o600) -> None:
        self._descriptor = os.memfd_create(name)
        os.fchmod(self._descriptor, mode)
        os.pwrite(self._descriptor, content, 0)
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def read(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
