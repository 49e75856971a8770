"""Starts QEMU processes that die with the lab.

The kernel ends a child that asked for it (PR_SET_PDEATHSIG) when the *thread* that started it ends. VMs
are started from threads that come and go, so all processes are started by one thread that lives as long as
the hypervisor.
"""

import queue
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from coriolis.runner import spawn

_Order = tuple[Sequence[str], Path, "Future[subprocess.Popen[bytes]]"]


class Spawner:
    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="qemu spawner", daemon=True)
        self._thread.start()

    def start(self, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        """Output of the process goes to `log`."""
        future: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((command, log, future))
        return future.result()

    def close(self) -> None:
        """Ends every process that still runs."""
        self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            command, log, future = order
            try:
                future.set_result(_start(command, log))
            except OSError as error:
                future.set_exception(error)


def _start(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return spawn(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=output.fileno(),
            stderr=output.fileno(),
        )
