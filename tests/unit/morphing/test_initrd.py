import gzip
from pathlib import Path

import pytest

from coriolis.morphing.guest.cpio import regular_file, write_archive
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.initrd import read_initrd, with_files
from coriolis.morphing.guest.kernel_modules import (
    KernelModules,
    entries_with_drivers,
    missing_drivers,
    with_companions,
)
from tests.unit.morphing.initrds import MICROCODE, MODULES, PACKERS, VERSION, main_archive, unpack_program

_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_console")


@pytest.fixture
def modules(tmp_path: Path) -> KernelModules:
    directory = tmp_path / VERSION
    files = {
        "kernel/drivers/virtio/virtio.ko": b"core",
        "kernel/drivers/virtio/virtio_ring.ko": b"ring",
        "kernel/drivers/virtio/virtio_pci.ko": b"pci",
        "kernel/drivers/block/virtio_blk.ko": b"blk",
        "kernel/drivers/scsi/vmw_pvscsi.ko": b"pvscsi",
    }
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    core = "kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko"
    (directory / "modules.dep").write_text(
        "kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n"
        "kernel/drivers/virtio/virtio_ring.ko:\n"
        f"kernel/drivers/virtio/virtio_pci.ko: {core}\n"
        f"kernel/drivers/block/virtio_blk.ko: {core}\n"
        "kernel/drivers/scsi/vmw_pvscsi.ko:\n"
    )
    (directory / "modules.builtin").write_text("kernel/drivers/char/virtio_console.ko\n")
    (directory / "modules.order").write_text("")
    return KernelModules(str(directory))


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize("microcode", [b"", MICROCODE + b"\0" * 300], ids=["bare", "microcode"])
def test_drivers_are_added_whatever_the_packing(
    compression: str, microcode: bytes, modules: KernelModules
) -> None:
    data = microcode + PACKERS[compression](main_archive())
    initrd = read_initrd(data, unpack_program)
    assert [part.compression for part in initrd.parts] == ([None] if microcode else []) + [compression]
    missing = missing_drivers(initrd, modules, with_companions(_DRIVERS))
    assert missing == ("virtio_pci", "virtio_blk")
    entries = entries_with_drivers(
        initrd, modules, missing, lambda files: {"modules.dep": "\n".join(files).encode()}
    )
    patched = with_files(data, initrd, entries)
    if compression != "lz4":
        assert patched.startswith(data)
    again = read_initrd(patched, unpack_program)
    assert missing_drivers(again, modules, _DRIVERS) == ()
    assert again.files[f"{MODULES}/kernel/drivers/virtio/virtio_ring.ko"].data == b"ring"
    assert b"vmw_pvscsi.ko" in again.files[f"{MODULES}/modules.dep"].data
    assert again.files["conf/modules"].data == b"vmw_pvscsi\nvirtio_pci\nvirtio_blk\n"
    assert again.files["lib"].is_link, "a link must not become a directory"


def test_a_driver_that_the_kernel_lacks_is_not_missing_from_the_initramfs(modules: KernelModules) -> None:
    initrd = read_initrd(gzip.compress(main_archive()), unpack_program)
    assert not modules.has("virtio_scsi")
    assert missing_drivers(initrd, modules, ("virtio_scsi",)) == ()


def test_scsi_drivers_bring_the_disk_driver() -> None:
    assert with_companions(("virtio_scsi", "virtio_net")) == ("virtio_scsi", "virtio_net", "sd_mod")


def test_dracut_reads_another_list(modules: KernelModules) -> None:
    dracut = write_archive([regular_file("init", b""), regular_file("usr/lib/initrd-release", b"")])
    initrd = read_initrd(gzip.compress(dracut), unpack_program)
    entries = entries_with_drivers(initrd, modules, ("virtio_blk",), lambda files: {})
    names = {entry.name for entry in entries}
    assert f"lib/modules/{VERSION}/kernel/drivers/block/virtio_blk.ko" in names
    assert "etc/modules-load.d/coriolis.conf" in names


@pytest.mark.parametrize("data", [b"", b"\0" * 600, b"MZ" + b"x" * 600, gzip.compress(main_archive())[:-9]])
def test_what_is_no_initramfs_is_told(data: bytes) -> None:
    with pytest.raises(MorphFailure, match=r"initramfs|cut off"):
        read_initrd(data, unpack_program)
