"""Runs inside a VM that resumed from a boot snapshot: gives it an identity of its own, as a first boot would.

Standard library and the guest's own cloud-init only. It is started while the snapshot is made, loads
cloud-init (which takes seconds on an emulated CPU) and waits at a named pipe. After the resume it reads
one line of JSON from there: {"time": seconds since the epoch, "seed": base64 of random bytes,
"machine_id": 32 hex digits, "mac": the first NIC's or null}. It makes the file READY when one can log in, and
goes on with cloud-init's last stages, as a boot would. /run/first-boot.log tells how long each step took.
"""

import base64
import fcntl
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PIPE = "/run/first-boot"
READY = "/run/first-boot-ready"
_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207
_NIC_SECONDS = 90.0  # of a guest that shares two processors with three others
_SOURCES = ("ConfigDrive", "None")

Main = Callable[[list[str]], object]


def first_boot() -> None:
    preload()
    main: Main = importlib.import_module("cloudinit.cmd.main").main
    clean = importlib.import_module("cloudinit.cmd.clean").remove_artifacts
    os.mkfifo(PIPE, 0o600)
    with Path(PIPE).open() as pipe:
        order = json.loads(pipe.readline())
    Path(PIPE).unlink()
    trace("order read")
    take_identity(order)
    clean(remove_logs=True)
    run_stage(main, "init", "--local")
    # at a boot, networkd starts between these two stages; the address comes while the second one runs
    subprocess.run(["networkctl", "reload"], check=True)
    run_stage(main, "init")
    # sshd still has the snapshot's host keys
    os.kill(int(Path("/run/sshd.pid").read_text()), signal.SIGHUP)
    Path(READY).touch()
    run_stage(main, "modules", "--mode", "config")
    run_stage(main, "modules", "--mode", "final")


def take_identity(order: dict[str, str | float | None]) -> None:
    time.clock_settime(time.CLOCK_REALTIME, float(order["time"] or 0))
    reseed(base64.b64decode(str(order["seed"])))
    Path("/etc/machine-id").write_text(f"{order['machine_id']}\n")
    if order["mac"]:
        wait_for_nic(str(order["mac"]))
    trace("identity taken")


def reseed(seed: bytes) -> None:
    """All clones start with the same random state: mix in what the host drew for this one."""
    with Path("/dev/urandom").open("wb") as device:
        entropy = struct.pack("ii", len(seed) * 8, len(seed)) + seed
        fcntl.ioctl(device, _RNDADDENTROPY, entropy)
        fcntl.ioctl(device, _RNDRESEEDCRNG)


def wait_for_nic(mac: str) -> None:
    """Until the NIC is there under its lasting name, which udev gives it."""
    deadline = time.monotonic() + _NIC_SECONDS
    while time.monotonic() < deadline:
        for nic in Path("/sys/class/net").iterdir():
            # eth0 may be gone a moment after it was listed: only the lasting name is read
            if not nic.name.startswith("eth") and (nic / "address").read_text().strip() == mac.lower():
                return
        time.sleep(0.05)
    raise SystemExit(f"no NIC with address {mac} appeared")


def run_stage(main: Main, *arguments: str) -> None:
    sys.argv = ["cloud-init", *arguments]
    try:
        main(sys.argv)
    except SystemExit as ended:
        if ended.code:
            raise
    trace(" ".join(arguments))


def preload() -> None:
    """Loads what the stages import only when they need it."""
    for name in _SOURCES:
        importlib.import_module(f"cloudinit.sources.DataSource{name}")
    modules = Path(str(importlib.import_module("cloudinit.config").__file__)).parent
    for path in sorted(modules.glob("cc_*.py")):
        importlib.import_module(f"cloudinit.config.{path.stem}")


def trace(what: str) -> None:
    # cloud-init redirects the standard output
    with Path("/run/first-boot.log").open("a") as log:
        log.write(f"{time.monotonic():.2f} {what}\n")


if __name__ == "__main__":
    first_boot()
