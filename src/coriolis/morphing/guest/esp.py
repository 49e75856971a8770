"""The EFI system partition: through the kernel where it knows vfat, else through mtools."""

import contextlib
import os
import posixpath
import shutil
from typing import TYPE_CHECKING

from coriolis.morphing.guest.commands import CommandFailure, Completed, find_tool, run
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.mounting import mount_point, mounted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coriolis.morphing.guest.block_devices import BlockDevice

_GPT_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"  # UEFI specification 2.10, table 5.7
_MBR_TYPE = "0xef"


def find_esp(devices: "list[BlockDevice]") -> "BlockDevice | None":
    return next(
        (d for d in devices if d.partition_type.lower() in (_GPT_TYPE, _MBR_TYPE) and d.kind == "vfat"), None
    )


class MountedEsp:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def files(self) -> "tuple[str, ...]":
        """Paths of all files, e.g. "EFI/debian/shimx64.efi"."""
        return tuple(
            os.path.relpath(os.path.join(place, name), self._directory)
            for place, _, names in os.walk(self._directory)
            for name in names
        )

    def copy(self, source: str, target: str) -> None:
        place = os.path.join(self._directory, target)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copyfile(os.path.join(self._directory, source), place)


class UnmountedEsp:
    """mtools work on the device itself; they take a while per call, but need nothing of the kernel."""

    def __init__(self, device_path: str) -> None:
        self._device = device_path

    def files(self) -> "tuple[str, ...]":
        listing = self._mtool("mdir", "-/", "-b", "::/").text
        return tuple(
            line.strip()[3:].lstrip("/") for line in listing.splitlines() if line and not line.endswith("/")
        )

    def copy(self, source: str, target: str) -> None:
        directory = posixpath.dirname(target)
        if self._mtool("mdir", "-b", "::/" + directory, check=False).returncode:
            self._mtool("mmd", "::/" + directory)
        self._mtool("mcopy", "-o", "::/" + source, "::/" + target)

    def _mtool(self, program: str, *arguments: str, check: bool = True) -> Completed:
        environment = {
            "PATH": os.defpath,
            "LC_ALL": "C",
            "MTOOLS_SKIP_CHECK": "1",
        }  # odd geometries are no fault
        return run(
            [find_tool(program) or program, "-i", self._device, *arguments], check=check, env=environment
        )


@contextlib.contextmanager
def opened_esp(device: "BlockDevice") -> "Iterator[MountedEsp | UnmountedEsp]":
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mount_point())
        try:
            stack.enter_context(mounted(device.path, directory, "vfat"))
        except CommandFailure as failure:
            if find_tool("mcopy") is None:
                raise MorphFailure(f"cannot open the EFI system partition: {failure}") from failure
            yield UnmountedEsp(device.path)
        else:
            yield MountedEsp(directory)
