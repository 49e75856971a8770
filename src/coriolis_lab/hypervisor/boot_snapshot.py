"""Prepared boot snapshots: the state of a VM that has just booted an image, kept in the cache.

    <cache>/boot-snapshots/<key>/ram       memory: sparse, mapped copy-on-write by each VM that resumes
                                /state     device state, without the memory
                                /disk.qcow2  what the boot wrote above the image
                                /profile.json

The key covers whatever the state depends on: QEMU, the image, the machine, and how the snapshot is made.
"""

import ast
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coriolis.runner import run
from coriolis_lab.guests.library import exclusive, scratch_directory
from coriolis_lab.hypervisor import command_line, identity, network
from coriolis_lab.hypervisor.agent import AgentSilentError, GuestAgent
from coriolis_lab.hypervisor.api import Bus, HypervisorError, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.hypervisor.command_line import MemoryFile, PlacedDisk, VmPaths
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.migration import save_state
from coriolis_lab.hypervisor.process import Spawner
from coriolis_lab.hypervisor.topology import CD_ID, Topology
from coriolis_lab.hypervisor.vm import VirtualMachine

LOG = logging.getLogger(__name__)

MEMORY_MB = 1024
CPUS = 2
_BOOT_SECONDS = 900.0
_SETTLE_SECONDS = 3.0
_KEEP_OUTDATED_SECONDS = 7 * 24 * 3600.0
_DISK_ID = "boot-snapshot"
_META_DATA = {"uuid": "boot-snapshot", "hostname": "debian", "name": "debian", "launch_index": 0}
# Programs that the first boot or the first login runs: their pages are then in the snapshot's memory.
_WARM_UP = """
ssh-keygen -q -t ed25519 -N '' -f /run/warm && rm -f /run/warm /run/warm.pub
networkctl list; sudo -n true; blkid; lsblk; udevadm info /dev/vda; systemctl status ssh
python3 -c 'import json, hashlib, subprocess'
chpasswd --help; useradd --help; passwd --help; getent passwd debian; sync
"""


@dataclass(frozen=True)
class BootSnapshot:
    """`identity_pid`: the process in the guest that waits to give it an identity."""

    directory: Path
    identity_pid: int

    @property
    def memory(self) -> Path:
        return self.directory / "ram"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"


class BootSnapshots:
    def __init__(self, cache: Path) -> None:
        self._directory = cache / "boot-snapshots"
        self._locks = cache / "locks"

    def find(self, spec: VmSpec, image: Layer | None) -> BootSnapshot | None:
        """The snapshot that a VM of this definition can start from, if there is one for its image."""
        if image is None or image.format != "raw" or not _fits(spec):
            return None
        return self._load(self._directory / _key(image.path))

    def ensure(self, image: Path, report: Callable[[str], None]) -> None:
        """Boots the image once if it has no snapshot yet. Takes as long as that boot, a minute or more."""
        key = _key(image)
        with exclusive(self._locks / f"boot-snapshot-{key}"):
            if self._load(self._directory / key):
                return
            self._remove_outdated()
            report(f"booting {image.name} once to keep a boot snapshot")
            began = time.monotonic()
            with scratch_directory(self._directory / f".new-{key}") as scratch:
                made = scratch / key
                made.mkdir()
                _prepare(image, made)
                made.rename(self._directory / key)
            report(f"boot snapshot kept after {time.monotonic() - began:.0f} s")

    def _remove_outdated(self) -> None:
        """Each takes half a gigabyte. A younger one may still be used or made by another lab."""
        for directory in self._directory.glob("*"):
            if time.time() - directory.stat().st_mtime > _KEEP_OUTDATED_SECONDS:
                shutil.rmtree(directory, ignore_errors=True)

    @staticmethod
    def _load(directory: Path) -> BootSnapshot | None:
        profile = directory / "profile.json"
        if not profile.exists():
            return None
        return BootSnapshot(directory, int(json.loads(profile.read_text())["identity_pid"]))


def _fits(spec: VmSpec) -> bool:
    boots_from = spec.disks[0] if spec.disks else None
    return (
        spec.machine == Machine.PC
        and not spec.uefi
        and (spec.memory_mb, spec.cpus) == (MEMORY_MB, CPUS)
        and spec.guest_agent_channel
        and spec.config_drive is not None
        and boots_from is not None
        and boots_from.bus == Bus.VIRTIO
        and all(disk.bus in (Bus.VIRTIO, Bus.VIRTIO_SCSI) for disk in spec.disks)
    )


