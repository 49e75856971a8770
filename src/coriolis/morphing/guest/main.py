"""The phases, one after the other; what is mounted is unmounted whatever happens."""

import contextlib
import os
import signal
import struct
import tempfile
import time
import traceback
from typing import TYPE_CHECKING

from coriolis.morphing.guest import block_devices, mounting, preflight, verify, volumes
from coriolis.morphing.guest.apply import Workshop, apply
from coriolis.morphing.guest.channel import Channel
from coriolis.morphing.guest.chroot import Chroot, prepared
from coriolis.morphing.guest.commands import find_tool, run
from coriolis.morphing.guest.debian import Debian
from coriolis.morphing.guest.detect import OsRelease, family_of, read_os_release
from coriolis.morphing.guest.errors import Interrupted, MorphFailure
from coriolis.morphing.guest.facts import gather
from coriolis.morphing.guest.job import GuestJob, parse_job
from coriolis.morphing.guest.namespace import enter_private_namespace
from coriolis.morphing.guest.packages import Installer
from coriolis.morphing.guest.rootfs import GuestRoot
from coriolis.morphing.guest.sole import sole_program

if TYPE_CHECKING:
    from types import FrameType

    from coriolis.morphing.guest.block_devices import BlockDevice

FAMILIES = (Debian,)  # imported here, so that they are registered
_INPUT = 0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)
_SCRIPT_SECONDS = 900


def main() -> None:
    """Reads the size of the job (32 bits, network order) and the job from standard input.

    Exit codes: 0 with a result event, 1 with a failure event, 3 with a failure event after an interruption.
    """
    output = os.dup(1)
    os.dup2(2, 1)  # whatever a program of ours prints by itself must not get between the events
    channel = Channel(_INPUT, output)
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    code = _guarded(channel, _receive(struct.unpack("!I", _receive(4))[0]))
    os._exit(code)  # at once: the listening thread sits in a read


def _receive(size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(_INPUT, size - len(data))
        if not more:
            os._exit(3)  # the conductor went away before it said what to do
        data += more
    return data


def _guarded(channel: Channel, job_text: bytes) -> int:
    try:
        job = parse_job(job_text)
        signal.setitimer(signal.ITIMER_REAL, job.timeout)
        channel.listen()
        enter_private_namespace()
        with sole_program(job.token):
            morph(_find(job, channel), job, channel)
    except MorphFailure as failure:
        channel.fail(str(failure))
        return 1
    except Interrupted as interruption:
        channel.fail(str(interruption))
        return 3
    except Exception as error:  # noqa: BLE001 - the last resort: the fault must reach the conductor in words
        channel.fail(f"{error} (a fault of OSMorphing itself)\n{traceback.format_exc(limit=-4)}")
        return 1
    return 0


def _interrupt(number: int, _frame: "FrameType | None") -> None:
    _ignore_signals()  # once is enough; the unmounting that follows must not be interrupted
    raise Interrupted("it took too long" if number == signal.SIGALRM else "it was interrupted")


def _ignore_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _find(job: GuestJob, channel: Channel) -> "list[str]":
    channel.enter("discover")
    paths = block_devices.find_disks(job.disks)
    for number, (disk, path) in enumerate(zip(job.disks, paths), 1):
        channel.step(f"Disk {number} ({disk.disk_id}) is {path} of the worker VM")
    return paths


def morph(disk_paths: "list[str]", job: GuestJob, channel: Channel) -> None:
    """Morphs the guest on these disks of this machine, and tells the channel its operating system at the
    end."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="coriolis-"))
        devices = _open_devices(stack, disk_paths, channel)
        for text in job.scripts_of("osmorphing_pre_os_mount"):
            _run_script(text, [], scratch, channel)
        chroot = _mount(stack, devices, job, channel)
        release = _morph_mounted(chroot, devices, job, scratch, channel)
        channel.enter("unmount")
        _ignore_signals()
    for path in disk_paths:
        run([find_tool("blockdev") or "blockdev", "--flushbufs", path])
    channel.succeed(
        os_type="linux",
        distribution=release.distribution,
        version=release.version,
        friendly_name=release.friendly_name,
        seconds=round(time.monotonic() - began, 1),
    )


def _open_devices(
    stack: contextlib.ExitStack, disk_paths: "list[str]", channel: Channel
) -> "list[BlockDevice]":
    devices = block_devices.scan(disk_paths)
    channel.enter("preflight")
    preflight.check_devices(devices)
    devices += stack.enter_context(volumes.assembled_arrays(devices, channel))
    devices += stack.enter_context(volumes.activated_volumes(devices, channel))
    preflight.check_devices(devices)
    mounting.check_file_systems(devices, channel)
    return devices


def _mount(
    stack: contextlib.ExitStack, devices: "list[BlockDevice]", job: GuestJob, channel: Channel
) -> Chroot:
    channel.enter("mount")
    place = stack.enter_context(mounting.mount_point())
    root_device = mounting.find_root(devices, place, channel)
    root = GuestRoot(place, channel.changed)
    points = mounting.mount_guest(stack, root_device, devices, root, channel)
    mounting.check_free_space(points, root)
    return stack.enter_context(prepared(root, job.wanted.efi))


def _morph_mounted(
    chroot: Chroot, devices: "list[BlockDevice]", job: GuestJob, scratch: str, channel: Channel
) -> OsRelease:
    for text in job.scripts_of("osmorphing_post_os_mount"):
        _run_script(text, [chroot.root.path], scratch, channel)
    channel.enter("detect")
    release = read_os_release(chroot.root)
    family = family_of(release)
    channel.step(f"Found {release.friendly_name}")
    channel.enter("plan")
    facts = gather(chroot, release, devices, family.watched, job.wanted)
    actions = family.plan(facts, job.wanted)
    channel.step(f"{len(actions)} things are to be done")
    channel.enter("apply")
    packages = os.path.join(scratch, "packages")
    os.mkdir(packages)
    installer = Installer(chroot, release, job.offered, channel, packages)
    apply(actions, Workshop(chroot, facts, installer, channel))
    channel.enter("verify")
    facts = gather(chroot, release, devices, family.watched, job.wanted)
    verify.check(facts, family.plan(facts, job.wanted))
    return release


def _run_script(text: str, arguments: "list[str]", scratch: str, channel: Channel) -> None:
    """A script of the user, on the worker VM; it fails the morphing if it fails."""
    path = os.path.join(scratch, "user-script")
    with open(path, "w", encoding="utf-8") as script:
        script.write(text)
    os.chmod(path, 0o700)
    channel.enter("script")
    run([path, *arguments], timeout=_SCRIPT_SECONDS)
    os.remove(path)
