import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent.digests import Method, ZeroDigests, root
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.transfer.manifest import BODY_OFFSET, LeafList, ManifestHeader, UnusableLeafListError, drafting

LEAF = 65536
GEOMETRY = Geometry(100 * LEAF + 512, LEAF)


def header(content_root: str, generation: int = 1) -> ManifestHeader:
    return ManifestHeader(
        "d", "v", "scope", generation, *GEOMETRY, "sha256", content_root, "2026-11-22T02:00:00+00:00"
    )


def publish(path: Path, baseline: bytes | None = None) -> str:
    with drafting(path, Method(GEOMETRY, "sha256"), baseline) as draft:
        draft.put(3 * LEAF, b"3" * DIGEST_BYTES + b"4" * DIGEST_BYTES)
        draft.publish(header(draft.root()))
        return draft.root()


def test_a_published_list_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "list"
    content_root = publish(path)
    zeros = ZeroDigests(GEOMETRY, "sha256").of(0, GEOMETRY.leaves)
    with LeafList(path) as leaves:
        assert leaves.header == header(content_root)
        expected = bytearray(zeros)
        expected[3 * DIGEST_BYTES : 5 * DIGEST_BYTES] = b"3" * DIGEST_BYTES + b"4" * DIGEST_BYTES
        assert leaves.digests == expected
        assert leaves.header.root == root(GEOMETRY, "sha256", expected)
    assert path.stat().st_size == BODY_OFFSET + GEOMETRY.list_bytes


def test_an_abandoned_draft_leaves_the_old_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    publish(path)
    before = path.read_bytes()
    with drafting(path, Method(GEOMETRY, "sha256"), None) as draft:
        draft.put(0, b"x" * DIGEST_BYTES)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_left_by_a_killed_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "list.partial").write_bytes(b"half")
    publish(tmp_path / "list")
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_draft_over_its_own_baseline(tmp_path: Path) -> None:
    path = tmp_path / "list"
    publish(path)
    with LeafList(path) as old, drafting(path, Method(GEOMETRY, "sha256"), old.digests) as draft:
        draft.put_zeros(4 * LEAF, LEAF)
        draft.publish(header(draft.root(), 2))
        assert old.digests[4 * DIGEST_BYTES : 5 * DIGEST_BYTES] == b"4" * DIGEST_BYTES
    with LeafList(path) as new:
        assert new.header.generation == 2
        assert new.digests[3 * DIGEST_BYTES : 4 * DIGEST_BYTES] == b"3" * DIGEST_BYTES


@given(place=st.integers(0, BODY_OFFSET + GEOMETRY.list_bytes - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    """Harmless: in the header's padding or free text. The digests are under the root."""
    path = tmp_path_factory.mktemp("flip") / "list"
    publish(path)
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, place)[0]
        os.pwrite(file.fileno(), bytes([byte ^ (1 << bit)]), place)
    try:
        with LeafList(path) as leaves:
            assert place < BODY_OFFSET
            assert leaves.header.geometry == GEOMETRY
    except UnusableLeafListError:
        pass


@pytest.mark.parametrize("content", [b"", b"short", b"coriolis leaf list 1\n", b"\xff" * 10000])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UnusableLeafListError):
        LeafList(tmp_path / "list")
