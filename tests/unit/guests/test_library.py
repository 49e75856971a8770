"""Recipes and fingerprints; what the images hold is for the tests that boot them."""

import threading
import time
from pathlib import Path

import pytest

from coriolis_lab.guests import recipes
from coriolis_lab.guests.bootloader import SECTOR, write_bios_blocks
from coriolis_lab.guests.library import GuestLibrary, exclusive, scratch_directory
from coriolis_lab.guests.recipes import MIB, DataDisk


def test_every_image_has_a_name_of_its_own(tmp_path: Path) -> None:
    library = GuestLibrary(tmp_path)
    names = library.image_names()
    assert names == ["worker", "source", "source-uefi", "source-data"]
    assert len({library.image(name) for name in names}) == 4


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no recipe"):
        GuestLibrary(tmp_path).image("windows")


def test_a_changed_recipe_makes_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = GuestLibrary(tmp_path)
    before = library.image("source-data")
    assert GuestLibrary(tmp_path).image("source-data") == before
    changed = DataDisk("source-data", "data", 2 * MIB, {}, {})
    monkeypatch.setattr(recipes, "SOURCE_DATA", changed)
    assert library.image("source-data") != before


def test_the_source_trusts_the_key_of_this_cache_only(tmp_path: Path) -> None:
    one, other = GuestLibrary(tmp_path / "a"), GuestLibrary(tmp_path / "b")
    assert one.image("source") != other.image("source")
    assert one.image("worker").name == other.image("worker").name


def test_the_source_knows_no_virtio() -> None:
    modules = recipes.SOURCE.early_files["/etc/initramfs-tools/modules"].content
    assert "vmw_pvscsi" in modules
    assert "virtio" not in modules
    assert "qemu-guest-agent" not in recipes.SOURCE.packages
    assert recipes.SOURCE.offline_packages == ("qemu-guest-agent",)


def test_a_second_builder_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock"):
            order.append("second")

    with exclusive(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_scratch_directory_starts_empty_and_goes(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "left").touch()
    with scratch_directory(tmp_path / "s") as scratch:
        assert list(scratch.iterdir()) == []
        (scratch / "new").touch()
    assert not (tmp_path / "s").exists()


def test_boot_blocks_leave_the_partition_table_alone(tmp_path: Path) -> None:
    image, boot, core = (tmp_path / name for name in ("image", "boot", "core"))
    image.write_bytes(b"\xaa" * 64 * SECTOR)
    boot.write_bytes(b"\x01" * SECTOR)
    core.write_bytes(b"\x02" * (3 * SECTOR - 5))
    write_bios_blocks(image, boot, core, core_sector=1, gap_sectors=62)
    written = image.read_bytes()
    assert written[440:SECTOR] == b"\xaa" * (SECTOR - 440)
    assert written[0x5C:0x64] == (1).to_bytes(8, "little")
    # the rest of core.img: two sectors from sector 2, at segment 0x820
    assert written[2 * SECTOR - 12 : 2 * SECTOR] == b"\2\0\0\0\0\0\0\0" + b"\2\0" + b"\x20\x08"
    with pytest.raises(ValueError, match="sectors"):
        write_bios_blocks(image, boot, core, core_sector=1, gap_sectors=2)
