"""Disks that differ from the last run in more than their content, and instances of which one disk changed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from coriolis.errors import TransferError
from coriolis.transfer.audit import verify_disk
from coriolis.transfer.job import CopyJob
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, run, touch_leaves

MIB = 1 << 20


def resize(pair: Pair, size: int) -> None:
    """Both ends, as providers do; what a disk grows by reads as zeros."""
    for path in (pair.source, pair.destination):
        os.truncate(path, size)
    pair.size = size


@pytest.mark.parametrize("growth", [512, LEAF, 3 * MIB + 512])
def test_a_disk_that_grew(sshd: PrivateSshd, tmp_path: Path, growth: int) -> None:
    pair = Pair(sshd, tmp_path, 4 * MIB + 512)
    pair.copy(1)
    resize(pair, pair.size + growth)
    with pair.source.open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(os.urandom(200))
    result = pair.copy(2, previous=pair.manifest(1))
    assert pair.identical()
    assert result.moved + result.zero + result.unchanged == pair.size
    assert result.moved <= 2 * LEAF  # the new end, and the leaf that was the short last one
    end = pair.end(pair.destination, "volume")
    assert verify_disk(end, pair.manifest(2)) == result.root_digest


def test_a_disk_that_shrank(sshd: PrivateSshd, tmp_path: Path) -> None:
    """A source can shrink (another snapshot, a restored backup), a volume cannot: what lies behind the end of
    the source stays as it is.
    """
    pair = Pair(sshd, tmp_path, 4 * MIB)
    pair.copy(1)
    tail = pair.destination.read_bytes()[3 * MIB - 1000 :]
    pair.size = 3 * MIB - 1000
    os.truncate(pair.source, pair.size)
    changed = touch_leaves(pair.source, 0.05)
    result = pair.copy(2, previous=pair.manifest(1))
    content = pair.destination.read_bytes()
    assert content[: pair.size] == pair.source.read_bytes()
    assert content[pair.size :] == tail
    assert result.moved <= changed + LEAF


def test_a_destination_that_is_too_small_is_refused(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 2 * MIB)
    os.truncate(pair.destination, 2 * MIB - 512)
    before = pair.destination.read_bytes()
    with pytest.raises(TransferError, match=f"has {2 * MIB - 512} bytes, not {2 * MIB}"):
        pair.copy(1)
    assert pair.destination.read_bytes() == before


def test_only_the_last_of_several_disks_changed(sshd: PrivateSshd, tmp_path: Path) -> None:
    """A disk without changes must not end the work on those after it, nor lend them its result."""
    pairs = [Pair(sshd, tmp_path, (2 + n) * MIB + 512, f"disk-{n}") for n in range(3)]
    scope = f"transfer-{tmp_path}"
    run(CopyJob(tuple(pair.disk(1) for pair in pairs), scope, 1))
    changed = touch_leaves(pairs[-1].source, 0.1)
    copies = tuple(pair.disk(2, previous=pair.manifest(1)) for pair in pairs)
    for parallel in (1, 2):
        results = run(replace(CopyJob(copies, scope, 1), parallel_disks=parallel))
        assert [result.moved for result in results] == [0, 0, changed]
        assert all(pair.identical() for pair in pairs)
        assert all(pair.manifest(2).exists() for pair in pairs)
