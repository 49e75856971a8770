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
from tests.unit.transfer.copying import LEAF, Pair

MIB = 1 << 20


class LoopPair(Pair):
    """A pair whose ends are loop devices over its files; the last leaf is three sectors short of whole."""

    def __init__(self, sshd: PrivateSshd, directory: Path, sectors: tuple[int, int]) -> None:
        """`sectors`: bytes a sector of the source and of the destination."""
        super().__init__(sshd, directory, 6 * MIB + max(sectors) * 3)
        self.devices: dict[Path, str] = {}
        for path, sector in zip((self.source, self.destination), sectors, strict=True):
            self.devices[path] = self._attach(path, sector)

    def _attach(self, path: Path, sector: int) -> str:
        command = ["losetup", "-f", "--show", f"--sector-size={sector}", str(path)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            self.detach()
            pytest.skip(f"no loop devices with sectors of {sector} here: {done.stderr.decode().strip()}")
        return done.stdout.decode().strip()

    def end(self, path: Path, disk_id: str) -> DiskEnd:
        login = self.sshd.login(host_key=self.sshd.host_key)
        return DiskEnd(login, WorkerDisk(disk_id, self.devices[path], self.size))

    def detach(self) -> None:
        for device in self.devices.values():
            subprocess.run(["losetup", "-d", device], check=True)


@pytest.fixture(params=[(512, 512), (4096, 4096), (512, 4096), (4096, 512)], ids="{0[0]}-{0[1]}".format)
def pair(request: pytest.FixtureRequest, sshd: PrivateSshd, tmp_path: Path) -> Iterator[LoopPair]:
    pair = LoopPair(sshd, tmp_path, request.param)
    yield pair
    pair.detach()


def device_content(pair: LoopPair, path: Path) -> bytes:
    return subprocess.run(
        ["dd", f"if={pair.devices[path]}", "status=none"], capture_output=True, check=True
    ).stdout


def test_full_zeroed_and_incremental(pair: LoopPair) -> None:
    Path(pair.devices[pair.destination]).write_bytes(os.urandom(pair.size))
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
    assert verify_disk(end, pair.manifest(2)) == second.root_digest


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


def test_a_compared_device(pair: LoopPair) -> None:
    """Nothing is known of the destination but what is read from it."""
    pair.copy(1)
    for path, offset in ((pair.source, MIB + 5), (pair.destination, 3 * MIB + 5)):
        with Path(pair.devices[path]).open("r+b") as device:
            device.seek(offset)
            device.write(os.urandom(8))
    os.sync()
    result = pair.copy(2, compare_destination=True)
    assert device_content(pair, pair.destination) == device_content(pair, pair.source)
    assert result.moved + result.zero == 2 * LEAF
