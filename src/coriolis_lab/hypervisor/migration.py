"""Device state to and from a file. The memory is not in it: it is a file of its own (x-ignore-shared)."""

import shlex
import time
from pathlib import Path

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.qmp import QmpClient

_SECONDS = 60.0
_WITHOUT_MEMORY = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}


def save_state(monitor: QmpClient, target: Path) -> None:
    """Stops the VM and writes its device state."""
    monitor.execute("stop")
    monitor.execute("migrate-set-capabilities", _WITHOUT_MEMORY)
    monitor.execute("migrate", {"uri": f"exec:cat > {shlex.quote(str(target))}"})
    _await(monitor, "completed")


def load_state(monitor: QmpClient, source: Path) -> None:
    """Into a VM that was started to wait for it; it is paused afterwards."""
    monitor.execute("migrate-set-capabilities", _WITHOUT_MEMORY)
    monitor.execute("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(source))}"})
    _await(monitor, "completed")


def _await(monitor: QmpClient, wanted: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while (status := monitor.execute("query-migrate").get("status")) != wanted:
        if status == "failed" or time.monotonic() > deadline:
            raise HypervisorError(f"the VM's state could not be moved: {status}")
        time.sleep(0.02)
