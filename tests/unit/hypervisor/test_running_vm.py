"""One worker VM, resumed from the boot snapshot, and what clouds do with VMs. In the order of the file."""

import hashlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coriolis_lab.guests.library import WORKER_IMAGE
from coriolis_lab.hypervisor.api import Bus, HypervisorError, VmDisk, VmNic, VmSpec, VmState
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.preparation import prepare
from coriolis_lab.settings import LabSettings

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

MIB = 2**20
VM = "9d1c5f0e-0000-4000-8000-0000000000aa"
META = {"uuid": VM, "hostname": "minion-7", "name": "minion-7", "launch_index": 0}
USER_DATA = b"#cloud-config\nwrite_files:\n- {path: /etc/told, content: heard}\n"
NIC = VmNic(mac="fa:16:3e:12:34:56", network="10.20.0.0/24", address="10.20.0.77")


@dataclass
class Lab:
    hypervisor: LocalHypervisor
    key: Path
    address: str

    def ssh(self, command: str, seconds: float = 60) -> str:
        """Tries until the guest lets it in."""
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ConnectTimeout=10",
        ]
        login = ["ssh", "-q", "-i", str(self.key), *(part for o in options for part in ("-o", o))]
        deadline = time.monotonic() + seconds
        while True:
            done = subprocess.run(
                [*login, f"debian@{self.address}", command], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return done.stdout.strip()
            if time.monotonic() > deadline:
                raise AssertionError(f"ssh: {done.returncode} {done.stdout} {done.stderr}")
            time.sleep(1)

    def device(self, serial: str) -> str:
        find = f"lsblk -dnro NAME,SERIAL | awk '$2 && index(\"{serial}\", $2) == 1 {{print $1; exit}}'"
        return self.ssh(
            f'for i in $(seq 50); do d=$({find}); [ -n "$d" ] && echo /dev/$d && exit; sleep 0.2; done; false'
        )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = LabSettings(root=tmp_path_factory.mktemp("lab"))
    library = prepare(settings.cache, print)
    key = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    hypervisor = LocalHypervisor(settings)
    try:
        hypervisor.register_image("worker", library.image(WORKER_IMAGE), "raw")
        hypervisor.disk_from_image("boot-disk", "worker", 3 * 2**30)
        hypervisor.define_vm(
            VmSpec(
                id=VM,
                name="minion-7",
                memory_mb=1024,
                cpus=2,
                disks=[VmDisk("boot-disk", Bus.VIRTIO, 0)],
                nics=[NIC],
                config_drive={
                    "openstack/latest/meta_data.json": json.dumps(
                        {**META, "public_keys": {"mine": public}}
                    ).encode(),
                    "openstack/latest/user_data": USER_DATA,
                },
            )
        )
        address = hypervisor.allocate_address()
        hypervisor.set_ssh_address(VM, NIC.mac, address)
        yield Lab(hypervisor, key, address)
    finally:
        hypervisor.close()


def test_it_starts_with_its_own_identity(lab: Lab) -> None:
    began = time.monotonic()
    lab.hypervisor.start_vm(VM)
    started = time.monotonic() - began
    assert lab.ssh("hostname; sudo -n id -u").split() == ["minion-7", "0"]
    print(f"started after {started:.1f} s, logged in after {time.monotonic() - began:.1f} s")
    assert started > 1, "the boot snapshot was not used: a resume includes the first boot"
    assert lab.ssh("cat /etc/told") == "heard"
    assert abs(int(lab.ssh("date +%s")) - time.time()) < 15
    status = lab.hypervisor.vm_status(VM)
    assert status.state == VmState.RUNNING


def test_the_disk_has_the_size_that_was_asked_for(lab: Lab) -> None:
    assert lab.ssh("cat /sys/block/vda/size") == str(3 * 2**30 // 512)


def test_the_agent_tells_the_address(lab: Lab) -> None:
    nics = {nic.mac: nic for nic in lab.hypervisor.guest_interfaces(VM) or []}
    assert NIC.address in nics[NIC.mac].addresses


def test_the_agent_holds_the_guests_file_systems(lab: Lab) -> None:
    """What runs in the guest waits where it writes, and goes on afterwards."""
    ticking = "while :; do date +%s >> /var/tmp/ticks; sleep 0.2; done"
    lab.ssh(
        f"nohup sh -c '{ticking}' > /dev/null 2>&1 & echo $! > /var/tmp/pid; sleep 3; test -s /var/tmp/ticks"
    )
    lab.hypervisor.freeze_guest(VM)
    lab.hypervisor.snapshot_disks({"boot-disk": "while-frozen"})
    time.sleep(8)
    lab.hypervisor.thaw_guest(VM)
    lab.hypervisor.thaw_guest(VM)
    ticks = [int(line) for line in lab.ssh("sleep 2; kill $(cat /var/tmp/pid); cat /var/tmp/ticks").split()]
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(gaps) >= 6
    assert ticks[-1] > ticks[gaps.index(max(gaps)) + 1]
    lab.hypervisor.delete_snapshot("while-frozen")


@pytest.mark.parametrize(("disk_id", "bus"), [("hot-virtio", Bus.VIRTIO), ("hot-scsi", Bus.VIRTIO_SCSI)])
def test_a_disk_comes_and_goes_while_it_runs(lab: Lab, disk_id: str, bus: Bus) -> None:
    lab.hypervisor.create_disk(disk_id, 64 * MIB)
    lab.hypervisor.attach_disk(VM, VmDisk(disk_id, bus))
    device = lab.device(disk_id)
    lab.ssh(f"yes one | head -c 1048576 | sudo dd of={device} conv=fsync status=none")
    with pytest.raises(HypervisorError, match="in use"):
        lab.hypervisor.disk_digest(disk_id)
    lab.hypervisor.resize_disk(disk_id, 96 * MIB)
    assert lab.ssh(f"sudo blockdev --getsize64 {device}") == str(96 * MIB)
    lab.hypervisor.detach_disk(VM, disk_id)
    assert disk_id not in lab.ssh("lsblk -dno SERIAL")
    expected = hashlib.sha256(b"one\n" * (MIB // 4) + bytes(95 * MIB)).hexdigest()
    assert lab.hypervisor.disk_digest(disk_id) == expected


def test_disks_are_frozen_at_one_instant_while_attached(lab: Lab) -> None:
    for number in (1, 2):
        lab.hypervisor.create_disk(f"pair-{number}", MIB)
        lab.hypervisor.attach_disk(VM, VmDisk(f"pair-{number}", Bus.VIRTIO_SCSI))
    devices = [lab.device(f"pair-{number}") for number in (1, 2)]
    for device in devices:
        lab.ssh(f"yes a | head -c 4096 | sudo dd of={device} conv=fsync status=none")
    lab.hypervisor.snapshot_disks({"pair-1": "snap-1", "pair-2": "snap-2"})
    for device in devices:
        lab.ssh(f"yes b | head -c 4096 | sudo dd of={device} conv=fsync status=none")
    lab.hypervisor.disk_from_snapshot("old-1", "snap-1")
    for number in (1, 2):
        lab.hypervisor.detach_disk(VM, f"pair-{number}")
    old, new = (hashlib.sha256(text * 2048 + bytes(MIB - 4096)).hexdigest() for text in (b"a\n", b"b\n"))
    assert lab.hypervisor.disk_digest("old-1") == old
    assert lab.hypervisor.disk_digest("pair-1") == lab.hypervisor.disk_digest("pair-2") == new
    lab.hypervisor.revert_disk("pair-2", "snap-2")
    assert lab.hypervisor.disk_digest("pair-2") == old


def test_its_address_moves(lab: Lab) -> None:
    lab.hypervisor.set_ssh_address(VM, NIC.mac, None)
    lab.address = lab.hypervisor.allocate_address()
    lab.hypervisor.set_ssh_address(VM, NIC.mac, lab.address)
    assert lab.ssh("hostname") == "minion-7"


def test_the_power_button_ends_it(lab: Lab) -> None:
    lab.hypervisor.stop_vm(VM)
    deadline = time.monotonic() + 120
    while lab.hypervisor.vm_status(VM).state == VmState.RUNNING and time.monotonic() < deadline:
        time.sleep(1)
    status = lab.hypervisor.vm_status(VM)
    assert (status.state, status.stop_reason) == (VmState.STOPPED, "the guest shut down")


def test_the_second_start_is_a_real_boot_of_the_same_disk(lab: Lab) -> None:
    lab.hypervisor.start_vm(VM)
    assert lab.ssh("hostname; cat /etc/told", seconds=600).split() == ["minion-7", "heard"]
    assert "Linux version" in lab.hypervisor.console_log(VM)


def test_the_plug_ends_it_at_once(lab: Lab) -> None:
    lab.hypervisor.stop_vm(VM, force=True)
    assert lab.hypervisor.vm_status(VM).stop_reason == "stopped by request"
