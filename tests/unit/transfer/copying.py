"""Whole copies between files, through sessions to the private sshd."""

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.model.worker import WorkerDisk
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd
from coriolis.transfer.process import run_copy_job
from tests.unit.sshd import PrivateSshd

LEAF = 65536


class Pair:
    """A source and a destination file of `size` bytes and what it takes to copy one to the other."""

    def __init__(self, sshd: PrivateSshd, directory: Path, size: int, disk_id: str = "disk-1") -> None:
        self.sshd = sshd
        self.size = size
        self.disk_id = disk_id
        self.directory = directory
        self.source = directory / f"{disk_id}.source"
        self.destination = directory / f"{disk_id}.destination"
        self.source.write_bytes(mixed(size))
        self.destination.touch()
        os.truncate(self.destination, size)

    def manifest(self, generation: int) -> Path:
        return self.directory / f"{self.disk_id}.{generation}.leaves"

    def end(self, path: Path, disk_id: str) -> DiskEnd:
        return DiskEnd(
            self.sshd.login(host_key=self.sshd.host_key), WorkerDisk(disk_id, str(path), self.size)
        )

    def disk(self, generation: int, **changes: Any) -> DiskCopy:
        copy = DiskCopy(
            disk_id=self.disk_id,
            size_bytes=self.size,
            source=self.end(self.source, "snapshot-" + self.disk_id),
            destination=self.end(self.destination, "volume-" + self.disk_id),
            generation=generation,
            manifest=self.manifest(generation),
        )
        return replace(copy, **changes)

    def job(self, generation: int, *, token: int = 1, compression: str = "auto", **changes: Any) -> CopyJob:
        scope = f"transfer-{self.directory}"
        return CopyJob(
            (self.disk(generation, **changes),), scope, token, compression=compression, connect_timeout=30
        )

    def copy(self, generation: int, **changes: Any) -> DiskResult:
        (result,) = run(self.job(generation, **changes))
        return result

    def identical(self) -> bool:
        return self.source.read_bytes() == self.destination.read_bytes()


def run(job: CopyJob) -> tuple[DiskResult, ...]:
    reports: list[DiskProgress] = []
    results = run_copy_job(job, report=reports.append, check=lambda: None)
    for copy in job.copies:
        mine = [report for report in reports if report.disk_id == copy.disk_id]
        assert [report.scanned for report in mine] == sorted(report.scanned for report in mine)
        assert mine[-1].scanned == copy.size_bytes
    return results


def mixed(size: int, seed: int = 1) -> bytes:
    """Half zeros, the rest text and noise, in pieces of up to a MiB."""
    rng = random.Random(seed)  # noqa: S311 - test data
    data = bytearray()
    while len(data) < size:
        length = rng.randrange(4096, 1 << 20)
        kind = rng.random()
        text = b"Nov 22 02:00:00 host daemon[%d]: something happened\n" % rng.randrange(1 << 20)
        data += (
            bytes(length)
            if kind < 0.5
            else text * (length // len(text))
            if kind < 0.75
            else rng.randbytes(length)
        )
    return bytes(data[:size])


def touch_leaves(path: Path, share: float, seed: int = 2) -> int:
    """Writes a few bytes into `share` of the leaves; gives how many bytes of leaves that makes."""
    leaves = path.stat().st_size // LEAF
    rng = random.Random(seed)  # noqa: S311 - test data
    chosen = rng.sample(range(leaves), max(1, int(leaves * share)))
    with path.open("r+b") as file:
        for leaf in chosen:
            file.seek(leaf * LEAF + 1000)
            file.write(os.urandom(100))
    return len(chosen) * LEAF


def flip_bit(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))
