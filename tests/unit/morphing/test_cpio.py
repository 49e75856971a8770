import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.morphing.guest.cpio import Entry, directory, read_archive, regular_file, write_archive
from coriolis.morphing.guest.errors import MorphFailure

_NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/"), min_size=1, max_size=40
)


@given(
    st.lists(st.tuples(_NAMES, st.binary(max_size=300)), unique_by=lambda pair: pair[0]), st.integers(0, 7)
)
def test_what_is_written_is_read(files: list[tuple[str, bytes]], words_before: int) -> None:
    entries = [regular_file(f"d/{name}", data) for name, data in files]
    before = b"\0" * 4 * words_before
    archive = before + write_archive(entries)
    found, end = read_archive(archive, len(before))
    assert found == entries
    assert end == len(archive)


def test_links_devices_and_directories_survive() -> None:
    entries = [
        directory("dev"),
        Entry("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
        Entry("lib", stat.S_IFLNK | 0o777, b"usr/lib"),
    ]
    assert read_archive(write_archive(entries))[0] == entries


def test_the_cpio_program_makes_what_we_read_and_reads_what_we_make(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("needs cpio")
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a/file").write_bytes(b"content" * 100)
    (tree / "a/second-name").hardlink_to(tree / "a/file")
    (tree / "link").symlink_to("a/file")
    made = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=b"a\na/file\na/second-name\nlink\n",
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    entries = {entry.name: entry for entry in read_archive(made)[0]}
    assert entries["a/file"].data == entries["a/second-name"].data == b"content" * 100
    assert entries["link"].data == b"a/file"
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run(["cpio", "-i", "--quiet"], cwd=copy, input=write_archive(entries.values()), check=True)
    assert (copy / "a/second-name").read_bytes() == b"content" * 100
    assert (copy / "link").readlink() == Path("a/file")


@pytest.mark.parametrize("damage", [lambda data: data[:-200], lambda data: b"0707" + data, lambda data: b""])
def test_damage_is_told(damage) -> None:
    with pytest.raises(MorphFailure, match="cpio archive"):
        read_archive(damage(write_archive([regular_file("a", b"x" * 400)])))
