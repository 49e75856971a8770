"""Raw disk images from directory trees: partition table, file systems, boot loader. Nothing is mounted or
attached.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coriolis.runner import run
from coriolis_lab.guests.bootloader import SECTOR, configure, make_core, write_bios_blocks, write_esp
from coriolis_lab.guests.recipes import MIB, DataDisk, Layout, SystemDisk
from coriolis_lab.guests.tree import write_files

# GRUB 2.06 does not read these two features of newer ext4
_EXT4_FEATURES = "^metadata_csum_seed,^orphan_file"
_BIOS_BOOT_GUID = "21686148-6449-6E6F-744E-656564454649"


@dataclass(frozen=True)
class Partition:
    """Bytes. `kind` is sfdisk's type: a letter code or a GUID."""

    start: int
    size: int
    kind: str


@dataclass(frozen=True)
class _Plan:
    label: str
    root: Partition
    esp: Partition | None = None
    bios_boot: Partition | None = None

    @property
    def partitions(self) -> Sequence[Partition]:
        return [part for part in (self.root, self.bios_boot, self.esp) if part]


def build_system_disk(disk: SystemDisk, root: Path, command_line: str, image: Path, scratch: Path) -> None:
    """Writes `image`. The tree's fstab and GRUB settings become those of this disk."""
    plan = _plan(disk)
    root_uuid = str(uuid.uuid4())
    volume_id = uuid.uuid4().hex[:8].upper()
    platforms = [
        p for p, wanted in (("i386-pc", disk.layout != Layout.UEFI_GPT), ("x86_64-efi", plan.esp)) if wanted
    ]
    for platform in platforms:
        configure(root, root_uuid, command_line, platform)
    (root / "etc/fstab").write_text(
        _fstab(root_uuid, volume_id if disk.layout == Layout.UEFI_GPT else None, root)
    )
    _create_sparse(image, disk.size)
    table = [f"label: {plan.label}"]
    table += [f"start={p.start // SECTOR}, size={p.size // SECTOR}, type={p.kind}" for p in plan.partitions]
    if disk.layout == Layout.BIOS_MBR:
        table[1] += ", bootable"
    run(["sfdisk", "-q", image], stdin="\n".join(table).encode())
    _make_ext4(image, root, root_uuid, "root", plan.root)
    for platform in platforms:
        core = scratch / f"{disk.name}.{platform}"
        make_core(root, root_uuid, platform, core)
        if platform == "i386-pc":
            boot = root / "usr/lib/grub/i386-pc/boot.img"
            gap = plan.bios_boot or Partition(SECTOR, plan.root.start - SECTOR, "")
            write_bios_blocks(image, boot, core, gap.start // SECTOR, gap.size // SECTOR)
        elif plan.esp:
            write_esp(image, plan.esp.start, plan.esp.size, volume_id, core)


def build_data_disk(disk: DataDisk, image: Path, scratch: Path) -> None:
    """The whole disk is one file system. Random files hold the same bytes at every build."""
    tree = scratch / disk.name
    write_files(tree, disk.files)
    for name, size in disk.random_files.items():
        path = tree / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.shake_128(name.encode()).digest(size))
    _create_sparse(image, disk.size)
    _make_ext4(image, tree, str(uuid.uuid4()), disk.label, Partition(0, disk.size, ""))


def _plan(disk: SystemDisk) -> _Plan:
    esp_size = 64 * MIB
    if disk.layout == Layout.BIOS_MBR:
        return _Plan("dos", Partition(MIB, disk.size - 2 * MIB, "83"))
    esp = Partition(4 * MIB, esp_size, "U")
    start = esp.start + esp.size
    bios = Partition(MIB, 3 * MIB, _BIOS_BOOT_GUID) if disk.layout == Layout.HYBRID_GPT else None
    return _Plan("gpt", Partition(start, disk.size - start - MIB, "L"), esp, bios)


def _fstab(root_uuid: str, esp_volume_id: str | None, root: Path) -> str:
    lines = [f"UUID={root_uuid} / ext4 rw,discard,errors=remount-ro 0 1"]
    if esp_volume_id:
        (root / "boot/efi").mkdir(exist_ok=True)
        # nofail: a busy host shows the device later than systemd waits, which ends in a rescue shell
        lines.append(f"UUID={esp_volume_id[:4]}-{esp_volume_id[4:]} /boot/efi vfat umask=0077,nofail 0 1")
    if (root / "srv/data").is_dir():
        lines.append("LABEL=data /srv/data ext4 defaults,nofail 0 2")
    return "\n".join(lines) + "\n"


def _create_sparse(image: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)


def _make_ext4(image: Path, tree: Path, fs_uuid: str, label: str, where: Partition) -> None:
    run(
        [
            "mkfs.ext4",
            *("-q", "-F", "-m", "1", "-b", "4096"),
            *("-O", _EXT4_FEATURES),
            *("-U", fs_uuid, "-L", label),
            *("-E", f"offset={where.start},lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
            *("-d", tree),
            image,
            f"{where.size // 1024}k",
        ]
    )
