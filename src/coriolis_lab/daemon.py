"""The background process that owns a lab: both clouds and every VM in them.

    <root>/lab.pid    locked while the process lives
    <root>/lab.json   where everything is, once it is ready
    <root>/lab.log    what it says

A connection to its control socket is answered with the VMs as JSON, one line.
"""

import dataclasses
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coriolis.runner import spawn
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.settings import Delays, LabSettings

_REPORT = "report: "
_POLL_SECONDS = 0.2
_CONTROL_SECONDS = 10.0


class LabError(Exception):
    """The text is for the one who gave the command."""


@dataclass(frozen=True)
class Choices:
    with_openstack: bool = True
    with_ovirt: bool = True
    with_source_server: bool = True
    realistic: bool = False
    ovirt_look: str = LabSettings.ovirt_look


@dataclass(frozen=True)
class VmLine:
    """`address`: loopback addresses that lead to the guest's SSH, separated by commas."""

    cloud: str
    id: str
    name: str
    state: str
    address: str
    console: str


def description_file(root: Path) -> Path:
    return root / "lab.json"


def log_file(root: Path) -> Path:
    return root / "lab.log"


def running_pid(root: Path) -> int | None:
    """The process that owns the lab in `root`; None when there is none."""
    path = root / "lab.pid"
    if not path.exists():
        return None
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None


def start(root: Path, choices: Choices, report: Callable[[str], None]) -> dict[str, Any]:
    """Starts a lab and waits until it is ready; its description."""
    if pid := running_pid(root):
        raise LabError(f"the lab in {root} is up already (process {pid})")
    root.mkdir(parents=True, exist_ok=True)
    description_file(root).unlink(missing_ok=True)
    with log_file(root).open("wb") as log:
        process = spawn(
            [sys.executable, "-m", "coriolis_lab.daemon", str(root), json.dumps(dataclasses.asdict(choices))],
            stdin=subprocess.DEVNULL,
            stdout=log.fileno(),
            stderr=log.fileno(),
        )
    with log_file(root).open() as log_reader:
        while not description_file(root).exists():
            for line in log_reader:
                if line.startswith(_REPORT):
                    report(line.removeprefix(_REPORT).strip())
            if process.poll() is not None:
                tail = "\n".join(log_file(root).read_text(errors="replace").splitlines()[-12:])
                raise LabError(f"the lab did not come up; the end of {log_file(root)}:\n{tail}")
            time.sleep(_POLL_SECONDS)
    return read_description(root)


def wait_for_end(root: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running_pid(root) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def read_description(root: Path) -> dict[str, Any]:
    if running_pid(root) is None or not description_file(root).exists():
        raise LabError(f"no lab is up in {root}; start one with: coriolis-lab up --root {root}")
    description: dict[str, Any] = json.loads(description_file(root).read_text())
    return description


def read_vms(root: Path) -> list[VmLine]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CONTROL_SECONDS)
        connection.connect(read_description(root)["control"])
        with connection.makefile() as stream:
            return [VmLine(**fields) for fields in json.loads(stream.readline())]


def console_file(root: Path, name: str) -> Path:
    """The serial log of the VM with this name or id."""
    vms = read_vms(root)
    found = [vm for vm in vms if name in (vm.id, vm.name)]
    if not found:
        names = ", ".join(sorted(vm.name for vm in vms)) or "none"
        raise LabError(f"there is no VM {name!r}; there are: {names}")
    if len(found) > 1:
        raise LabError(
            f"{len(found)} VMs are named {name!r}; give the id: {', '.join(vm.id for vm in found)}"
        )
    path = Path(found[0].console)
    if not path.exists():
        raise LabError(f"VM {name!r} has not been started yet")
    return path


def main(arguments: Sequence[str]) -> None:
    root, choices = Path(arguments[0]), Choices(**json.loads(arguments[1]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with (root / "lab.pid").open("a+") as pid_file:
        fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pid_file.truncate(0)
        pid_file.write(str(os.getpid()))
        pid_file.flush()
        _own(root, choices)


def _own(root: Path, choices: Choices) -> None:
    from coriolis_lab.world import World  # the commands that only ask need not load both clouds

    _remove_left_overs(root)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    delays = Delays.realistic() if choices.realistic else Delays()
    world = World(
        LabSettings(root=root, delays=delays, ovirt_look=choices.ovirt_look),
        with_openstack=choices.with_openstack,
        with_ovirt=choices.with_ovirt,
        with_source_server=choices.with_source_server,
        report=lambda text: print(f"{_REPORT}{text}", flush=True),
    )
    world.up()
    control_dir = Path(tempfile.mkdtemp(prefix=f"colab-{os.getpid()}-", dir="/run"))
    try:
        control = _ControlServer(str(control_dir / "control"), world.hypervisors)
        threading.Thread(target=control.serve_forever, daemon=True).start()
        _write_atomically(
            description_file(root), {**world.describe(), "control": str(control_dir / "control")}
        )
        ending.wait()
    finally:
        description_file(root).unlink(missing_ok=True)
        world.down()
        shutil.rmtree(control_dir, ignore_errors=True)


def _remove_left_overs(root: Path) -> None:
    """What a lab that was killed could not remove."""
    for path in [root / "openstack", root / "ovirt", *root.glob("ovirt-*")]:
        shutil.rmtree(path, ignore_errors=True)


def _write_atomically(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.rename(path)


class _ControlServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, hypervisors: dict[str, LocalHypervisor]) -> None:
        self.hypervisors = hypervisors
        super().__init__(path, _ControlHandler)


class _ControlHandler(socketserver.StreamRequestHandler):
    server: _ControlServer

    def handle(self) -> None:
        lines = [
            VmLine(
                cloud=cloud,
                id=vm.id,
                name=vm.name,
                state=str(vm.state),
                address=",".join(vm.ssh_addresses),
                console=str(vm.console),
            )
            for cloud, hypervisor in self.server.hypervisors.items()
            for vm in hypervisor.list_vms()
        ]
        self.wfile.write(json.dumps([dataclasses.asdict(line) for line in lines]).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
