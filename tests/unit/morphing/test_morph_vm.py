"""The real thing: a server installed on VMware is morphed on a worker VM and then starts on virtio."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coriolis.errors import Cancelled
from coriolis.model.enums import Firmware, OsType
from coriolis.model.morphing import MorphingProfile
from coriolis.model.replica import DetectedOs
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.morphing.job import MorphJob
from coriolis.morphing.process import run_morph_job
from coriolis.workers.ssh import SshSession, wait_for_ssh
from coriolis_lab.guests.library import GuestLibrary
from coriolis_lab.hypervisor.api import Bus, GuestNic, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.settings import LabSettings

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2400)]

_CACHE = Path("/var/cache/coriolis-lab")
_NEW_MAC = "56:6f:1a:2b:00:01"
_NEW_ADDRESS = "10.30.0.77"
_BOOT_SECONDS = (
    900  # one minute on an idle machine; many more where several emulated machines share two processors
)


class Bench:
    """A hypervisor, the guest images, and a worker VM that is started once."""

    def __init__(self, root: Path) -> None:
        self.library = GuestLibrary(_CACHE)
        self.library.ensure(["worker", "source", "source-data"])
        self.hypervisor = LocalHypervisor(LabSettings(root=root, cache=_CACHE))
        for name in ("worker", "source", "source-data"):
            self.hypervisor.register_image(name, self.library.image(name), "raw")

    def start_worker(self) -> None:
        address = self.hypervisor.allocate_address()
        public_key = self.library.private_key.with_name("id_ed25519.pub").read_text().strip()
        meta = {"uuid": "0a0b0c0d-0000-4000-8000-000000000001", "hostname": "w1", "name": "w1"}
        drive = {
            "openstack/latest/meta_data.json": json.dumps(meta | {"public_keys": {"k": public_key}}).encode(),
            "openstack/latest/user_data": b"#cloud-config\n{}\n",
        }
        nic = VmNic(
            mac="fa:16:3e:00:00:01", network="10.20.0.0/24", address="10.20.0.10", ssh_address=address
        )
        self.hypervisor.disk_from_image("boot-w1", "worker")
        self.hypervisor.define_vm(
            VmSpec(
                id="w1",
                name="w1",
                memory_mb=1024,
                cpus=2,
                disks=[VmDisk("boot-w1", Bus.VIRTIO, 0)],
                nics=[nic],
                config_drive=drive,
            )
        )
        self.hypervisor.start_vm("w1")
        login = SshLogin(
            address=address, username="debian", private_key=Secret(self.library.private_key.read_text())
        )
        self.login = wait_for_ssh(login, "w1", timeout=_BOOT_SECONDS)

    def morph(
        self, disks: list[str], report: Callable[[str], None], check: Callable[[], None] = lambda: None
    ) -> DetectedOs:
        """Attaches the disks to the worker, morphs, detaches."""
        for disk in disks:
            self.hypervisor.attach_disk("w1", VmDisk(disk, Bus.VIRTIO))
        try:
            job = MorphJob(
                login=self.login,
                disks=tuple(WorkerDisk(disk, disk, 0) for disk in disks),
                token=1,
                os_type=OsType.LINUX,
                firmware=Firmware.BIOS,
                profile=MorphingProfile(mac_addresses=(_NEW_MAC,)),
                offline_packages_dir=self.library.packages_dir.parent,
            )
            return run_morph_job(job, report=report, check=check)
        finally:
            for disk in reversed(disks):
                self.hypervisor.detach_disk("w1", disk)

    def boot_on_virtio(self, vm: str, disks: list[str]) -> GuestNic:
        """Starts a machine of the new cloud and waits for its guest agent to tell the new address."""
        nic = VmNic(mac=_NEW_MAC, network="10.30.0.0/24", address=_NEW_ADDRESS)
        attached = [VmDisk(disk, Bus.VIRTIO, index) for index, disk in enumerate(disks)]
        self.hypervisor.define_vm(
            VmSpec(vm, vm, memory_mb=768, cpus=2, disks=attached, nics=[nic], machine=Machine.Q35)
        )
        self.hypervisor.start_vm(vm)
        began = time.monotonic()
        try:
            while time.monotonic() < began + _BOOT_SECONDS:
                for found in self.hypervisor.guest_interfaces(vm) or ():
                    if found.mac == _NEW_MAC and _NEW_ADDRESS in found.addresses:
                        print(f"agent answered after {time.monotonic() - began:.1f} s: {found}")
                        return found
                time.sleep(1)
            pytest.fail(
                f"no guest agent in {_BOOT_SECONDS} s; console:\n{self.hypervisor.console_log(vm)[-3000:]}"
            )
        finally:
            self.hypervisor.stop_vm(vm, force=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86")
    bench = Bench(tmp_path_factory.mktemp("lab"))
    try:
        bench.start_worker()
        yield bench
    finally:
        bench.hypervisor.close()


def test_a_vmware_guest_boots_on_virtio_with_agent_and_dhcp(bench: Bench) -> None:
    disks = ["1r00t111-aaaa-4000-8000-000000000001", "2da7a222-aaaa-4000-8000-000000000001"]
    bench.hypervisor.disk_from_image(disks[0], "source")
    bench.hypervisor.disk_from_image(disks[1], "source-data")
    said: list[str] = []
    began = time.monotonic()
    found = bench.morph(disks, lambda text: said.append(f"{time.monotonic() - began:6.1f} s  {text}"))
    print(f"morphed in {time.monotonic() - began:.1f} s", *said, sep="\n")
    assert found == DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")
    assert not [text for text in said if "Warning" in text]
    assert bench.boot_on_virtio("final", disks).name == "eth0"


def test_a_cancelled_morphing_leaves_the_worker_clean(bench: Bench) -> None:
    disk = "3r00t333-aaaa-4000-8000-000000000001"
    bench.hypervisor.disk_from_image(disk, "source")
    said: list[str] = []

    def check() -> None:
        if any("initramfs" in text for text in said):
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.morph([disk], said.append, check)  # the disk can be detached: nothing holds it
    with SshSession(bench.login) as session:
        left = session.run("findmnt -rno TARGET; ls -d /tmp/coriolis* 2>/dev/null; true", sudo=True).text
    assert "coriolis" not in left
