"""A run that was cut off is gone on with from its journal: nothing is hashed on the destination, little is sent
twice, and what was in flight is believed to be neither old nor new."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coriolis.errors import TransferInterrupted
from coriolis.model.progress import DiskResult
from coriolis.transfer.journal import UNKNOWN, Journal, Subject
from coriolis.transfer.manifest import LeafList
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, run, touch_leaves
from tests.unit.transfer.test_random_kills import VICTIMS, Killer

MIB = 1 << 20
SIZE = 192 * MIB
WINDOW = 64 * MIB
KILLS = int(os.environ.get("CORIOLIS_KILLS", "4"))
SEED = int(os.environ.get("CORIOLIS_KILL_SEED", "4"))


@pytest.fixture
def pair(sshd: PrivateSshd, tmp_path: Path) -> Pair:
    pair = Pair(sshd, tmp_path, SIZE)
    pair.source.write_bytes(os.urandom(SIZE))
    return pair


def journal_of(pair: Pair) -> Path:
    return pair.directory / "journal"


def first(pair: Pair, route: str = "ssh") -> DiskResult:
    job = pair.job(1, destination_zeroed=True, journal=journal_of(pair))
    (result,) = run(replace(job, route=route))
    return result


def again(pair: Pair, route: str = "ssh") -> DiskResult:
    """The attempt after one that broke off."""
    job = pair.job(1, compare_destination=True, journal=journal_of(pair))
    (result,) = run(replace(job, route=route))
    return result


def missing(pair: Pair) -> int:
    """Bytes of leaves that the destination does not hold yet."""
    source, destination = pair.source.read_bytes(), pair.destination.read_bytes()
    places = range(0, SIZE, LEAF)
    return sum(LEAF for p in places if source[p : p + LEAF] != destination[p : p + LEAF])


def cut_off(pair: Pair, share: float, seed: int, victim: int, route: str) -> bool:
    """Whether the run broke off; kills one of the VICTIMS."""
    with Killer(pair, VICTIMS[victim], share, random.Random(seed)):  # noqa: S311 - test data
        try:
            first(pair, route)
        except TransferInterrupted:
            return True
    return False


def once_journaled(journal: Path, size: int) -> Callable[[Pair], list[int]]:
    """Kills the transfer child once the journal has `size` bytes."""

    def victims(pair: Pair) -> list[int]:
        return VICTIMS[0](pair) if journal.exists() and journal.stat().st_size >= size else []

    return victims


@pytest.mark.parametrize("number", range(KILLS))
def test_little_is_sent_twice(pair: Pair, number: int) -> None:
    rng = random.Random(SEED * 1000 + number)  # noqa: S311 - test data
    route = ("ssh", "tls")[(number + number // len(VICTIMS)) % 2]
    if not cut_off(pair, rng.uniform(0.05, 0.9), number, number % len(VICTIMS), route):
        assert pair.identical()
        return
    lacking = missing(pair)
    result = again(pair, route)
    assert pair.identical()
    assert result.resumed
    assert result.route == route
    assert lacking <= result.moved <= lacking + WINDOW


def test_several_kills_in_a_row(pair: Pair) -> None:
    for number, share in enumerate((0.2, 0.4, 0.6)):
        rng = random.Random(number)  # noqa: S311 - test data
        with Killer(pair, VICTIMS[number], share, rng):
            try:
                again(pair) if number else first(pair)
            except TransferInterrupted:
                continue
    lacking = missing(pair)
    result = again(pair)
    assert pair.identical()
    assert result.moved <= lacking + WINDOW


def test_a_source_that_went_back_meanwhile(pair: Pair) -> None:
    """What was in flight may be there: it is sent, though the source is again as the old list has it."""
    first(pair)
    shutil.copy(pair.source, pair.directory / "before")
    for place in range(0, SIZE, LEAF):
        with pair.source.open("r+b") as file:
            file.seek(place + 7)
            file.write(os.urandom(9))
    journal = pair.directory / "second"
    killer = Killer(pair, once_journaled(journal, 4096), 0, random.Random(1))  # noqa: S311 - test data
    with killer, pytest.raises(TransferInterrupted):
        pair.copy(2, previous=pair.manifest(1), journal=journal)
    shutil.copy(pair.directory / "before", pair.source)
    assert missing(pair) > 0
    result = pair.copy(2, previous=pair.manifest(1), compare_destination=True, journal=journal)
    assert pair.identical()
    assert result.resumed


def test_after_a_comparison_that_broke_off(pair: Pair) -> None:
    """The list that was made by hashing the destination is kept with the journal."""
    first(pair)
    journal_of(pair).unlink()
    touch_leaves(pair.source, 0.9)
    killer = Killer(pair, once_journaled(journal_of(pair), 4096), 0, random.Random(1))  # noqa: S311 - test data
    with killer, pytest.raises(TransferInterrupted):
        again(pair)
    assert again(pair).resumed
    assert pair.identical()


def test_an_attempt_after_the_list_was_published(pair: Pair) -> None:
    """The run ended, and only the record of that was lost."""
    first(pair)
    result = again(pair)
    assert (result.resumed, result.moved, result.unchanged) == (True, 0, SIZE)


def test_a_damaged_journal_is_not_believed(pair: Pair) -> None:
    first(pair)
    content = bytearray(journal_of(pair).read_bytes())
    content[len(content) // 2] ^= 1
    journal_of(pair).write_bytes(content)
    result = again(pair)
    assert (result.resumed, result.moved, result.unchanged) == (False, 0, SIZE)


def test_what_is_unknown_is_sent_whatever_it_is(pair: Pair) -> None:
    first(pair)
    with LeafList(pair.manifest(1)) as leaves:
        header = leaves.header
        assert UNKNOWN not in bytes(leaves.digests)
    subject = Subject(header.disk_id, header.destination_id, header.scope, 1, header.size, header.leaf)
    journal = Journal.resume(journal_of(pair), subject)
    journal.intend(5, 3)
    journal.close()
    result = again(pair)
    assert (result.resumed, result.moved) == (True, 3 * LEAF)