def _key(image: Path) -> str:
    """The image goes in by name, size and time: reading 2 GiB would take longer than the start."""
    status = image.stat()
    template, topology = _template(), Topology(Machine.PC)
    boot_disk = PlacedDisk(
        template.disks[0], Layer(Path("disk"), "qcow2", status.st_size), topology.virtio_disks[0]
    )
    paths = VmPaths(Path("run"))
    machine = command_line.build(template, topology, paths, [boot_disk], [], config_drive=False)
    ingredients = [
        run([command_line.QEMU, "--version"]).text,
        f"{image.name} {status.st_size} {status.st_mtime_ns}",
        json.dumps(machine),
        _WARM_UP,
        ast.dump(ast.parse(Path(identity.__file__).read_text())),
    ]
    return hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:20]


def _prepare(image: Path, target: Path) -> None:
    snapshot = BootSnapshot(target, 0)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", snapshot.disk])
    run_dir = Path(tempfile.mkdtemp(prefix=f"colab-{os.getpid()}-", dir="/run"))
    spawner = Spawner()
    machine = VirtualMachine(_template(), VmPaths(run_dir), spawner)
    try:
        top = Layer(snapshot.disk, "qcow2", image.stat().st_size)
        machine.launch(
            [machine.place_boot_disk(top)],
            list(machine.nics.values()),
            config_drive=machine.write_config_drive(),
            memory=MemoryFile(snapshot.memory, shared=True),
        )
        identity_pid = _boot(machine)
        _remove_what_is_its_own(machine)
        time.sleep(_SETTLE_SECONDS)
        save_state(machine.monitor, snapshot.state)
    finally:
        machine.kill()
        spawner.close()
        shutil.rmtree(run_dir, ignore_errors=True)
    (target / "profile.json").write_text(json.dumps({"identity_pid": identity_pid, "image": str(image)}))


def _template() -> VmSpec:
    return VmSpec(
        id="boot-snapshot",
        name="boot-snapshot",
        memory_mb=MEMORY_MB,
        cpus=CPUS,
        disks=[VmDisk(_DISK_ID, Bus.VIRTIO, boot_index=0)],
        # a NIC of the clones' kind: the guest loads its driver; it is unplugged before the snapshot
        nics=[VmNic(mac="52:54:00:00:00:01", network="10.0.2.0/24", address="10.0.2.15")],
        config_drive={
            "openstack/latest/meta_data.json": json.dumps(_META_DATA).encode(),
            "openstack/latest/user_data": b"#cloud-config\n{}\n",
        },
    )


def _boot(machine: VirtualMachine) -> int:
    """Waits until the guest is up and idle, and leaves the identity process waiting; its pid in the guest."""
    deadline = time.monotonic() + _BOOT_SECONDS
    while True:
        try:
            with GuestAgent(machine.paths.agent, timeout=5) as agent:
                if (
                    agent.run(["sh", "-c", "systemctl is-active emergency.service || true"]).strip()
                    == "active"
                ):
                    raise HypervisorError("the boot ended in a rescue shell")
                # its own verdict does not count: a module that failed would have failed at any boot
                agent.wait(agent.start(["cloud-init", "status", "--wait"]), _BOOT_SECONDS)
                agent.run(["sh", "-c", _WARM_UP + "exit 0"], timeout=120)
                return _start_identity(agent)
        except AgentSilentError:
            if time.monotonic() > deadline or not machine.is_running:
                raise
            time.sleep(2)


def _start_identity(agent: GuestAgent) -> int:
    pid = agent.start(["python3", "-"], stdin=Path(identity.__file__).read_bytes())
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            agent.run(["test", "-p", identity.PIPE])
        except HypervisorError:
            status = agent.status(pid)
            if status.ended:
                raise HypervisorError(
                    f"the identity process ended: {status.errors or status.output}"
                ) from None
            time.sleep(1)
        else:
            return pid
    raise HypervisorError("the identity process did not get ready")


def _remove_what_is_its_own(machine: VirtualMachine) -> None:
    monitor = machine.monitor
    monitor.execute("blockdev-open-tray", {"id": CD_ID, "force": True})
    monitor.execute("blockdev-remove-medium", {"id": CD_ID})
    for mac in machine.nics:
        since = monitor.mark()
        device = network.device_id(mac)
        monitor.execute("device_del", {"id": device})
        if not monitor.wait_event("DEVICE_DELETED", {"device": device}, since, timeout=60):
            raise HypervisorError("the guest did not release the NIC")
        monitor.execute("netdev_del", {"id": network.netdev_id(mac)})
