"""Debian and the distributions made from it."""

import re
from typing import TYPE_CHECKING

from coriolis.morphing.guest import boot, first_boot, network
from coriolis.morphing.guest.actions import (
    AddDrivers,
    EnableUnit,
    InstallPackages,
    PurgePackages,
    Remove,
    SetAside,
    Warn,
    WriteFile,
)
from coriolis.morphing.guest.detect import Family
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.facts import Watched
from coriolis.morphing.guest.kernel_modules import with_companions

if TYPE_CHECKING:
    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts
    from coriolis.morphing.guest.job import Wanted

_PACKAGES = {
    "guest-agent": ("qemu-guest-agent",),
    "cloud-init": ("cloud-init",),
    "vmware-tools": ("open-vm-tools-desktop", "open-vm-tools-salt-minion", "open-vm-tools"),
}
_AGENT_UNIT = "qemu-guest-agent.service"
_MODULES_FILE = "/etc/initramfs-tools/modules"
_DRACUT_FILE = "/etc/dracut.conf.d/90-coriolis.conf"
_CLOUD_FILE = "/etc/cloud/cloud.cfg.d/99-coriolis.cfg"
_CLOUD_TEXT = """\
# Written by Coriolis: a machine that moved keeps its identity.
ssh_deletekeys: false
preserve_hostname: true
"""
_CLOUD_NETWORK_TEXT = "# The network is configured already.\nnetwork: {config: disabled}\n"
_DATASOURCE_PIN = re.compile(r"^datasource(_list)?\s*:", re.MULTILINE)
# What ties the installation to the old cloud's devices and instance; all of it is made anew when needed.
_TRACES = (
    "/etc/udev/rules.d/70-persistent-net.rules",
    "/etc/udev/rules.d/70-persistent-cd.rules",
    "/etc/lvm/devices/system.devices",
    "/etc/blkid.tab",
    "/var/lib/cloud/instance",
    "/var/lib/cloud/instances",
    "/var/lib/cloud/sem",
    "/var/lib/cloud/data",
)


class Debian(Family, distributions=("debian", "ubuntu", "linuxmint", "raspbian", "kali", "devuan", "pop")):
    name = "Debian"
    watched = Watched(
        texts=(
            *boot.TEXTS,
            *network.TEXTS,
            *first_boot.TEXTS,
            _MODULES_FILE,
            _DRACUT_FILE,
            "/etc/cloud/cloud.cfg.d/*.cfg",
            "/etc/cloud/ds-identify.cfg",
        ),
        paths=(*_TRACES, *first_boot.PATHS, "/usr/share/initramfs-tools", "/etc/dracut.conf.d"),
        units=(_AGENT_UNIT, *network.UNITS),
    )

    def package_names(self, role: str) -> "tuple[str, ...]":
        return _PACKAGES.get(role, ())

    def plan(self, facts: "Facts", wanted: "Wanted") -> "list[Action]":
        actions = self._plan_packages(facts, wanted)
        actions += _plan_drivers(facts, wanted.drivers)
        actions += _plan_traces(facts, wanted)
        actions += network.plan_network(facts, wanted)
        actions += boot.plan_names(facts)
        actions += boot.plan_loader(facts, wanted.efi)
        for index, text in enumerate(wanted.first_boot_scripts):
            actions += first_boot.plan_script(f"{50 + index}-user", text, facts)
        return actions

    def _plan_packages(self, facts: "Facts", wanted: "Wanted") -> "list[Action]":
        actions: list[Action] = []
        if facts.broken:
            actions.append(
                Warn("The installation of {} was interrupted on the source.".format(", ".join(facts.broken)))
            )
        for role in wanted.remove + wanted.install:
            if not self.package_names(role):
                actions.append(Warn(f"Nothing is known as {role!r} on {facts.release.friendly_name}."))
        for role in wanted.remove:
            present = tuple(name for name in self.package_names(role) if name in facts.packages)
            if present:
                actions.append(PurgePackages(present))
        for role in wanted.install:
            absent = tuple(name for name in self.package_names(role) if name not in facts.packages)
            if absent:
                actions.append(InstallPackages(role, absent))
            if role == "guest-agent" and _AGENT_UNIT not in facts.enabled_units:
                actions.append(EnableUnit(_AGENT_UNIT))
        return actions


def _plan_drivers(facts: "Facts", drivers: "tuple[str, ...]") -> "list[Action]":
    """Into every initramfs now, and into the settings from which the next kernel's is made."""
    if not drivers:
        return []
    if not facts.kernels:
        raise MorphFailure("no kernel is installed in /boot")
    actions: list[Action] = []
    for kernel in facts.kernels:
        if kernel.unavailable and set(drivers) <= set(kernel.unavailable):
            raise MorphFailure(
                "kernel {} has none of the drivers {}".format(kernel.version, ", ".join(drivers))
            )
        if kernel.unavailable:
            actions.append(
                Warn("Kernel {} has no driver {}.".format(kernel.version, ", ".join(kernel.unavailable)))
            )
        if not kernel.initrd:
            actions.append(Warn(f"Kernel {kernel.version} has no initramfs."))
        if kernel.missing:
            actions.append(AddDrivers(kernel.version, kernel.initrd, kernel.missing))
    return actions + _plan_future_initramfs(facts, with_companions(drivers))


def _plan_future_initramfs(facts: "Facts", drivers: "tuple[str, ...]") -> "list[Action]":
    if "/usr/share/initramfs-tools" in facts.paths or _MODULES_FILE in facts.files:
        text = facts.files.get(_MODULES_FILE, "")
        listed = {line.split("#")[0].strip().split(" ")[0].replace("-", "_") for line in text.splitlines()}
        absent = [name for name in drivers if name not in listed]
        if absent:
            text = text if not text or text.endswith("\n") else text + "\n"
            return [WriteFile(_MODULES_FILE, text + "".join(name + "\n" for name in absent))]
    elif "/etc/dracut.conf.d" in facts.paths:
        text = '# Written by Coriolis: the drivers of this machine\'s cloud\nadd_drivers+=" {} "\n'.format(
            " ".join(drivers)
        )
        if facts.files.get(_DRACUT_FILE) != text:
            return [WriteFile(_DRACUT_FILE, text)]
    return []


def _plan_traces(facts: "Facts", wanted: "Wanted") -> "list[Action]":
    actions: list[Action] = [Remove(path) for path in _TRACES if path in facts.paths]
    for path, text in sorted(facts.files.items()):
        if path.startswith("/etc/cloud/") and path != _CLOUD_FILE and _pins_datasource(text):
            actions.append(SetAside(path, path + ".pre-coriolis"))
    if "cloud-init" in facts.packages or "cloud-init" in wanted.install:
        text = _CLOUD_TEXT + (_CLOUD_NETWORK_TEXT if wanted.dhcp else "")
        if facts.files.get(_CLOUD_FILE) != text:
            actions.append(WriteFile(_CLOUD_FILE, text))
    return actions


def _pins_datasource(text: str) -> bool:
    """Whether cloud-init is told to look at one cloud only (a list of one, besides None)."""
    match = _DATASOURCE_PIN.search(text)
    if not match:
        return False
    if not match.group(1):
        return True  # ds-identify.cfg: "datasource: Ec2"
    rest = text[match.end() :]
    listed = (
        rest.split("]")[0].strip(" [\n")
        if rest.lstrip().startswith("[")
        else " ".join(re.findall(r"^\s*-\s*(\S+)", rest, re.MULTILINE))
    )
    names = [name for name in re.split(r"[\s,]+", listed) if name and name != "None"]
    return len(names) == 1
