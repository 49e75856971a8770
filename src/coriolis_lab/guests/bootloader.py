"""GRUB on a disk image, without the image being attached anywhere.

grub-install probes devices, which a file on the build host is not: the blocks are therefore placed here.
The layout of boot.img and core.img is that of GRUB 2 (grub-core/boot/i386/pc/{boot,diskboot}.S,
include/grub/offsets.h).
"""

import shutil
import struct
from pathlib import Path

from coriolis.runner import run

SECTOR = 512
_MODULES = ("ext2", "search_fs_uuid", "normal", "linux", "serial", "terminal", "configfile", "echo")
_BOOT_CODE_BYTES = 440  # the disk signature and the partition table follow
_KERNEL_SECTOR = 0x5C  # in boot.img: where core.img starts (64 bit sector number)
_DRIVE_CHECK = 0x66  # in boot.img: a jump that hard disks must not take
_NOP = b"\x90\x90"
_BLOCK_LIST = SECTOR - 12  # in core.img's first sector: start (64 bit), length, segment of the rest
_REST_SEGMENT = 0x820

_MENU = """\
serial --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
menuentry 'Debian GNU/Linux' {{
  search --no-floppy --fs-uuid --set=root {root_uuid}
  linux /boot/vmlinuz-{kernel} root=UUID={root_uuid} ro {command_line}
  initrd /boot/initrd.img-{kernel}
}}
"""


def configure(root: Path, root_uuid: str, command_line: str, platform: str) -> None:
    """Writes grub.cfg and GRUB's modules for `platform` (i386-pc or x86_64-efi) into the root tree."""
    grub = root / "boot/grub"
    modules = grub / platform
    modules.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.mod", "*.lst"):
        for file in (root / "usr/lib/grub" / platform).glob(pattern):
            shutil.copy2(file, modules / file.name)
    kernel = sorted(path.name for path in (root / "lib/modules").iterdir())[-1]
    (grub / "grub.cfg").write_text(
        _MENU.format(root_uuid=root_uuid, kernel=kernel, command_line=command_line)
    )


def make_core(root: Path, root_uuid: str, platform: str, target: Path) -> None:
    """The image that finds its modules and menu by the root file system's UUID, on whatever disk that is."""
    early = target.with_name(target.name + ".cfg")
    early.write_text(f"search.fs_uuid {root_uuid} root\nset prefix=($root)/boot/grub\n")
    disk_modules = ("biosdisk", "part_msdos", "part_gpt") if platform == "i386-pc" else ("part_gpt", "fat")
    run(
        [
            "grub-mkimage",
            f"--directory={root}/usr/lib/grub/{platform}",
            f"--format={platform}",
            f"--config={early}",
            "--prefix=/boot/grub",
            f"--output={target}",
            *disk_modules,
            *_MODULES,
        ]
    )


def write_bios_blocks(
    image: Path, boot_image: Path, core_image: Path, core_sector: int, gap_sectors: int
) -> None:
    """boot.img into the first sector, around the partition table, and core.img to `core_sector` and on."""
    boot = bytearray(boot_image.read_bytes())
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, core_sector)
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NOP
    core = bytearray(core_image.read_bytes())
    sectors = -(-len(core) // SECTOR)
    if sectors > gap_sectors:
        raise ValueError(f"GRUB's core image takes {sectors} sectors, only {gap_sectors} are free")
    struct.pack_into("<QHH", core, _BLOCK_LIST, core_sector + 1, sectors - 1, _REST_SEGMENT)
    with image.open("r+b") as disk:
        disk.write(boot[:_BOOT_CODE_BYTES])
        disk.seek(core_sector * SECTOR)
        disk.write(core)


def write_esp(image: Path, offset: int, size: int, volume_id: str, efi_image: Path) -> None:
    """An EFI system partition with GRUB as Debian's loader and as the fallback that firmware without memory
    starts.
    """
    esp = efi_image.with_name(efi_image.name + ".esp")
    with esp.open("wb") as file:
        file.truncate(size)
    run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "EFI", "-i", volume_id, esp])
    environment = {"MTOOLS_SKIP_CHECK": "1"}
    run(["mmd", "-i", esp, "::/EFI", "::/EFI/debian", "::/EFI/BOOT"], env=environment)
    for target in ("::/EFI/debian/grubx64.efi", "::/EFI/BOOT/BOOTX64.EFI"):
        run(["mcopy", "-i", esp, efi_image, target], env=environment)
    run(
        [
            "dd",
            f"if={esp}",
            f"of={image}",
            "bs=1M",
            f"seek={offset // 2**20}",
            "conv=notrunc,sparse",
            "status=none",
        ]
    )
