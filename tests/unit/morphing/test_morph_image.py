"""The guest-side program on a real Debian disk, loop-mounted: everything but a boot (see test_morph_vm)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coriolis_lab.guests.library import GuestLibrary

_CACHE = Path("/var/cache/coriolis-lab")
_DRIVERS = {"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for loop devices")


@pytest.fixture(scope="module")
def library() -> GuestLibrary:
    library = GuestLibrary(_CACHE)
    library.ensure(["source"])
    return library


@pytest.fixture
def image(library: GuestLibrary, tmp_path: Path) -> Path:
    return copy_of(library.image("source"), tmp_path)


def copy_of(image: Path, directory: Path) -> Path:
    copy = directory / "disk.raw"
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    return copy


def morph(
    image: Path, library: GuestLibrary | None, firmware: str = "bios", *changes: str
) -> list[dict[str, Any]]:
    packages = str(library.packages_dir.parent) if library else ""
    command = [
        sys.executable,
        "-m",
        "tests.unit.morphing.image_run",
        str(image),
        packages,
        firmware,
        *changes,
    ]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *command],
        capture_output=True,
        check=False,
        timeout=250,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stdout, done.stderr.decode()
    assert not subprocess.run(["losetup", "-j", image], capture_output=True, check=True).stdout
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def texts(events: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["message"] for event in events if event["event"] == kind]


def test_a_vmware_guest_becomes_a_virtio_guest_and_stays_one(image: Path, library: GuestLibrary) -> None:
    events = morph(image, library)
    found = events[-1]
    assert found["event"] == "described", events
    assert _DRIVERS | {"virtio", "virtio_ring", "net_failover", "failover", "vmw_pvscsi"} <= set(
        found["modules"]
    )
    assert set(found["load"]) >= _DRIVERS
    assert all(f"/{name}.ko:" in found["modules_dep"] for name in _DRIVERS)
    assert "qemu-guest-agent" in found["packages"]
    assert "open-vm-tools" not in found["packages"]
    assert "iface eth0 inet dhcp" in found["texts"]["etc/network/interfaces"]
    assert "10.20.0.10" in found["texts"]["etc/network/interfaces.pre-coriolis"]
    assert "nameserver" not in found["texts"]["etc/resolv.conf"]
    assert set(found["texts"]["etc/initramfs-tools/modules"].split()) >= _DRIVERS
    assert found["leftovers"] == ["etc/systemd/network/10-coriolis-eth0.link"]
    assert not found["policy"]
    changed = [event["path"] for event in events if event["event"] == "changed"]
    assert "/etc/udev/rules.d/70-persistent-net.rules" in changed

    again = morph(image, library)
    assert not [event for event in again if event["event"] == "changed"], "a second run finds nothing to do"
    assert again[-1] == found


def test_without_packages_the_agent_comes_at_the_first_boot(image: Path) -> None:
    mirror = "deb http://127.0.0.1:9/debian bookworm main"
    no_mirror = f"echo '{mirror}' >etc/apt/sources.list; rm -rf etc/apt/sources.list.d/*"
    events = morph(image, None, "bios", no_mirror)
    found = events[-1]
    assert found["event"] == "described", events
    assert "qemu-guest-agent" not in found["packages"]
    assert "etc/systemd/system/coriolis-first-boot.service" in found["leftovers"]
    assert "apt-get" in found["texts"]["usr/lib/coriolis/first-boot/10-guest-agent"]
    warnings = texts(events, "warning")
    assert "qemu-guest-agent will be installed when the guest first starts." in warnings
    assert any("package mirror" in text for text in warnings)


def test_kernel_device_names_become_uuids(image: Path, library: GuestLibrary) -> None:
    in_fstab = "sed -i -E 's#^UUID=[^ \\t]+([ \\t]+/ )#/dev/sda1\\1#' etc/fstab"
    in_grub = "sed -i -E 's#root=UUID=[^ ]+#root=/dev/sda1#' boot/grub/grub.cfg"
    found = morph(image, library, "bios", in_fstab, in_grub)[-1]
    assert found["event"] == "described", found
    assert "/dev/sda" not in found["texts"]["etc/fstab"] + found["texts"]["boot/grub/grub.cfg"]
    assert "root=UUID=" in found["texts"]["boot/grub/grub.cfg"]


def test_uefi_guest_gets_a_fallback_loader(library: GuestLibrary, tmp_path: Path) -> None:
    image = copy_of(library.image("source-uefi"), tmp_path)
    move_away = (
        'disk=$(findmnt -no SOURCE -T . | sed "s/p[0-9]*$//"); esp=$(blkid -t TYPE=vfat -o device ${disk}p*)'
        " && MTOOLS_SKIP_CHECK=1 mdeltree -i $esp ::/EFI/BOOT"
    )
    found = morph(image, library, "efi", move_away)[-1]
    assert found["event"] == "described", found
    assert "efi/boot/bootx64.efi" in [path.lower() for path in found["esp"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("rm etc/os-release usr/lib/os-release", "no file system with /etc/fstab and an os-release file"),
        (
            "printf 'ID=arch\\nPRETTY_NAME=\"Arch Linux\"\\n' >usr/lib/os-release",
            "Arch Linux (ID=arch) is not supported yet",
        ),
        (
            "fallocate -l $(($(stat -f -c %a . ) * $(stat -f -c %S .) - 50000000)) filler",
            "free some space on the source",
        ),
        ("rm boot/vmlinuz-*", "no kernel is installed"),
        ("for i in boot/initrd.img-*; do truncate -s 100000 $i; done", "cut off"),
    ],
)
def test_what_cannot_be_morphed_says_why(image: Path, change: str, reason: str) -> None:
    failure = morph(image, None, "bios", change)[-1]
    assert failure["event"] == "failure", failure
    assert reason in failure["reason"]


def _stamp(text: str, place: int = 0) -> str:
    return f" && printf '{text}' | dd of={{}} bs=1 seek={place} conv=notrunc status=none"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("", "nothing known"),
        (" && mkfs.ext4 -q {}", "no file system with /etc/fstab"),
        (" && mkswap -q {}" + _stamp("S1SUSPEND", 4086), "was hibernated"),
        (_stamp("LUKS\\272\\276\\000\\001"), "LUKS"),
    ],
)
def test_disks_without_a_usable_system(make: str, reason: str, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    command = "truncate -s 64M {}" + make
    subprocess.run(["sh", "-ec", command.replace("{}", str(image))], capture_output=True, check=True)
    failure = morph(image, None)[-1]
    assert failure["event"] == "failure", failure
    assert reason in failure["reason"]
