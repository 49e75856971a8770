"""Devices inside devices: LVM volume groups and MD arrays of the guest, and only of the guest."""

import contextlib
import os
from typing import TYPE_CHECKING

from coriolis.morphing.guest.block_devices import BlockDevice, probe
from coriolis.morphing.guest.commands import find_tool, run
from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coriolis.morphing.guest.channel import Channel

_INSTALL_SECONDS = 240.0  # for a tool that the worker's image lacks, under a slow mirror


@contextlib.contextmanager
def assembled_arrays(devices: "list[BlockDevice]", channel: "Channel") -> "Iterator[list[BlockDevice]]":
    """Starts the MD arrays whose members are among `devices`; yields them and stops them at the end."""
    members = [device.path for device in devices if device.kind == "linux_raid_member"]
    if not members:
        yield []
        return
    mdadm = _tool("mdadm", "mdadm", channel)
    before = _arrays()
    for member in members:
        run([mdadm, "--incremental", "--run", "--quiet", member], check=False)  # a spare's place is no fault
    started = sorted(_arrays() - before)
    if not started:
        raise MorphFailure("the software RAID on {} does not start".format(", ".join(members)))
    channel.step("Started the software RAID {}".format(", ".join(started)))
    try:
        yield [probe(path) for path in started]
    finally:
        for path in started:
            run([mdadm, "--stop", path], check=False)


def _arrays() -> "set[str]":
    return {"/dev/" + name for name in os.listdir("/sys/block") if name.startswith("md")}


@contextlib.contextmanager
def activated_volumes(devices: "list[BlockDevice]", channel: "Channel") -> "Iterator[list[BlockDevice]]":
    """Activates the volume groups on `devices`; yields their logical volumes and deactivates them at the
    end."""
    members = [device.path for device in devices if device.kind == "LVM2_member"]
    if not members:
        yield []
        return
    lvm = _tool("lvm", "lvm2", channel)
    # A filter, so that a group of the worker with the same name stays out of sight.
    accepted = ",".join(f'"a|^{path}$|"' for path in members)
    config = f'devices {{ filter=[{accepted},"r|.*|"] global_filter=[{accepted},"r|.*|"] use_devicesfile=0 }}'
    report = ["--config", config, "--noheadings", "--separator", "|"]
    groups = _volume_groups(lvm, report)
    run([find_tool("modprobe") or "modprobe", "dm_mod"], check=False)  # built in, or vgchange says so
    activated = []
    try:
        for group in groups:
            activated.append(group)
            run([lvm, "vgchange", "--config", config, "-ay", group])
        listing = run([lvm, "lvs", *report, "-o", "lv_dm_path,lv_active", *groups]).text
        paths = [
            line.strip().split("|")[0] for line in listing.splitlines() if line.strip().endswith("|active")
        ]
        channel.step("Activated volume group {}".format(", ".join(groups)))
        yield [probe(path) for path in paths]
    finally:
        for group in activated:
            run([lvm, "vgchange", "--config", config, "-an", group], check=False)


def _volume_groups(lvm: str, report: "list[str]") -> "list[str]":
    """Names of complete groups; raises MorphFailure if one has parts on disks that are not attached."""
    listing = run([lvm, "vgs", *report, "-o", "vg_name,vg_missing_pv_count"]).text
    groups = []
    for line in listing.splitlines():
        name, _, missing = line.strip().partition("|")
        if name and missing.strip() not in ("", "0"):
            raise MorphFailure(f"volume group {name} lacks {missing.strip()} of its disks")
        if name:
            groups.append(name)
    if not groups:
        raise MorphFailure("the LVM physical volumes of the guest belong to no volume group")
    return groups


def _tool(name: str, package: str, channel: "Channel") -> str:
    found = find_tool(name)
    apt_get = find_tool("apt-get")
    if not found and apt_get:
        channel.step(f"Installing {package} on the worker VM, which the guest's disks need")
        env = {"PATH": os.defpath + ":/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
            run([apt_get, "-qq", *arguments], check=False, timeout=_INSTALL_SECONDS, env=env)
        found = find_tool(name)
    if not found:
        raise MorphFailure(
            f"the guest's disks need the program {name!r}, which the worker VM's image lacks: "
            f"choose an image with package {package} in it"
        )
    return found
