from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent.digests import Method, ZeroDigests
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.errors import TransferError
from coriolis.transfer import journal as journal_module
from coriolis.transfer.journal import UNKNOWN, Journal, JournalHeader, UnusableJournalError, resumable
from coriolis.transfer.manifest import drafting

LEAF = 65536
GEOMETRY = Geometry(100 * LEAF + 512, LEAF)
HEADER = JournalHeader("d", "v", "scope", 3, *GEOMETRY, algorithm="sha256", base="zeros")


def digest(number: int) -> bytes:
    return bytes([number]) * DIGEST_BYTES


def base() -> bytearray:
    return bytearray(ZeroDigests(GEOMETRY, "sha256").of(0, GEOMETRY.leaves))


def replayed(path: Path) -> bytearray:
    leaves = base()
    journal = Journal.resume(path, HEADER.subject)
    try:
        journal.replay(leaves)
    finally:
        journal.close()
    return leaves


def replayed_beside(path: Path) -> bytearray:
    """While the journal is written on."""
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    return replayed(copy)


def expected(known: dict[int, bytes], unknown: set[int]) -> bytearray:
    leaves = base()
    for number, value in [*known.items(), *((number, UNKNOWN) for number in unknown)]:
        leaves[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = value
    return leaves


def written(path: Path, header: JournalHeader = HEADER) -> None:
    """Leaves 1 and 2 durable, 3 and 7 in flight."""
    journal = Journal.begin(path, header, token=5)
    journal.intend(1, 2)
    journal.intend(3, 1)
    journal.durable([(1, digest(1) + digest(2))])
    journal.intend(7, 1)
    journal.close()


def test_what_is_durable_is_known_and_what_was_in_flight_is_not(tmp_path: Path) -> None:
    written(tmp_path / "journal")
    assert replayed(tmp_path / "journal") == expected({1: digest(1), 2: digest(2)}, {3, 7})


def test_the_next_attempt_goes_on_in_the_same_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path)
    journal = Journal.resume(path, HEADER.subject)
    journal.replay(base())
    journal.go_on(6)
    journal.intend(2, 6)
    journal.durable([(3, digest(33))])
    journal.close()
    assert replayed(path) == expected({1: digest(1), 3: digest(33)}, {2, 4, 5, 6, 7})


def test_a_draft_tells_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.begin(path, HEADER, 5)
    with drafting(tmp_path / "list", Method(GEOMETRY, "sha256"), None, journal) as draft:
        draft.put(LEAF, digest(1) + digest(2))
        draft.put_zeros(3 * LEAF, LEAF)
        draft.barrier(1)
        draft.put(9 * LEAF, digest(9))
        draft.barrier(2)
        draft.put(10 * LEAF, digest(10))
        draft.durable(1)
    journal.close()
    assert replayed(path) == expected({1: digest(1), 2: digest(2)}, {9, 10})


def test_what_was_expected_and_did_not_come_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.begin(path, HEADER, 5)
    with drafting(tmp_path / "list", Method(GEOMETRY, "sha256"), None, journal) as draft:
        draft.expect(4 * LEAF, 8 * LEAF)
        assert replayed_beside(path) == expected({}, set(range(4, 12)))
        draft.put(5 * LEAF, digest(5))
        draft.barrier(1)
        draft.put(6 * LEAF, digest(6) + digest(7))
        draft.expect(12 * LEAF, 89 * LEAF - LEAF + 512)
        draft.passed(4 * LEAF, 8 * LEAF)
        unknown = set(range(12, GEOMETRY.leaves))
        assert replayed_beside(path) == expected({}, {5, 6, 7} | unknown)
        draft.durable(1)
        assert replayed_beside(path) == expected({5: digest(5)}, {6, 7} | unknown)
        draft.passed(12 * LEAF, 89 * LEAF - LEAF + 512)
        assert replayed_beside(path) == expected({5: digest(5)}, {6, 7})
    journal.close()


def test_a_torn_tail_is_cut_off_wherever_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path)
    whole = path.read_bytes()
    written(tmp_path / "longer")
    journal = Journal.resume(tmp_path / "longer", HEADER.subject)
    journal.durable([(7, digest(7))])
    journal.close()
    longer = (tmp_path / "longer").read_bytes()
    assert longer.startswith(whole)
    for length in range(len(whole), len(longer)):
        path.write_bytes(longer[:length])
        assert replayed(path) == expected({1: digest(1), 2: digest(2)}, {3, 7})
        assert path.read_bytes() == whole
    path.write_bytes(longer)
    assert replayed(path) == expected({1: digest(1), 2: digest(2), 7: digest(7)}, {3})


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "journal"
    written(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(UnusableJournalError):
        replayed(path)


@pytest.mark.parametrize("content", [b"", b"short", journal_module.MAGIC, b"\xff" * 10000])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(UnusableJournalError):
        Journal.resume(tmp_path / "journal", HEADER.subject)


@pytest.mark.parametrize(
    "change", [{"generation": 4}, {"destination_id": "w"}, {"scope": "t"}, {"size": LEAF}, {"leaf": 4096}]
)
def test_a_journal_of_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "journal"
    written(path)
    assert resumable(path, HEADER.subject)
    assert not resumable(path, HEADER.subject._replace(**change))
    assert not resumable(tmp_path / "none", HEADER.subject)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.begin(path, HEADER, 5)
    assert not resumable(path, HEADER.subject)
    journal.close()
    assert resumable(path, HEADER.subject)


class Boots:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = "one"
        monkeypatch.setattr(journal_module, "boot_id", lambda: self.now)


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> Boots:
    return Boots(monkeypatch)


def test_after_a_restart_only_what_is_durable_is_known(tmp_path: Path, boots: Boots) -> None:
    """Intents may be missing then, so all else is unknown, and has to be sent on a first run anyway."""
    path = tmp_path / "journal"
    written(path)
    boots.now = "two"
    everything = set(range(GEOMETRY.leaves))
    assert replayed(path) == expected({1: digest(1), 2: digest(2)}, everything - {1, 2})
    journal = Journal.resume(path, HEADER.subject)
    journal.replay(base())
    journal.go_on(6)
    journal.intend(4, 2)
    journal.durable([(4, digest(4))])
    journal.close()
    assert replayed(path) == expected({1: digest(1), 2: digest(2), 4: digest(4)}, everything - {1, 2, 4})
    boots.now = "three"  # what the first attempt made durable, the second may have overwritten
    assert replayed(path) == expected({4: digest(4)}, everything - {4})


def test_after_a_restart_a_changed_disk_is_compared(tmp_path: Path, boots: Boots) -> None:
    path = tmp_path / "journal"
    written(path, replace(HEADER, base="list", base_root="r"))
    replayed(path)
    boots.now = "two"
    with pytest.raises(UnusableJournalError, match="restarted"):
        replayed(path)


def test_a_full_disk_is_named() -> None:
    with Path("/dev/full").open("wb") as full, pytest.raises(TransferError, match="No space left"):
        Journal(full.fileno(), HEADER).intend(1, 1)
