"""The data-plane fence: at most one writer a disk on this worker, and never one with an older token.

A conductor that was thought dead may still drive a writer. So each writer takes the disk's lock for its life
and leaves its token; a later token ends the older writer first, an earlier one is refused. /run is memory: it
lives as long as the worker does, which is as long as the disk stays attached to it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import time
from typing import Any, Dict

DIRECTORY = "/run/coriolis-writers"
_TAKEOVER_SECONDS = 20.0


class FencedError(Exception):
    """A writer with a later token has been here, or the older one does not go away."""


class Fence:
    def __init__(self, scope: str, disk_id: str, token: int, directory: str = DIRECTORY) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        name = hashlib.sha256(json.dumps([scope, disk_id]).encode()).hexdigest()[:32]
        self._path = os.path.join(directory, name)
        self._token = token
        self._lock = self._open(".writer")

    def _open(self, suffix: str) -> int:
        return os.open(self._path + suffix, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> None:
        """Raises FencedError if a later token was here; ends the writer of an earlier (or the same) one."""
        entry = self._open(".entry")
        try:
            fcntl.flock(entry, fcntl.LOCK_EX)  # newcomers one after the other
            state = self._read()
            if state["token"] > self._token:
                raise FencedError("token {} is older than {}".format(self._token, state["token"]))
            self._write({"token": self._token, "pid": state["pid"], "started": state["started"]})
            self._wait_for_lock(state)
            self._write({"token": self._token, "pid": os.getpid(), "started": _started(os.getpid())})
        finally:
            os.close(entry)

    def _wait_for_lock(self, holder: Dict[str, Any]) -> None:
        end = time.monotonic() + _TAKEOVER_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return
            if holder["started"] and _started(holder["pid"]) == holder["started"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(holder["pid"], signal.SIGKILL)
            if time.monotonic() > end:
                raise FencedError("the earlier writer (process {}) does not end".format(holder["pid"]))
            time.sleep(0.05)

    def _read(self) -> Dict[str, Any]:
        try:
            with open(self._path) as file:
                state = json.load(file)
            return {"token": int(state["token"]), "pid": int(state["pid"]), "started": str(state["started"])}
        except FileNotFoundError:
            return {"token": -1, "pid": 0, "started": ""}

    def _write(self, state: Dict[str, Any]) -> None:
        with open(self._path + ".new", "w") as file:
            json.dump(state, file)
        os.replace(self._path + ".new", self._path)


def _started(pid: int) -> str:
    """The process' start time in ticks, so that a reused pid is not taken for the writer; "" if there is
    none.
    """
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
