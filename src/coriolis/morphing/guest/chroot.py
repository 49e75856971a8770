"""Running the guest's own programs on the worker VM without letting them reach the worker or start
daemons."""

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from coriolis.morphing.guest.commands import Completed, run
from coriolis.morphing.guest.mounting import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coriolis.morphing.guest.rootfs import GuestRoot

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEVICE_NODES = {  # Documentation/admin-guide/devices.txt
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_POLICY = "/usr/sbin/policy-rc.d"  # 101: "action forbidden by policy", see invoke-rc.d(8)
_UPDATE_INITRAMFS = "/usr/sbin/update-initramfs"


class Chroot:
    """Programs of the guest, run inside its mounted root."""

    def __init__(self, root: "GuestRoot") -> None:
        self.root = root

    def has(self, program: str) -> bool:
        return any(
            os.access(self.root.resolve(directory + "/" + program), os.X_OK) for directory in _PATH.split(":")
        )

    def run(
        self, args: "Sequence[str]", *, stdin: bytes = b"", timeout: float = 300, check: bool = True
    ) -> Completed:
        environment = {
            "PATH": _PATH,
            "HOME": "/root",
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
            "SYSTEMD_OFFLINE": "1",
        }
        command = ["/usr/sbin/chroot", self.root.path, *args]
        return run(command, stdin=stdin, timeout=timeout, check=check, env=environment)


@contextlib.contextmanager
def prepared(root: "GuestRoot", efi: bool) -> "Iterator[Chroot]":
    """A chroot with kernel file systems of its own; its processes are ended before these go."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mounted("proc", root.resolve("/proc"), "proc", "nosuid,nodev,noexec"))
        stack.enter_context(mounted("sysfs", root.resolve("/sys"), "sysfs", "ro,nosuid,nodev,noexec"))
        efi_state = root.resolve("/sys/firmware/efi")
        if not efi and os.path.isdir(efi_state):
            stack.enter_context(
                mounted("tmpfs", efi_state, "tmpfs", "ro")
            )  # the worker's firmware is not the guest's
        stack.enter_context(mounted("tmpfs", root.resolve("/dev"), "tmpfs", "mode=755,nosuid"))
        _make_devices(root)
        stack.enter_context(
            mounted("devpts", root.resolve("/dev/pts"), "devpts", "newinstance,ptmxmode=0666")
        )
        for directory, mode in (("/run", "755"), ("/tmp", "1777")):
            stack.enter_context(mounted("tmpfs", root.resolve(directory), "tmpfs", "mode=" + mode))
        stack.callback(_end_processes, root.path)
        yield Chroot(root)


def _make_devices(root: "GuestRoot") -> None:
    directory = root.resolve("/dev")
    old_mask = os.umask(0)
    try:
        for name, (major, minor) in _DEVICE_NODES.items():
            os.mknod(os.path.join(directory, name), stat.S_IFCHR | 0o666, os.makedev(major, minor))
        for name, target in _DEVICE_LINKS.items():
            os.symlink(target, os.path.join(directory, name))
        os.mkdir(os.path.join(directory, "pts"), 0o755)
        os.mkdir(os.path.join(directory, "shm"), 0o1777)
    finally:
        os.umask(old_mask)


def _end_processes(root_path: str) -> None:
    """A package's script may have left a process behind, which would hold the file system."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            inside = os.readlink(f"/proc/{name}/root")
            if inside == root_path or inside.startswith(root_path + "/"):
                os.kill(int(name), 9)
        except OSError:
            continue  # it ended, or is a kernel thread


@contextlib.contextmanager
def quiet_packages(chroot: Chroot) -> "Iterator[None]":
    """While packages change: no service is started, and the initramfs is not rebuilt (minutes; it is patched
    later)."""
    root = chroot.root
    with contextlib.ExitStack() as stack:
        place = root.resolve(_POLICY)
        if not os.path.exists(place):
            with open(place, "w", encoding="ascii") as script:
                script.write("#!/bin/sh\nexit 101\n")
            os.chmod(place, 0o755)
            stack.callback(os.remove, place)
        update = root.resolve(_UPDATE_INITRAMFS)
        if os.path.exists(update):
            stack.enter_context(mounted(root.resolve("/bin/true"), update, "", "bind"))
        yield


@contextlib.contextmanager
def worker_resolver(chroot: Chroot) -> "Iterator[None]":
    """The worker's name servers for a while: the guest's own belong to the old cloud."""
    root = chroot.root
    target = root.resolve("/etc/resolv.conf")
    with contextlib.ExitStack() as stack:
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="ascii"):
                pass
            stack.callback(os.remove, target)
        stack.enter_context(mounted(os.path.realpath("/etc/resolv.conf"), target, "", "bind"))
        yield
