"""Layers are files: each test looks at what a guest would read and at which files are left."""

import hashlib
from pathlib import Path

import pytest

from coriolis.runner import run
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.digest import layer_digest
from coriolis_lab.hypervisor.layers import LayerStore

MIB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


@pytest.fixture
def image(tmp_path: Path, store: LayerStore) -> bytes:
    content = bytes(range(256)) * 4096 + bytes(MIB)
    (tmp_path / "image.raw").write_bytes(content)
    store.add_image("image", tmp_path / "image.raw", "raw")
    return content


def write(store: LayerStore, disk_id: str, offset: int, pattern: int, length: int = 65536) -> None:
    command = f"write -P {pattern} {offset} {length}"
    run(["qemu-io", "-f", "qcow2", "-c", command, store.disk(disk_id).top.path])


def digest(store: LayerStore, disk_id: str) -> str:
    return layer_digest(store.disk(disk_id).top)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(tmp_path: Path) -> int:
    return len(list((tmp_path / "layers").iterdir()))


def test_a_new_disk_reads_as_zeros(store: LayerStore) -> None:
    store.create_disk("d", 3 * MIB)
    assert digest(store, "d") == sha256(bytes(3 * MIB))


def test_a_clone_reads_as_its_image_with_zeros_behind(store: LayerStore, image: bytes) -> None:
    store.disk_from_image("d", "image", 5 * MIB)
    assert digest(store, "d") == sha256(image + bytes(3 * MIB))
    assert store.disk("d").pristine


def test_a_snapshot_keeps_what_was_there(store: LayerStore, image: bytes) -> None:
    store.disk_from_image("d", "image", None)
    disk = store.disk("d")
    frozen, overlay = disk.top, store.new_overlay(disk)
    store.push(disk, overlay)
    store.add_snapshot("s", frozen)
    write(store, "d", 0, 7)
    store.disk_from_snapshot("old", "s", None)
    assert digest(store, "d") == sha256(b"\7" * 65536 + image[65536:])
    assert digest(store, "old") == sha256(image)
    store.revert(disk, "s")
    assert digest(store, "d") == sha256(image)


def test_source_and_copy_write_apart(store: LayerStore) -> None:
    store.create_disk("source", MIB)
    write(store, "source", 0, 1)
    store.copy_disk("source", "copy")
    write(store, "source", 0, 2)
    write(store, "copy", 65536, 3)
    assert digest(store, "source") == sha256(b"\2" * 65536 + bytes(MIB - 65536))
    assert digest(store, "copy") == sha256(b"\1" * 65536 + b"\3" * 65536 + bytes(MIB - 131072))


def test_a_file_goes_with_its_last_user(tmp_path: Path, store: LayerStore) -> None:
    store.create_disk("source", MIB)
    store.copy_disk("source", "copy")
    assert files(tmp_path) == 3
    store.delete_disk("source")
    assert files(tmp_path) == 2
    store.delete_disk("copy")
    assert files(tmp_path) == 0


def test_a_snapshot_outlives_its_disk(tmp_path: Path, store: LayerStore) -> None:
    store.create_disk("d", MIB)
    write(store, "d", 0, 9)
    disk = store.disk("d")
    frozen = disk.top
    store.push(disk, store.new_overlay(disk))
    store.add_snapshot("s", frozen)
    store.delete_disk("d")
    store.disk_from_snapshot("again", "s", 2 * MIB)
    assert digest(store, "again") == sha256(b"\x09" * 65536 + bytes(2 * MIB - 65536))
    store.delete_snapshot("s")
    assert files(tmp_path) == 2
    store.delete_disk("again")
    assert files(tmp_path) == 0


def test_images_are_never_removed(tmp_path: Path, store: LayerStore, image: bytes) -> None:
    store.disk_from_image("d", "image", None)
    store.delete_image("image")
    store.delete_disk("d")
    assert (tmp_path / "image.raw").read_bytes() == image


def test_actual_size_counts_a_disk_alone(store: LayerStore) -> None:
    store.create_disk("source", 8 * MIB)
    write(store, "source", 0, 1, 4 * MIB)
    alone = store.actual_size(store.disk("source"))
    store.copy_disk("source", "copy")
    assert alone >= 4 * MIB
    assert store.actual_size(store.disk("source")) < MIB
    store.delete_disk("copy")
    assert store.actual_size(store.disk("source")) > alone


def test_a_boot_can_be_adopted_and_put_back(tmp_path: Path, store: LayerStore, image: bytes) -> None:
    booted = tmp_path / "booted.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", tmp_path / "image.raw", "-F", "raw", booted])
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 5 0 65536", booted])
    store.disk_from_image("d", "image", None)
    disk = store.disk("d")
    former = store.adopt_booted(disk, booted)
    assert digest(store, "d") == sha256(b"\5" * 65536 + image[65536:])
    store.put_back(disk, former)
    assert digest(store, "d") == sha256(image)
    store.delete_disk("d")
    assert files(tmp_path) == 0
    assert booted.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda store: store.disk("nothing"),
        lambda store: store.disk_from_image("d", "nothing", None),
        lambda store: store.delete_snapshot("nothing"),
        lambda store: (store.create_disk("d", MIB), store.create_disk("d", MIB)),
        lambda store: (store.create_disk("d", MIB), store.resize(store.disk("d"), 1)),
    ],
)
def test_what_cannot_be_is_refused(store: LayerStore, wrong: object) -> None:
    with pytest.raises(HypervisorError):
        wrong(store)  # type: ignore[operator]
