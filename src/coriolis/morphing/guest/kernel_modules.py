"""Kernel modules of an installed kernel: which exist, which are built in, what they need."""

import os
import posixpath
from typing import TYPE_CHECKING

from coriolis.morphing.guest import cpio
from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coriolis.morphing.guest.initrd import Initrd

_INDEX_INPUTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def module_name(path: str) -> str:
    """virtio_blk of kernel/drivers/block/virtio-blk.ko.xz."""
    return posixpath.basename(path).split(".ko")[0].replace("-", "_")


def with_companions(drivers: "Iterable[str]") -> "tuple[str, ...]":
    """A SCSI host driver alone shows no disk: sd_mod makes the block devices."""
    wanted = list(dict.fromkeys(drivers))
    if "virtio_scsi" in wanted and "sd_mod" not in wanted:
        wanted.append("sd_mod")
    return tuple(wanted)


class KernelModules:
    """The modules directory of one kernel in the guest's root (e.g. ROOT/lib/modules/6.1.0-39-amd64)."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.version = os.path.basename(directory)
        self.builtin = frozenset(module_name(line) for line in self._lines("modules.builtin"))
        self._paths: dict[str, str] = {}
        self._needs: dict[str, list[str]] = {}
        for line in self._lines("modules.dep"):
            path, _, needs = line.partition(":")
            self._paths[module_name(path)] = path
            self._needs[path] = needs.split()

    def has(self, name: str) -> bool:
        return name in self.builtin or name in self._paths

    def files_for(self, names: "Iterable[str]") -> "list[str]":
        """Paths below `directory` of the modules and all they need, needed ones first."""
        paths: list[str] = []
        for name in names:
            if name in self._paths:
                path = self._paths[name]
                paths += [*self._needs[path][::-1], path]
        return list(dict.fromkeys(paths))

    def read(self, path: str) -> bytes:
        with open(os.path.join(self.directory, path), "rb") as source:
            return source.read()

    def _lines(self, name: str) -> "list[str]":
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as lines:
            return [line.strip() for line in lines if line.strip()]


def missing_drivers(initrd: "Initrd", modules: KernelModules, drivers: "Iterable[str]") -> "tuple[str, ...]":
    """Those that the kernel has as a module, but that this initramfs could not load."""
    present = {module_name(path) for path in initrd.module_files(modules.version)}
    return tuple(
        name for name in drivers if modules.has(name) and name not in modules.builtin and name not in present
    )


def entries_with_drivers(
    initrd: "Initrd",
    modules: KernelModules,
    drivers: "Iterable[str]",
    index: "Callable[[dict[str, bytes]], dict[str, bytes]]",
) -> "list[cpio.Entry]":
    """The files to add: module files, new indexes over old and new ones, and the list of what to load at
    start.

    `index` makes depmod's files (modules.dep, modules.dep.bin...) for the given module files.
    """
    drivers = tuple(drivers)
    prefix = initrd.modules_directory(modules.version)
    present = initrd.module_files(modules.version)
    added = {path: modules.read(path) for path in modules.files_for(drivers) if path not in present}
    if not added:
        raise MorphFailure("kernel {} has no module of {}".format(modules.version, ", ".join(drivers)))
    inputs = {
        name: modules.read(name) for name in _INDEX_INPUTS if os.path.exists(modules.directory + "/" + name)
    }
    merged = dict(present)
    merged.update(inputs)
    merged.update(added)
    files = dict(added)
    files.update(index(merged))
    entries = [cpio.regular_file(posixpath.join(prefix, path), data) for path, data in sorted(files.items())]
    return [*entries, _load_list(initrd, drivers)]


def _load_list(initrd: "Initrd", drivers: "tuple[str, ...]") -> cpio.Entry:
    """initramfs-tools loads what conf/modules lists; dracut's systemd reads modules-load.d."""
    old = initrd.files.get("conf/modules")
    if old is None and "init" in initrd.files and "scripts/functions" not in initrd.files:
        text = "".join(name + "\n" for name in drivers)
        return cpio.regular_file(initrd.real_path("etc/modules-load.d/coriolis.conf"), text.encode())
    lines = (old.data.decode(errors="surrogateescape") if old else "").splitlines()
    lines += [name for name in drivers if name not in lines]
    return cpio.regular_file(
        "conf/modules", "".join(line + "\n" for line in lines).encode(errors="surrogateescape")
    )
