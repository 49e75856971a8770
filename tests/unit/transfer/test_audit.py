"""What is read again, and what it is believed by."""

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent import digests
from coriolis.agent.digests import Method, Root, root
from coriolis.agent.frames import Geometry
from coriolis.errors import TransferError, VerificationFailed
from coriolis.model.replica import ContentDigest
from coriolis.transfer.agent_process import AgentProcess, Assignment
from coriolis.transfer.audit import verify_content, verify_disk, verify_sample
from coriolis.transfer.job import CopyJob
from coriolis.transfer.manifest import LeafList, Reservoir, UnusableLeafListError, drafting
from coriolis.transfer.signing import derive_signing_keys
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, run, touch_leaves

SIZE = 40 * LEAF + 512
KEYS = derive_signing_keys([Fernet.generate_key().decode() for _ in range(2)])
OTHERS = derive_signing_keys([Fernet.generate_key().decode()])


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Pair:
    return Pair(sshd, tmp_path, SIZE)


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, place)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1]), place)


def audited(pair: Pair, generation: int, **changes: object) -> CopyJob:
    return replace(pair.job(generation, **changes), audit_share=1.0)


def test_a_run_reads_again_what_the_destination_holds(pair: Pair) -> None:
    run(audited(pair, 1))
    flip(pair.destination, 7 * LEAF + 5)
    touch_leaves(pair.source, 0.1)
    journal = pair.directory / "journal"
    with pytest.raises(VerificationFailed) as caught:
        run(audited(pair, 2, previous=pair.manifest(1), journal=journal))
    assert (caught.value.fields["offset"], caught.value.fields["length"]) == (7 * LEAF, LEAF)
    assert not pair.manifest(2).exists()
    assert not journal.exists()
    run(audited(pair, 2, previous=pair.manifest(1), journal=journal, compare_destination=True))
    assert pair.identical()


def test_a_root_proves_a_disk_without_its_list(pair: Pair) -> None:
    (result,) = run(pair.job(1))
    digest = ContentDigest(result.algorithm, LEAF, SIZE, result.root_digest)
    assert ContentDigest.parse(str(digest)) == digest
    end = pair.end(pair.destination, "v")
    seen: list[int] = []
    watched = {"timeout": 30.0, "check": lambda: None, "progress": seen.append}
    verify_content(end, digest, **watched)
    flip(pair.destination, SIZE - 1)
    with pytest.raises(VerificationFailed, match=f"bytes 0 to 0.{SIZE} differ"):
        verify_content(end, digest, **watched)


@given(st.binary(max_size=100), st.lists(st.integers(0, 100)))
def test_a_root_of_pieces_is_that_of_the_whole(leaves: bytes, cuts: list[int]) -> None:
    geometry = Geometry(SIZE, LEAF)
    whole = Root(geometry, "sha256")
    with mock.patch.object(digests, "_PAGE_BYTES", 16):
        pieces = Root(geometry, "sha256")
        one = Root(geometry, "sha256")
        one.update(leaves)
        for begin, end in pairwise([0, *sorted(cuts), len(leaves)]):
            pieces.update(leaves[begin:end])
        assert pieces.hexdigest() == one.hexdigest()
    whole.update(leaves)
    assert whole.hexdigest() == root(geometry, "sha256", leaves)


def test_a_sample_has_the_digests_of_its_leaves_alone(pair: Pair) -> None:
    run(pair.job(1))
    with LeafList(pair.manifest(1)) as leaves:
        header, digests = leaves.header, bytes(leaves.digests)
    expected = {number: digests[number * 16 : (number + 1) * 16] for number in (3, 11, 40)}
    place = (pair.end(pair.destination, "v"), "d", Method(header.geometry, header.algorithm), expected)
    flip(pair.destination, 12 * LEAF)
    verify_sample(*place, timeout=30, check=lambda: None)
    flip(pair.destination, 40 * LEAF + 511)
    with pytest.raises(VerificationFailed, match=f"bytes {40 * LEAF} to {40 * LEAF}.512 "):
        verify_sample(*place, timeout=30, check=lambda: None)


@pytest.mark.parametrize("numbers", [[41], [-1], ["1"], list(range(42)), {"1": 2}, [True], 7])
def test_a_sample_that_cannot_be_is_refused(pair: Pair, numbers: object) -> None:
    end = pair.end(pair.destination, "v")
    with AgentProcess(Assignment("hasher", end, "d", Geometry(SIZE, LEAF))) as process:
        process.introduce(0, lambda: None)
        process.begin(Method(Geometry(SIZE, LEAF), "sha256"), sample=numbers)
        with pytest.raises(TransferError, match="sample"):
            process.receive()


def test_what_was_written_is_in_the_sample(tmp_path: Path) -> None:
    geometry = Geometry(1000 * LEAF, LEAF)
    with drafting(tmp_path / "list", Method(geometry, "sha256"), None) as draft:
        for leaf in (17, 400):
            draft.put(leaf * LEAF, bytes([leaf % 256]) * 16)
        sample = draft.sample(0.01, 4096)
        assert len(sample) in (10, 11, 12)
        assert sample[17] == bytes([17]) * 16
        assert len(draft.sample(1.0, 100)) == 100
        assert draft.sample(0, 100) == {}


def test_a_reservoir_is_fair() -> None:
    hits = [0] * 50
    for _ in range(400):
        reservoir = Reservoir(5)
        for number in range(50):
            reservoir.offer(number, 1)
        assert len(reservoir.kept) == 5
        for kept in reservoir.kept:
            hits[kept] += 1
    assert min(hits) > 8  # 40 expected; less than 9 in one of 50 places is a matter of 10^-8


def test_a_list_is_believed_only_with_a_signature_of_ours(pair: Pair) -> None:
    run(replace(pair.job(1), signing_keys=KEYS))
    manifest, end = pair.manifest(1), pair.end(pair.destination, "v")
    LeafList(manifest, ()).close()
    for keys in (KEYS, KEYS[:1], (*OTHERS, KEYS[0])):
        LeafList(manifest, keys).close()
        verify_disk(end, manifest, keys=keys)
    with pytest.raises(UnusableLeafListError, match="signature"):
        LeafList(manifest, OTHERS)
    with pytest.raises(TransferError, match="signature"):
        verify_disk(end, manifest, keys=OTHERS)


def test_a_foreign_list_makes_the_run_compare(pair: Pair) -> None:
    """A list of the destination as it should be, published by somebody without our key, over a disk that is not."""
    run(pair.job(1))
    flip(pair.destination, 9 * LEAF)
    (result,) = run(replace(pair.job(2, previous=pair.manifest(1)), signing_keys=KEYS))
    assert pair.identical()
    assert result.moved == LEAF
    LeafList(pair.manifest(2), KEYS).close()


def test_a_header_that_was_changed_is_refused(pair: Pair) -> None:
    run(replace(pair.job(1), signing_keys=KEYS))
    content = pair.manifest(1).read_bytes()
    pair.manifest(1).write_bytes(content.replace(b'"generation": 1', b'"generation": 2'))
    with pytest.raises(UnusableLeafListError, match="signature"):
        LeafList(pair.manifest(1), KEYS)


def test_keys_do_not_show(pair: Pair) -> None:
    assert KEYS[0].reveal() not in repr(replace(pair.job(1), signing_keys=KEYS))
    assert len({key.reveal() for key in KEYS}) == 2
