"""Carrying out a plan."""

import os
import tempfile
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest import first_boot
from coriolis.morphing.guest.actions import (
    AddDrivers,
    CopyInEsp,
    EnableUnit,
    InstallPackages,
    Link,
    PurgePackages,
    Remove,
    SetAside,
    Warn,
    WriteFile,
)
from coriolis.morphing.guest.commands import find_tool, run
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.esp import find_esp, opened_esp
from coriolis.morphing.guest.facts import is_enabled, unpacker
from coriolis.morphing.guest.initrd import read_initrd, with_files
from coriolis.morphing.guest.kernel_modules import KernelModules, entries_with_drivers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.channel import Channel
    from coriolis.morphing.guest.chroot import Chroot
    from coriolis.morphing.guest.facts import Facts
    from coriolis.morphing.guest.packages import Installer

_SPACE_LEFT = 10 << 20  # bytes that a patched initramfs leaves free on its file system


class Workshop(NamedTuple):
    """What actions are carried out with."""

    chroot: "Chroot"
    facts: "Facts"
    installer: "Installer"
    channel: "Channel"


def apply(actions: "Sequence[Action]", shop: Workshop) -> None:
    for action in actions:
        perform(action, shop)


@singledispatch
def perform(action: "Action", shop: Workshop) -> None:  # noqa: ARG001 - the signature of all
    raise TypeError(type(action).__name__)


@perform.register(Warn)
def _(action: Warn, shop: Workshop) -> None:
    shop.channel.warn(action.message)


@perform.register(WriteFile)
def _(action: WriteFile, shop: Workshop) -> None:
    if action.original:
        shop.chroot.root.keep_copy(action.path, action.original)
    shop.chroot.root.write_text(action.path, action.text, action.mode)


@perform.register(SetAside)
def _(action: SetAside, shop: Workshop) -> None:
    shop.chroot.root.set_aside(action.path, action.original)


@perform.register(Remove)
def _(action: Remove, shop: Workshop) -> None:
    shop.chroot.root.remove(action.path)


@perform.register(Link)
def _(action: Link, shop: Workshop) -> None:
    shop.chroot.root.link(action.path, action.target)


@perform.register(PurgePackages)
def _(action: PurgePackages, shop: Workshop) -> None:
    shop.channel.step("Removing {}".format(", ".join(action.names)))
    try:
        shop.installer.purge(action.names)
    except MorphFailure as failure:
        shop.channel.warn("{} could not be removed: {}".format(", ".join(action.names), failure))


@perform.register(InstallPackages)
def _(action: InstallPackages, shop: Workshop) -> None:
    shop.channel.step("Installing {}".format(", ".join(action.names)))
    if shop.installer.install(action.names):
        return
    shop.channel.warn("{} will be installed when the guest first starts.".format(", ".join(action.names)))
    script = first_boot.installation_script(action.names)
    apply(first_boot.plan_script("10-" + action.role, script, shop.facts), shop)


@perform.register(EnableUnit)
def _(action: EnableUnit, shop: Workshop) -> None:
    root = shop.chroot.root
    places = ("/lib/systemd/system/", "/etc/systemd/system/")
    by_its_package = is_enabled(shop.chroot, action.unit)
    if not by_its_package and any(root.exists(directory + action.unit) for directory in places):
        shop.chroot.run(["systemctl", "--quiet", "enable", action.unit])
        shop.channel.changed(action.unit, "enabled")


@perform.register(CopyInEsp)
def _(action: CopyInEsp, shop: Workshop) -> None:
    device = find_esp(list(shop.facts.devices))
    if device is None:
        raise MorphFailure("the EFI system partition is gone")
    with opened_esp(device) as esp:
        esp.copy(action.source, action.target)
    shop.channel.changed("ESP:/" + action.target, "copied from " + action.source)


@perform.register(AddDrivers)
def _(action: AddDrivers, shop: Workshop) -> None:
    shop.channel.step(
        "Adding {} to the initramfs of kernel {}".format(", ".join(action.drivers), action.version)
    )
    root = shop.chroot.root
    old = root.read(action.initrd)
    initrd = read_initrd(old, unpacker(shop.chroot))
    modules = KernelModules(root.resolve("/lib/modules/" + action.version))
    entries = entries_with_drivers(
        initrd, modules, action.drivers, lambda files: _index(shop, action.version, files)
    )
    _replace_initrd(root.resolve(action.initrd), old, with_files(old, initrd, entries))
    root.note(action.initrd, f"given {len(entries)} more files")


def _index(shop: Workshop, version: str, files: "dict[str, bytes]") -> "dict[str, bytes]":
    """depmod over a copy of the modules: the guest's own, which reads what the guest packed, else the
    worker's."""
    guest_directory = shop.chroot.root.resolve("/tmp")
    with tempfile.TemporaryDirectory(prefix="coriolis-depmod-", dir=guest_directory) as base:
        place = os.path.join(base, "lib/modules", version)
        for path, data in files.items():
            target = os.path.join(place, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as output:
                output.write(data)
        inside = ["depmod", "-b", "/tmp/" + os.path.basename(base), version]
        if not shop.chroot.has("depmod") or shop.chroot.run(inside, check=False).returncode:
            run([find_tool("depmod") or "depmod", "-b", base, version])
        made = {}
        for name in os.listdir(place):
            if name.startswith("modules.") and os.path.isfile(os.path.join(place, name)):
                with open(os.path.join(place, name), "rb") as source:
                    made[name] = source.read()
        return made


def _replace_initrd(path: str, old: bytes, new: bytes) -> None:
    """Whole and at once, the old one kept, where there is space; else only the end is written in place."""
    info = os.statvfs(os.path.dirname(path))
    free = info.f_bavail * info.f_frsize
    if free > len(new) + _SPACE_LEFT:
        fresh = path + ".coriolis-new"
        with open(fresh, "wb") as output:
            output.write(new)
        os.chmod(fresh, os.stat(path).st_mode & 0o777)
        if not os.path.exists(path + ".pre-coriolis"):
            os.link(path, path + ".pre-coriolis")
        os.replace(fresh, path)
        return
    if not new.startswith(old) or free < len(new) - len(old):
        raise MorphFailure(f"no space for {len(new) - len(old)} bytes of drivers in {os.path.dirname(path)}")
    with open(path, "ab") as output:
        output.write(new[len(old) :])
