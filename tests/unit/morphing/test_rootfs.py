from pathlib import Path

import pytest

from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.rootfs import GuestRoot


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def root(tmp_path: Path, changes: list[tuple[str, str]]) -> GuestRoot:
    (tmp_path / "guest/etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("the worker's")
    return GuestRoot(str(tmp_path / "guest"), lambda path, how: changes.append((path, how)))


@pytest.mark.parametrize(
    "target", ["/secret", "../../secret", "/../../../secret", "../../../../../../secret"]
)
def test_links_never_lead_out_of_the_guest(root: GuestRoot, target: str, tmp_path: Path) -> None:
    (tmp_path / "guest/etc/link").symlink_to(target)
    assert root.resolve("/etc/link") == str(tmp_path / "guest/secret")
    root.write_text("/etc/link", "new")
    assert (tmp_path / "secret").read_text() == "the worker's"
    assert (tmp_path / "guest/secret").read_text() == "new"


def test_links_among_directories_are_followed(root: GuestRoot, tmp_path: Path) -> None:
    (tmp_path / "guest/usr/lib").mkdir(parents=True)
    (tmp_path / "guest/lib").symlink_to("usr/lib")
    root.write_text("/lib/a/b", "x")
    assert (tmp_path / "guest/usr/lib/a/b").read_text() == "x"
    assert root.locate("/lib") == str(tmp_path / "guest/lib")
    assert root.is_link("/lib")


def test_loops_end(root: GuestRoot, tmp_path: Path) -> None:
    (tmp_path / "guest/a").symlink_to("b")
    (tmp_path / "guest/b").symlink_to("a")
    with pytest.raises(MorphFailure, match="loop"):
        root.resolve("/a/x")


def test_rewriting_keeps_the_mode_and_is_told(root: GuestRoot, tmp_path: Path, changes: list) -> None:
    place = tmp_path / "guest/etc/shadowy"
    place.write_bytes(b"caf\xe9\n")
    place.chmod(0o600)
    root.write_text("/etc/shadowy", root.read_text("/etc/shadowy") + "more\n")
    assert place.read_bytes() == b"caf\xe9\nmore\n"
    assert place.stat().st_mode & 0o777 == 0o600
    assert changes == [("/etc/shadowy", "rewritten")]


def test_the_first_original_is_kept(root: GuestRoot, tmp_path: Path) -> None:
    root.write_text("/etc/x", "first")
    root.keep_copy("/etc/x", "/etc/x.pre-coriolis")
    root.write_text("/etc/x", "second")
    root.keep_copy("/etc/x", "/etc/x.pre-coriolis")
    assert root.read_text("/etc/x.pre-coriolis") == "first"
    root.set_aside("/etc/x", "/etc/x.pre-coriolis")
    assert not root.exists("/etc/x")
    assert root.read_text("/etc/x.pre-coriolis") == "first"


def test_trees_and_links_are_removed_but_not_what_they_lead_to(root: GuestRoot, tmp_path: Path) -> None:
    (tmp_path / "guest/var/instances/1").mkdir(parents=True)
    (tmp_path / "guest/var/instance").symlink_to("/var/instances/1")
    root.remove("/var/instance")
    assert (tmp_path / "guest/var/instances/1").is_dir()
    root.remove("/var/instances")
    assert not root.exists("/var/instances")
