"""Lists of keyed digests: when they are made, what becomes of them without their key, and on ends that lack them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from coriolis.agent import gmac
from coriolis.agent.digests import KEYED, kind_of
from coriolis.agent.frames import Geometry
from coriolis.errors import TransferError, VerificationFailed
from coriolis.model.progress import DiskResult
from coriolis.model.replica import ContentDigest
from coriolis.transfer.algorithm import UnknownDigestKeyError, choose_method, known_method
from coriolis.transfer.audit import verify_content, verify_disk
from coriolis.transfer.manifest import LeafList
from coriolis.transfer.signing import SigningKeys, derive_signing_keys
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, flip_bit, run, touch_leaves

SIZE = 40 * LEAF + 512
GEOMETRY = Geometry(SIZE, LEAF)
OLD, NEW = (derive_signing_keys([Fernet.generate_key().decode()]) for _ in range(2))
FAST = {"sha256": 180.0, "blake2b": 280.0, "gmac": 1e8}  # so that the machine's load decides nothing
PLAIN = {"sha256": 180.0, "blake2b": 280.0}

pytestmark = pytest.mark.skipif(not gmac.SUPPORTED, reason="no libcrypto beside this Python")


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Pair:
    return Pair(sshd, tmp_path, SIZE)


def copy(pair: Pair, generation: int, keys: SigningKeys, **changes: object) -> DiskResult:
    job = replace(pair.job(generation, **changes), signing_keys=keys, audit_share=0.5)
    (result,) = run(job)
    assert pair.identical()
    assert result.algorithm == LeafList(pair.manifest(generation), keys).header.algorithm
    return result


@pytest.mark.parametrize(
    ("source", "destination", "keys", "kind"),
    [
        (FAST, FAST, OLD, "gmac"),
        (FAST, FAST, (), "blake2b"),
        (FAST, PLAIN, OLD, "blake2b"),
        (PLAIN, FAST, OLD, "blake2b"),
        ({**PLAIN, "gmac": 300.0}, {**PLAIN, "gmac": 300.0}, OLD, "blake2b"),
        (
            {**PLAIN, "sha256": 1500.0, "gmac": 3100.0},
            {**PLAIN, "sha256": 1500.0, "gmac": 3100.0},
            OLD,
            "gmac",
        ),
    ],
)
def test_when_it_is_chosen(
    source: dict[str, float], destination: dict[str, float], keys: SigningKeys, kind: str
) -> None:
    assert kind_of(choose_method(GEOMETRY, source, destination, keys).algorithm) == kind


def test_the_key_is_found_again_from_the_name() -> None:
    method = choose_method(GEOMETRY, FAST, FAST, OLD)
    assert method != choose_method(GEOMETRY, FAST, FAST, OLD)
    for keys in (OLD, (*NEW, *OLD)):
        assert known_method(GEOMETRY, method.algorithm, keys) == method
    for name in (method.algorithm, "gmac", "gmac-xx-yy", "gmac-00-00-00"):
        with pytest.raises(UnknownDigestKeyError):
            known_method(GEOMETRY, name, NEW)


def test_runs_by_a_keyed_list_move_what_changed_and_audits_find_what_rotted(pair: Pair) -> None:
    first = copy(pair, 1, OLD)
    assert kind_of(first.algorithm) == KEYED
    changed = touch_leaves(pair.source, 0.1)
    second = copy(pair, 2, (*NEW, *OLD), previous=pair.manifest(1))
    assert (second.moved, second.algorithm) == (changed, first.algorithm)
    end, digest = (
        pair.end(pair.destination, "v"),
        ContentDigest(second.algorithm, LEAF, SIZE, second.root_digest),
    )
    watched = {"timeout": 30.0, "check": lambda: None, "progress": lambda _: None}
    assert verify_disk(end, pair.manifest(2), keys=(*NEW, *OLD)) == second.root_digest
    verify_content(end, digest, keys=OLD, **watched)  # type: ignore[arg-type]
    flip_bit(pair.destination, 9 * LEAF + 3)
    with pytest.raises(VerificationFailed, match=f"bytes {9 * LEAF} to {9 * LEAF}.{LEAF} "):
        verify_disk(end, pair.manifest(2), keys=(*NEW, *OLD))
    with pytest.raises(VerificationFailed, match="root digest"):
        verify_content(end, digest, keys=OLD, **watched)  # type: ignore[arg-type]
    with pytest.raises(TransferError, match="none of this installation any more"):
        verify_content(end, digest, keys=NEW, **watched)  # type: ignore[arg-type]


def test_a_list_whose_key_is_gone_costs_a_comparison_and_no_copy(pair: Pair) -> None:
    first = copy(pair, 1, OLD)
    second = copy(
        pair, 2, (*NEW, *OLD), previous=pair.manifest(1)
    )  # signed anew; its digests are as they were
    assert second.algorithm == first.algorithm
    third = copy(pair, 3, NEW, previous=pair.manifest(2))
    assert (third.moved, third.unchanged) == (0, SIZE)
    assert third.algorithm != first.algorithm


@pytest.fixture
def without_libcrypto(tmp_path: Path) -> Iterator[PrivateSshd]:
    """A worker whose Python has no OpenSSL, as some are built."""
    programs, modules = tmp_path / "programs", tmp_path / "modules"
    for directory in (programs, modules):
        directory.mkdir()
    (modules / "_hashlib.py").write_text("raise ImportError\n")
    (programs / "python3").write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec /usr/bin/python3 "$@"\n')
    (programs / "python3").chmod(0o755)
    server = PrivateSshd(tmp_path / "sshd", f"{programs}:/usr/bin:/bin")
    yield server
    server.stop()


def test_a_worker_that_lacks_it(sshd: PrivateSshd, without_libcrypto: PrivateSshd, tmp_path: Path) -> None:
    able, lacking = (Pair(server, tmp_path, SIZE) for server in (sshd, without_libcrypto))
    assert kind_of(copy(able, 1, OLD).algorithm) == KEYED
    second = copy(lacking, 2, OLD, previous=able.manifest(1))
    assert kind_of(second.algorithm) in PLAIN
    assert (second.moved, second.unchanged) == (0, SIZE)
    third = copy(able, 3, OLD, previous=able.manifest(2))
    assert (third.moved, third.algorithm) == (0, second.algorithm)
    with pytest.raises(TransferError, match="no digest algorithm 'gmac-"):
        verify_disk(lacking.end(lacking.destination, "v"), able.manifest(1), keys=OLD)
