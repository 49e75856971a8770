"""Copies whose ends are images that the conductor opens itself."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coriolis.errors import TransferError, TransferInterrupted, WriterFenced
from coriolis.model.image import ImageDisk
from coriolis.model.secret import Secret
from coriolis.transfer.audit import verify_disk
from coriolis.transfer.job import DiskCopy, ImageEnd
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer import file_image
from tests.unit.transfer.children import run_first
from tests.unit.transfer.copying import LEAF, Pair, flip_bit, run, touch_leaves

SIZE = 40 * LEAF + 512


@pytest.fixture(autouse=True)
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child processes know the driver too."""
    run_first(file_image.SITE, tmp_path, monkeypatch)


def image(path: Path, disk_id: str, **more: Any) -> ImageEnd:
    secrets = {"password": Secret("open sesame")}
    return ImageEnd(ImageDisk(disk_id, SIZE, file_image.KIND, {"path": str(path)}, secrets, **more))


class Images(Pair):
    """A pair of which the named ends are images."""

    ends = ("source", "destination")

    def disk(self, generation: int, **changes: Any) -> DiskCopy:
        images = {
            "source": image(self.source, "snapshot"),
            "destination": image(self.destination, "volume-" + self.disk_id),
        }
        chosen = {name: images[name] for name in self.ends}
        return replace(super().disk(generation), **{**chosen, **changes})

    def changed(self, since: str | None, *extents: tuple[int, int, bool]) -> None:
        self.source.with_name(self.source.name + ".changes").write_text(json.dumps({str(since): extents}))

    def reads(self) -> set[int]:
        """The leaves that were read of the source since the last call."""
        log = self.source.with_name(self.source.name + ".reads")
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        spans = [(int(offset) // LEAF, -(-(int(offset) + int(length)) // LEAF)) for offset, length in lines]
        return {leaf for first, end in spans for leaf in range(first, end)}


@pytest.fixture
def images(sshd: PrivateSshd, tmp_path: Path) -> Images:
    return Images(sshd, tmp_path, SIZE)


@pytest.mark.parametrize(
    ("ends", "wish", "route"),
    [
        (("source", "destination"), "auto", "local"),
        (("source",), "auto", "tls"),
        (("source",), "ssh", "ssh"),
        (("source",), "direct", "direct"),
        (("destination",), "auto", "tls"),
        (("destination",), "direct", "tls"),
    ],
)
def test_images_at_either_end(images: Images, ends: tuple[str, ...], wish: str, route: str) -> None:
    images.ends = ends
    (first,) = run(replace(images.job(1, destination_zeroed=True), route=wish, audit_share=0.5))
    assert images.identical()
    assert first.route == route
    assert first.read == SIZE
    moved = touch_leaves(images.source, 0.1)
    (second,) = run(replace(images.job(2, previous=images.manifest(1)), route=wish))
    assert images.identical()
    assert second.moved == moved


def test_only_what_changed_is_read(images: Images) -> None:
    images.changed(None, (0, SIZE // 2, False))
    images.source.write_bytes(os.urandom(SIZE // 2) + bytes(SIZE - SIZE // 2))
    first = images.copy(1, destination_zeroed=True)
    assert images.identical()
    assert first.read == (half := -(-SIZE // 2 // LEAF) * LEAF)
    assert images.reads() == set(range(half // LEAF))
    with images.source.open("r+b") as file:
        for offset, data in ((3 * LEAF + 7, b"new"), (30 * LEAF - 1, b"xy"), (10 * LEAF, bytes(LEAF + 9))):
            file.seek(offset)
            file.write(data)
    images.changed("P", (3 * LEAF + 7, 3, False), (30 * LEAF - 1, 2, False), (10 * LEAF, LEAF + 9, True))
    second = images.copy(2, previous=images.manifest(1), since="P")
    assert images.identical()
    assert images.reads() == {3, 11, 29, 30}
    assert (second.read, second.moved, second.zero) == (4 * LEAF, 4 * LEAF, LEAF)
    third = images.copy(3, previous=images.manifest(2))  # nobody vouches for the point
    assert (third.read, third.unchanged) == (SIZE, SIZE)


@pytest.mark.parametrize("wanted", ["sha256", "blake2b"])
def test_a_source_may_ask_for_a_digest_and_a_list_keeps_its_own(images: Images, wanted: str) -> None:
    assert images.copy(1, source=image(images.source, "snapshot", digest=wanted)).algorithm == wanted
    other = "sha256" if wanted == "blake2b" else "blake2b"
    touch_leaves(images.source, 0.1)
    asking = image(images.source, "snapshot", digest=other)
    assert images.copy(2, previous=images.manifest(1), source=asking).algorithm == wanted
    assert images.identical()


def test_a_point_that_the_image_does_not_know_is_no_harm(images: Images) -> None:
    images.copy(1)
    touch_leaves(images.source, 0.2)
    second = images.copy(2, previous=images.manifest(1), since="gone")
    assert images.identical()
    assert second.read == SIZE


def test_a_destination_that_is_compared_is_read_in_full(images: Images) -> None:
    """It may hold anything, so what the source says of its changes is of no use."""
    images.copy(1)
    flip_bit(images.destination, 17 * LEAF)
    images.changed("P")
    mended = images.copy(2, previous=images.manifest(1), since="P", compare_destination=True)
    assert images.identical()
    assert (mended.read, mended.moved) == (SIZE, LEAF)


def test_what_an_interrupted_run_wrote_is_read_again(images: Images) -> None:
    """The point of the next attempt is another one: a leaf that changed back in between is in no change list."""
    images.copy(1)
    before = images.source.read_bytes()
    with images.source.open("r+b") as file:
        file.seek(5 * LEAF)
        file.write(os.urandom(LEAF))
    images.changed("P", (5 * LEAF, LEAF, False))
    journal = images.directory / "journal"
    taken = images.directory / "taken"
    (taken / "so that nothing can be published").mkdir(parents=True)
    with pytest.raises(TransferError, match="transfer process failed"):
        images.copy(2, previous=images.manifest(1), since="P", journal=journal, manifest=taken)
    assert images.identical()
    images.source.write_bytes(before)
    images.changed("P")
    images.reads()
    images.copy(2, previous=images.manifest(1), since="P", journal=journal, compare_destination=True)
    assert images.identical()
    assert images.reads() == {5}


def test_an_audit_reads_images(images: Images) -> None:
    result = images.copy(1)
    end = image(images.destination, "disk-1")
    assert verify_disk(end, images.manifest(1)) == result.root_digest
    flip_bit(images.destination, 9 * LEAF)
    with pytest.raises(TransferError, match="1 of 41 leaves differ"):
        verify_disk(end, images.manifest(1))


def test_an_earlier_writer_is_kept_out(images: Images) -> None:
    images.copy(1, token=7)
    with pytest.raises(WriterFenced, match="token 6 is older than 7"):
        images.copy(2, token=6)


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (lambda end: {**end.parameters, "path": "/nowhere"}, TransferInterrupted, "is away"),
        (lambda end: {}, TransferError, "path"),
    ],
)
def test_what_a_driver_complains_of(
    images: Images, spoil: Callable[[ImageDisk], dict[str, Any]], error: type[TransferError], text: str
) -> None:
    end = image(images.source, "snapshot")
    broken = ImageEnd(replace(end.disk, parameters=spoil(end.disk)))
    with pytest.raises(error, match=text) as caught:
        images.copy(1, source=broken)
    assert "sesame" not in str(caught.value)


def test_an_unknown_kind(images: Images) -> None:
    end = image(images.source, "snapshot")
    with pytest.raises(TransferError, match="no driver for images of kind 'floppy'"):
        images.copy(1, source=ImageEnd(replace(end.disk, kind="floppy")))
