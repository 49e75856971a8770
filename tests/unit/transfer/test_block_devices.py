"""Copies between block devices, where size, zeroing and direct reads go other ways than with files."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coriolis.errors import TransferError
from coriolis.model.worker import WorkerDisk
from coriolis.transfer.audit import verify_disk
from coriolis.transfer.job import DiskEnd
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import Pair

MIB = 1 << 20
SIZE = 6 * MIB + 512 * 3


class LoopPair(Pair):
    """A pair whose ends are loop devices over its files."""

    def __init__(self, sshd: PrivateSshd, directory: Path) -> None:
        super().__init__(sshd, directory, SIZE)
        self.devices = {path: self._attach(path) for path in (self.source, self.destination)}

    @staticmethod
    def _attach(path: Path) -> str:
        done = subprocess.run(["losetup", "-f", "--show", str(path)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no loop devices here: {done.stderr.decode().strip()}")
        return done.stdout.decode().strip()

    def end(self, path: Path, disk_id: str) -> DiskEnd:
        login = self.sshd.login(host_key=self.sshd.host_key)
        return DiskEnd(login, WorkerDisk(disk_id, self.devices[path], self.size))

    def detach(self) -> None:
        for device in self.devices.values():
            subprocess.run(["losetup", "-d", device], check=True)


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Iterator[LoopPair]:
    (tmp_path / "disk-1.destination").write_bytes(os.urandom(SIZE))
    pair = LoopPair(sshd, tmp_path)
    yield pair
    pair.detach()


def device_content(pair: LoopPair, path: Path) -> bytes:
    return subprocess.run(
        ["dd", f"if={pair.devices[path]}", "status=none"], capture_output=True, check=True
    ).stdout


def test_full_zeroed_and_incremental(pair: LoopPair) -> None:
    subprocess.run(
        ["dd", "if=/dev/urandom", f"of={pair.devices[pair.destination]}", "status=none"], check=False
    )
    first = pair.copy(1)
    assert device_content(pair, pair.destination) == device_content(pair, pair.source)
    with Path(pair.devices[pair.source]).open("r+b") as device:
        device.seek(2 * MIB)
        device.write(bytes(MIB) + os.urandom(MIB))
    os.sync()
    second = pair.copy(2, previous=pair.manifest(1))
    assert second.moved == MIB
    assert second.root_digest != first.root_digest
    assert device_content(pair, pair.destination) == device_content(pair, pair.source)
    end = pair.end(pair.destination, "v")
    assert verify_disk(end.login, end.disk, pair.manifest(2)) == second.root_digest


def test_a_mounted_destination_is_refused(pair: LoopPair, tmp_path: Path) -> None:
    """Seen from the sshd's mount namespace, where the worker mounts it."""
    mkfs = subprocess.run(
        ["mkfs.ext4", "-q", pair.devices[pair.destination]], capture_output=True, check=False
    )
    if mkfs.returncode:
        pytest.skip("no mkfs.ext4 here")
    target = tmp_path / "mounted"
    target.mkdir()
    inside = ["nsenter", "-m", "-t", str(pair.sshd.process.pid)]
    subprocess.run([*inside, "mount", pair.devices[pair.destination], str(target)], check=True)
    try:
        with pytest.raises(TransferError, match="in use by this machine: mounted on"):
            pair.copy(1)
    finally:
        subprocess.run([*inside, "umount", str(target)], check=True)
