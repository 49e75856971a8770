"""One process at a time in a state directory."""

import fcntl
import os
from pathlib import Path

from coriolis.errors import StateDirectoryLocked


class StateDirectoryLock:
    """Held by the operating system for the life of the process: kill -9 releases it."""

    def __init__(self, state_dir: Path) -> None:
        """Raises StateDirectoryLocked when another process holds it."""
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not inherited by children (PEP 446): one that outlives us must not keep the next start out.
        self._descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise StateDirectoryLocked(path=state_dir) from None

    def release(self) -> None:
        os.close(self._descriptor)
