"""Whole copies: every byte, and no more bytes than needed."""

import os
from pathlib import Path

import pytest

from coriolis.errors import TransferError, VerificationFailed, WriterFenced
from coriolis.transfer.audit import hash_disk, verify_disk
from coriolis.transfer.job import CopyJob
from coriolis.transfer.manifest import LeafList
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, flip_bit, run, touch_leaves

MIB = 1 << 20


@pytest.mark.parametrize("size", [1, 512, 4096, LEAF - 1, LEAF + 1, MIB, MIB + 1, 5 * MIB + 12345])
def test_odd_sizes(sshd: PrivateSshd, tmp_path: Path, size: int) -> None:
    pair = Pair(sshd, tmp_path, size)
    pair.destination.write_bytes(os.urandom(size))
    pair.source.write_bytes(os.urandom(size))
    assert pair.copy(1).moved == size
    assert pair.identical()
    flip_bit(pair.source, size - 1)
    result = pair.copy(2, previous=pair.manifest(1))
    assert pair.identical()
    assert result.moved == (size - 1) % LEAF + 1


@pytest.mark.parametrize("compression", ["auto", "none", "zstd"])
def test_full_then_incremental(sshd: PrivateSshd, tmp_path: Path, compression: str) -> None:
    pair = Pair(sshd, tmp_path, 64 * MIB)
    first = pair.copy(1, destination_zeroed=True, compression=compression)
    assert pair.identical()
    assert first.zero > 20 * MIB
    assert first.unchanged == 0
    assert first.moved + first.zero == pair.size
    assert first.wire <= first.moved * (0.8 if compression == "zstd" else 1.001) + 4096
    assert pair.destination.stat().st_blocks * 512 <= first.moved + MIB  # zeros were not written

    changed = touch_leaves(pair.source, 0.01)
    second = pair.copy(2, previous=pair.manifest(1), compression=compression)
    assert pair.identical()
    assert second.moved == changed
    assert second.wire <= changed * 1.02 + 0.0005 * pair.size
    assert second.unchanged == pair.size - changed
    assert second.root_digest != first.root_digest


def test_new_zeros_are_written_as_zeros(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 8 * MIB)
    pair.source.write_bytes(os.urandom(pair.size))
    pair.copy(1)
    with pair.source.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(bytes(3 * MIB))
    result = pair.copy(2, previous=pair.manifest(1))
    assert (result.zero, result.moved) == (3 * MIB, 0)
    assert pair.identical()


def test_several_disks_at_once(sshd: PrivateSshd, tmp_path: Path) -> None:
    pairs = [Pair(sshd, tmp_path, (3 + n) * MIB, f"disk-{n}") for n in range(3)]
    job = CopyJob(tuple(pair.disk(1) for pair in pairs), f"transfer-{tmp_path}", 1)
    results = run(job)
    assert [result.disk_id for result in results] == ["disk-0", "disk-1", "disk-2"]
    assert all(pair.identical() for pair in pairs)


def test_compared_destination_moves_what_differs(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 16 * MIB)
    pair.copy(1)
    changed = touch_leaves(pair.destination, 0.05)
    result = pair.copy(2, compare_destination=True)
    assert pair.identical()
    assert result.moved + result.zero == changed


def damaged(pair: Pair) -> None:
    with pair.manifest(1).open("r+b") as file:
        file.seek(5000)
        file.write(b"?")


def cut(pair: Pair) -> None:
    os.truncate(pair.manifest(1), 4096 + 16)


def of_another_generation(pair: Pair) -> None:
    pair.copy(4, compare_destination=True)
    pair.manifest(4).replace(pair.manifest(1))


def missing(pair: Pair) -> None:
    pair.manifest(1).unlink()


@pytest.mark.parametrize("spoil", [damaged, cut, of_another_generation, missing])
def test_a_list_that_does_not_fit_is_not_believed(sshd: PrivateSshd, tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    pair = Pair(sshd, tmp_path, 4 * MIB)
    pair.copy(1)
    spoil(pair)
    changed = touch_leaves(pair.destination, 0.1)  # a believed list would leave this as it is
    result = pair.copy(2, previous=pair.manifest(1))
    assert pair.identical()
    assert result.moved + result.zero == changed


def test_the_published_list_is_that_of_both_disks(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 3 * MIB + 512)
    result = pair.copy(1)
    with LeafList(pair.manifest(1)) as leaves:
        header, digests = leaves.header, bytes(leaves.digests)
    for end in (pair.end(pair.source, "s"), pair.end(pair.destination, "d")):
        found = hash_disk(end, algorithm=header.algorithm)
        assert (found.leaves, found.root) == (digests, result.root_digest)
    assert (header.generation, header.size, header.destination_id) == (1, pair.size, "volume-disk-1")
    assert not list(tmp_path.glob("*.partial"))


def test_the_audit_finds_one_flipped_bit(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, 4 * MIB)
    result = pair.copy(1)
    end = pair.end(pair.destination, "volume-disk-1")
    assert verify_disk(end, pair.manifest(1)) == result.root_digest
    flip_bit(pair.destination, 37 * LEAF + 5)
    with pytest.raises(VerificationFailed) as caught:
        verify_disk(end, pair.manifest(1))
    assert (caught.value.fields["offset"], caught.value.fields["length"]) == (37 * LEAF, LEAF)


def test_a_lower_token_is_refused(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    pair.copy(1, token=7)
    touch_leaves(pair.source, 0.5)
    before = pair.destination.read_bytes()
    with pytest.raises(WriterFenced, match="token 6 is older than 7"):
        pair.copy(2, token=6)
    assert pair.destination.read_bytes() == before
    pair.copy(2, token=7)
    assert pair.identical()


def test_a_source_of_another_size_is_refused(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    os.truncate(pair.source, 2 * MIB)
    with pytest.raises(TransferError, match=f"has {2 * MIB} bytes, not {MIB}"):
        pair.copy(1)
    assert not pair.manifest(1).exists()


def test_a_missing_disk_is_named(sshd: PrivateSshd, tmp_path: Path) -> None:
    pair = Pair(sshd, tmp_path, MIB)
    pair.destination.unlink()
    with pytest.raises(
        TransferError, match=r"the writer on worker 127.0.0.1: there is no .*disk-1.destination"
    ):
        pair.copy(1)
