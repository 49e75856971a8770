"""Mounting the guest's file systems, each undone in the reverse order whatever happens in between."""

import contextlib
import os
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest import fstab
from coriolis.morphing.guest.commands import CommandFailure, find_tool, run
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.preflight import LINUX_FILE_SYSTEMS, explain_no_root, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coriolis.morphing.guest.block_devices import BlockDevice
    from coriolis.morphing.guest.channel import Channel
    from coriolis.morphing.guest.rootfs import GuestRoot

# fsck(8): 1 errors corrected, 2 a reboot is wanted (for mounted file systems), 4 errors left, 8 and up it
# could not run
_FSCK_ERRORS_LEFT = 4
_FSCK_SECONDS = 900
_UNMOUNT_TRIES = 10
_MIB = 1024 * 1024
# What morphing may write: packages and an initramfs on /, one initramfs on /boot, a loader on the ESP, a few
# files on other parts of the system. Nothing is written elsewhere, so a full data disk is no obstacle.
_NEEDED_BYTES = {
    "/": 100 * _MIB,
    "/boot": 50 * _MIB,
    "/boot/efi": 4 * _MIB,
    "/usr": 50 * _MIB,
    "/var": 50 * _MIB,
    "/etc": 10 * _MIB,
}
_NEEDED_INODES = 100
_SYSTEM_DIRECTORIES = ("/boot", "/usr", "/var", "/etc", "/lib")


class RootDevice(NamedTuple):
    """`subvolume`: of a btrfs whose root is not its default subvolume."""

    device: "BlockDevice"
    subvolume: str = ""


@contextlib.contextmanager
def mount_point() -> "Iterator[str]":
    """An empty directory. Removed with rmdir and nothing stronger, which a forgotten mount would survive."""
    directory = tempfile.mkdtemp(prefix="coriolis-mount-")
    try:
        yield directory
    finally:
        with contextlib.suppress(OSError):  # still a mount point: the namespace ends with this program
            os.rmdir(directory)


@contextlib.contextmanager
def mounted(source: str, target: str, kind: str = "", options: str = "rw,noatime") -> "Iterator[str]":
    command = [find_tool("mount") or "mount", "-o", options]
    if kind:
        command += ["-t", kind]
    run([*command, source, target])
    try:
        yield target
    finally:
        unmount(target)


def unmount(target: str) -> None:
    """Tries for a few seconds (a process that ends still holds it), then lets the kernel finish by itself."""
    umount = find_tool("umount") or "umount"
    for attempt in range(_UNMOUNT_TRIES):
        if not run([umount, target], check=False, timeout=600).returncode:  # writes everything back first
            return
        time.sleep(0.2 * (attempt + 1))
    run([umount, "--lazy", target])


def check_file_systems(devices: "list[BlockDevice]", channel: "Channel") -> None:
    """A replica is a crashed disk: replays journals and repairs what is safe to repair unasked."""
    for device in devices:
        fsck = find_tool("e2fsck")
        if device.kind not in ("ext2", "ext3", "ext4"):
            continue  # xfs and btrfs replay their logs when mounted
        if fsck is None:
            channel.warn(f"The worker VM has no e2fsck: {place_of(device)} is not checked.")
            continue
        done = run([fsck, "-p", device.path], check=False, timeout=_FSCK_SECONDS)
        if done.returncode & _FSCK_ERRORS_LEFT:
            raise MorphFailure(
                f"the file system on {place_of(device)} has errors that need a person: {done.tail}"
            )
        if done.returncode > _FSCK_ERRORS_LEFT:
            channel.warn(f"The file system on {place_of(device)} could not be checked: {done.tail}")


def find_root(devices: "list[BlockDevice]", scratch: str, channel: "Channel") -> RootDevice:
    """The first file system, in the order of the disks, with an installed Linux on it."""
    found = []
    for device in devices:
        if device.kind in LINUX_FILE_SYSTEMS:
            subvolume = _root_subvolume(device, scratch)
            if subvolume is not None:
                found.append(RootDevice(device, subvolume))
    if not found:
        raise MorphFailure(explain_no_root(devices))
    if len(found) > 1:
        channel.warn(
            "Several installed systems were found; the one on {} is taken, not {}.".format(
                place_of(found[0].device), ", ".join(place_of(other.device) for other in found[1:])
            )
        )
    return found[0]


