"""Runs the guest-side program on a disk image of this machine.

`image_run IMAGE PACKAGES_DIR bios|efi [CHANGE...]`, started in a mount namespace of its own. Prints the
events, and at the end one line with what the guest then holds. Each CHANGE is a shell command that is run
with the guest's root as its directory before the morphing.
"""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from coriolis.morphing.guest.block_devices import scan
from coriolis.morphing.guest.channel import Channel
from coriolis.morphing.guest.commands import run
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.esp import find_esp, opened_esp
from coriolis.morphing.guest.initrd import read_initrd
from coriolis.morphing.guest.job import GuestJob, Wanted
from coriolis.morphing.guest.kernel_modules import module_name
from coriolis.morphing.guest.main import morph
from coriolis.morphing.guest.mounting import mount_point, mounted
from tests.unit.morphing.initrds import unpack_program

_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console")
_TEXTS = (
    "etc/fstab",
    "etc/network/interfaces",
    "etc/network/interfaces.pre-coriolis",
    "etc/resolv.conf",
    "etc/initramfs-tools/modules",
    "boot/grub/grub.cfg",
    "usr/lib/coriolis/first-boot/10-guest-agent",
)


class DirectoryChannel(Channel):
    """Takes packages from a directory instead of a conductor."""

    def __init__(self, packages: Path) -> None:
        super().__init__(0, 1)
        self._packages = packages

    def fetch(self, package_set: str, file_names: list[str], directory: str, timeout: float) -> list[str]:
        return [shutil.copy(self._packages / package_set / name, directory) for name in file_names]


@contextlib.contextmanager
def loop_device(image: str) -> Iterator[str]:
    device = run(["/usr/sbin/losetup", "--show", "-f", image]).text.strip()
    try:
        yield device
    finally:
        run(["/usr/bin/partx", "-d", device], check=False)
        run(["/usr/sbin/losetup", "-d", device])


@contextlib.contextmanager
def guest_root(disk: str) -> Iterator[Path]:
    root = next(device for device in scan([disk]) if device.kind == "ext4")
    with mount_point() as place, mounted(root.path, place, root.kind):
        yield Path(place)


def describe(disk: str) -> dict[str, object]:
    with guest_root(disk) as root:
        initrd = next(
            path for path in (root / "boot").glob("initrd.img-*") if "pre-coriolis" not in path.name
        )
        version = initrd.name.removeprefix("initrd.img-")
        content = read_initrd(initrd.read_bytes(), unpack_program)
        files = content.module_files(version)
        esp = find_esp(scan([disk]))
        with opened_esp(esp) if esp else contextlib.nullcontext() as opened:
            esp_files = sorted(opened.files()) if opened else []
        status = (root / "var/lib/dpkg/status").read_text()
        return {
            "texts": {name: (root / name).read_text() for name in _TEXTS if (root / name).is_file()},
            "modules": sorted(module_name(path) for path in files if path.endswith(".ko")),
            "modules_dep": files["modules.dep"].decode(),
            "load": content.files["conf/modules"].data.decode().split(),
            "packages": [
                p.split("\n")[0][9:] for p in status.split("\n\n") if "\nStatus: install ok installed" in p
            ],
            "esp": esp_files,
            "leftovers": [
                str(p.relative_to(root)) for p in root.rglob("*coriolis*") if ".pre-" not in p.name
            ],
            "policy": (root / "usr/sbin/policy-rc.d").exists(),
        }


def main(image: str, packages: str, firmware: str, *changes: str) -> int:
    offered = (
        {p.name: tuple(f.name for f in p.iterdir()) for p in Path(packages).iterdir()} if packages else {}
    )
    wanted = Wanted(
        _DRIVERS, ("guest-agent",), ("vmware-tools",), True, ("56:6f:00:00:00:01",), firmware == "efi"
    )
    with loop_device(image) as disk:
        if changes:
            with guest_root(disk) as root:
                for change in changes:
                    run(["/bin/sh", "-ec", f"cd {root}; {change}"])
        channel = DirectoryChannel(Path(packages))
        try:
            morph([disk], GuestJob((), wanted, offered, (), 600.0, token=1), channel)
        except MorphFailure as failure:
            channel.fail(str(failure))
            return 1
        print(json.dumps({"event": "described", **describe(disk)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
