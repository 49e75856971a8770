"""The wire to the conductor: one JSON object a line goes out, answers and package files come in.

Out: {"event": "phase" | "step" | "warning" | "changed" | "need_packages" | "result" | "failure", ...}.
In: {"file": NAME, "size": BYTES} followed by the bytes, and {"end": true} after the last one.
End of input means that the conductor is gone: the program gets a SIGTERM from itself, and so unmounts and
leaves.
"""

import json
import os
import queue
import signal
import threading
from typing import TYPE_CHECKING

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from typing import Any

_READ_SIZE = 1 << 16

PHASES = {
    "start": "start on the worker VM",
    "discover": "find the guest's disks",
    "preflight": "check the guest's disks",
    "mount": "mount the guest's file systems",
    "script": "run a script of the user",
    "detect": "detect the guest's operating system",
    "plan": "plan the changes",
    "apply": "change the guest",
    "verify": "verify the changed guest",
    "unmount": "unmount the guest's file systems",
}


class Channel:
    """Reads and writes file descriptors directly: a thread blocked in a buffered stdin would hang the
    exit."""

    def __init__(self, input_fd: int, output_fd: int) -> None:
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._gone = False
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self._inbox = ""
        self.phase = "start"

    def listen(self) -> None:
        """Starts watching the input; from now on its end interrupts the program."""
        threading.Thread(target=self._receive, name="conductor", daemon=True).start()

    def enter(self, phase: str) -> None:
        self.phase = phase
        self._send(event="phase", phase=phase, title=PHASES[phase])

    def step(self, message: str) -> None:
        self._send(event="step", message=message)

    def warn(self, message: str) -> None:
        self._send(event="warning", message=message)

    def changed(self, path: str, how: str) -> None:
        self._send(event="changed", path=path, how=how)

    def succeed(self, **fields: "Any") -> None:
        self._send(event="result", **fields)

    def fail(self, reason: str) -> None:
        self._send(event="failure", phase=self.phase, reason=reason)

    def fetch(self, package_set: str, file_names: "list[str]", directory: str, timeout: float) -> "list[str]":
        """Asks the conductor for files of a package set and returns their paths in `directory`."""
        self._inbox = directory
        self._send(event="need_packages", set=package_set, files=file_names)
        paths: "list[str]" = []
        while True:
            try:
                path = self._arrived.get(timeout=timeout)
            except queue.Empty:
                raise MorphFailure(f"the conductor sent no packages for {timeout:g} s") from None
            if path is None:
                return paths
            paths.append(path)

    def _send(self, **event: "Any") -> None:
        if self._gone:
            return
        line = json.dumps(event).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._output_fd, line) :]
        except OSError:
            self._gone = True  # nobody listens any more; what is mounted must still be unmounted

    def _receive(self) -> None:
        pending = b""
        while True:
            while b"\n" not in pending:
                data = os.read(self._input_fd, _READ_SIZE)
                if not data:
                    self._gone = True
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                pending += data
            line, _, pending = pending.partition(b"\n")
            message = json.loads(line.decode())
            if message.get("end"):
                self._arrived.put(None)
                continue
            path = os.path.join(self._inbox, os.path.basename(message["file"]))
            pending = self._store(path, message["size"], pending)
            self._arrived.put(path)

    def _store(self, path: str, size: int, pending: bytes) -> bytes:
        """Writes `size` bytes, the first of them already in `pending`; returns what came after them."""
        with open(path, "wb") as target:
            while size:
                if not pending:
                    pending = os.read(self._input_fd, _READ_SIZE)
                    if not pending:
                        return b""
                target.write(pending[:size])
                taken = min(size, len(pending))
                size -= taken
                pending = pending[taken:]
        return pending