def _root_subvolume(device: "BlockDevice", scratch: str) -> "str | None":
    """ "" if the file system itself is a root, the path of its btrfs subvolume, or None."""
    options = "ro,norecovery" if device.kind == "xfs" else "ro"
    try:
        with mounted(device.path, scratch, device.kind, options):
            if _looks_like_root(scratch):
                return ""
        if device.kind == "btrfs":
            with mounted(device.path, scratch, "btrfs", "ro,subvolid=5"):
                for name in sorted(os.listdir(scratch)):
                    if _looks_like_root(os.path.join(scratch, name)):
                        return name
    except CommandFailure:
        return None  # damaged, or a kind that the worker's kernel does not know: not the root we can use
    return None


def _looks_like_root(directory: str) -> bool:
    release = any(
        os.path.lexists(os.path.join(directory, name)) for name in ("etc/os-release", "usr/lib/os-release")
    )
    return release and os.path.exists(os.path.join(directory, "etc/fstab"))


def mount_guest(
    stack: contextlib.ExitStack,
    root_device: RootDevice,
    devices: "list[BlockDevice]",
    root: "GuestRoot",
    channel: "Channel",
) -> "dict[str, BlockDevice]":
    """Mounts the root and everything its fstab names; returns the device of each mount point.

    Raises MorphFailure if a system directory cannot be mounted or one is read-only.
    """
    options = "rw,noatime" + (",subvol=" + root_device.subvolume if root_device.subvolume else "")
    stack.enter_context(mounted(root_device.device.path, root.path, root_device.device.kind, options))
    points = {"/": root_device.device}
    lines = [line for line in fstab.parse(root.read_text("/etc/fstab")) if line.is_mount_of_disk]
    for line in sorted(lines, key=lambda line: line.mount_point.count("/")):
        point = line.mount_point.rstrip("/")
        if point:
            device = _mount_line(stack, line, devices, root, channel)
            if device is not None:
                points[point] = device
    for point in points:
        if os.statvfs(root.resolve(point)).f_flag & os.ST_RDONLY:
            raise MorphFailure(f"the file system of {point} can only be read")
    channel.step("Mounted {}".format(", ".join(sorted(points))))
    return points


def _mount_line(
    stack: contextlib.ExitStack,
    line: fstab.Line,
    devices: "list[BlockDevice]",
    root: "GuestRoot",
    channel: "Channel",
) -> "BlockDevice | None":
    device = fstab.find_device(line.spec, devices)
    target = root.resolve(line.mount_point)
    problem = ""
    if device is None:
        problem = f"{line.spec} is on no disk of the guest"
    elif not os.path.isdir(target):
        problem = "the directory does not exist"
    else:
        subvolume = [option for option in line.options if option.startswith(("subvol=", "subvolid="))]
        kind = line.kind if line.kind not in ("auto", "ext2", "ext3") else device.kind
        try:
            stack.enter_context(mounted(device.path, target, kind, ",".join(["rw,noatime", *subvolume])))
        except CommandFailure as failure:
            problem = str(failure)
    if not problem:
        return device
    if line.mount_point.startswith(_SYSTEM_DIRECTORIES) and line.mount_point != "/boot/efi":
        raise MorphFailure(f"cannot mount {line.mount_point}: {problem}")
    if line.mount_point != "/boot/efi":  # reached without a mount where the kernel has no vfat
        channel.warn(f"Cannot mount {line.mount_point}: {problem}.")
    return None


def check_free_space(points: "dict[str, BlockDevice]", root: "GuestRoot") -> None:
    """Raises MorphFailure before the first write where a later one could fail half-way."""
    for point in points:
        needed = _NEEDED_BYTES.get(point)
        if needed is None:
            continue
        info = os.statvfs(root.resolve(point))
        free = info.f_bavail * info.f_frsize
        if free < needed:
            raise MorphFailure(
                f"{point} has {free // _MIB} MiB left, and {needed // _MIB} MiB are needed: "
                "free some space on the source"
            )
        if info.f_files and info.f_favail < _NEEDED_INODES:  # file systems without inodes tell 0 files
            raise MorphFailure(f"{point} has only {info.f_favail} inodes left")
