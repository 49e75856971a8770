"""NBD servers for layers that no VM writes to: one qemu-nbd for each export, on a unix socket."""

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.process import Spawner

MAX_CONNECTIONS = 8  # what ovirt-imageio opens for one client at most
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
EXPORT_NAME = "disk"


@dataclass(frozen=True)
class _Export:
    process: "subprocess.Popen[bytes]"
    socket: Path
    log: Path


class NbdExports:
    """Not thread-safe for one export; different exports are independent."""

    def __init__(self, directory: Path, spawner: Spawner) -> None:
        """`directory` has a short path: unix sockets are made in it."""
        self._directory = directory
        self._spawner = spawner
        self._exports: dict[str, _Export] = {}
        self._count = 0

    def open(self, export_id: str, layer: Layer, *, writable: bool, bitmap: str | None = None) -> str:
        """The URL of the export, nbd:unix:PATH:exportname=NAME. `bitmap` of the layer is told as dirty extents."""
        if export_id in self._exports:
            raise HypervisorError(f"there is an export {export_id} already")
        self._count += 1
        path = self._directory / f"nbd{self._count}"
        log = self._directory / f"nbd{self._count}.log"
        command = ["qemu-nbd", "--socket", str(path), "--persistent", "--shared", str(MAX_CONNECTIONS)]
        command += ["--export-name", EXPORT_NAME, "--format", layer.format, "--cache", "unsafe"]
        command += ["--discard", "unmap", "--detect-zeroes", "unmap"] if writable else ["--read-only"]
        command += ["--bitmap", bitmap] if bitmap else []
        export = _Export(self._spawner.start([*command, str(layer.path)], log), path, log)
        self._exports[export_id] = export
        try:
            _wait_until_it_listens(export)
        except HypervisorError:
            self.close(export_id)
            raise
        return f"nbd:unix:{path}:exportname={EXPORT_NAME}"

    def close(self, export_id: str) -> None:
        """Does nothing for one that is not open."""
        export = self._exports.pop(export_id, None)
        if export is None:
            return
        export.process.terminate()
        try:
            export.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            export.process.kill()
            export.process.wait()
        export.socket.unlink(missing_ok=True)
        export.log.unlink(missing_ok=True)


def _wait_until_it_listens(export: _Export) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(export.socket)) == 0:
                return
        if export.process.poll() is not None or time.monotonic() > deadline:
            said = export.log.read_text(errors="replace").strip()[-500:]
            raise HypervisorError(f"qemu-nbd did not start: {said}")
        time.sleep(0.02)
