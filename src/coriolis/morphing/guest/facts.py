"""What is true of the guest, gathered once, so that the plan can be a pure function of it."""

import fnmatch
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest import dpkg
from coriolis.morphing.guest.commands import find_tool, run
from coriolis.morphing.guest.detect import OsRelease
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.esp import find_esp, opened_esp
from coriolis.morphing.guest.initrd import read_initrd
from coriolis.morphing.guest.kernel_modules import KernelModules, missing_drivers, with_companions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coriolis.morphing.guest.block_devices import BlockDevice
    from coriolis.morphing.guest.chroot import Chroot
    from coriolis.morphing.guest.compression import UnpackProgram
    from coriolis.morphing.guest.job import Wanted

_LARGEST_TEXT = 1 << 20  # bytes; nothing that is edited here is larger


class KernelFacts(NamedTuple):
    """`missing`: drivers that this kernel has as modules and its initramfs lacks; `unavailable`: not in the
    kernel."""

    version: str
    initrd: str
    missing: "tuple[str, ...]" = ()
    unavailable: "tuple[str, ...]" = ()


class Facts(NamedTuple):
    """`files`: texts by path, of those that a plan may look at; links are in `paths` only, which is what
    exists.

    `esp_files` is None without an EFI system partition. `broken`: packages whose installation was
    interrupted.
    """

    release: OsRelease
    architecture: str = "amd64"
    packages: "frozenset[str]" = frozenset()
    broken: "tuple[str, ...]" = ()
    kernels: "tuple[KernelFacts, ...]" = ()
    files: "Mapping[str, str]" = MappingProxyType({})
    paths: "frozenset[str]" = frozenset()
    devices: "tuple[BlockDevice, ...]" = ()
    esp_files: "tuple[str, ...] | None" = None
    enabled_units: "frozenset[str]" = frozenset()


class Watched(NamedTuple):
    """What a family's plan looks at: file patterns (a * in the last part only), other paths, units."""

    texts: "tuple[str, ...]"
    paths: "tuple[str, ...]"
    units: "tuple[str, ...]"


def gather(
    chroot: "Chroot",
    release: OsRelease,
    devices: "list[BlockDevice]",
    watched: Watched,
    wanted: "Wanted",
) -> Facts:
    root = chroot.root
    status = dpkg.parse_status(root.read_text(dpkg.STATUS_FILE)) if root.is_file(dpkg.STATUS_FILE) else []
    found = [path for pattern in watched.texts for path in _matching(chroot, pattern)]
    present = {path for pattern in watched.paths for path in _matching(chroot, pattern)}
    return Facts(
        release=release,
        architecture=dpkg.architecture_of(status),
        packages=frozenset(package.name for package in status if package.installed),
        broken=tuple(package.name for package in status if package.interrupted),
        kernels=tuple(kernels(chroot, with_companions(wanted.drivers))),
        files={path: root.read_text(path) for path in found if _is_text(chroot, path)},
        paths=frozenset(found) | present,
        devices=tuple(devices),
        esp_files=_esp_files(devices) if wanted.efi else None,
        enabled_units=frozenset(unit for unit in watched.units if is_enabled(chroot, unit)),
    )


def kernels(chroot: "Chroot", drivers: "tuple[str, ...]") -> "list[KernelFacts]":
    """Of every kernel that can be booted: an image in /boot and a directory of modules."""
    root = chroot.root
    facts = []
    for version in root.names("/lib/modules"):
        if not root.exists("/boot/vmlinuz-" + version):
            continue
        modules = KernelModules(root.resolve("/lib/modules/" + version))
        unavailable = tuple(name for name in drivers if not modules.has(name))
        initrd = "/boot/initrd.img-" + version
        if not root.is_file(initrd):
            facts.append(KernelFacts(version, "", (), unavailable))
            continue
        content = read_initrd(root.read(initrd), unpacker(chroot))
        facts.append(KernelFacts(version, initrd, missing_drivers(content, modules, drivers), unavailable))
    return facts


def unpacker(chroot: "Chroot") -> "UnpackProgram":
    """Unpacks with the worker's program, else with the guest's own, which packed it."""

    def unpack(name: str, data: bytes) -> bytes:
        tool = find_tool(name)
        if tool:
            return run([tool, "-dc"], stdin=data).stdout
        if chroot.has(name):
            return chroot.run([name, "-dc"], stdin=data).stdout
        raise MorphFailure(
            f"an initramfs of the guest is packed with {name}, and neither the worker VM nor the guest "
            f"has the program {name}: choose a worker image with it"
        )

    return unpack


def _matching(chroot: "Chroot", pattern: str) -> "list[str]":
    directory, _, name = pattern.rpartition("/")
    if "*" not in name:
        return [pattern] if chroot.root.exists(pattern) else []
    return [f"{directory}/{found}" for found in fnmatch.filter(chroot.root.names(directory), name)]


def _is_text(chroot: "Chroot", path: str) -> bool:
    place = chroot.root.locate(path)
    return not os.path.islink(place) and os.path.isfile(place) and os.path.getsize(place) <= _LARGEST_TEXT


def is_enabled(chroot: "Chroot", unit: str) -> bool:
    """By a link in any target or device's .wants, or by a udev rule that wants it when its device appears."""
    root = chroot.root
    for directory in root.names("/etc/systemd/system"):
        if directory.endswith(".wants") and unit in root.names("/etc/systemd/system/" + directory):
            return True
    rule = "/lib/udev/rules.d/60-{}.rules".format(unit.rpartition(".")[0])
    return root.is_file(rule) and "SYSTEMD_WANTS" in root.read_text(rule)


def _esp_files(devices: "list[BlockDevice]") -> "tuple[str, ...] | None":
    device = find_esp(devices)
    if device is None:
        return None
    with opened_esp(device) as esp:
        return esp.files()
