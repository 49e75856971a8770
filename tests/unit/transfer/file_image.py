"""A driver of images for the tests: a file, and beside it what changed since a point in time.

`<file>.changes` is JSON: {point: [[offset, length, zero], …]}. What is read is noted in `<file>.reads`, a line a read.
"""

import json
import os
import threading
from pathlib import Path

from coriolis.agent.disk import Disk, DiskUnavailableError, Extent, Handle
from coriolis.images.registry import Opening
from coriolis.model.image import ImageDisk

KIND = "test-file"
SITE = f"""
from coriolis.images import registry
registry.DRIVERS[{KIND!r}] = {__name__!r}
"""


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    path = Path(image.parameters["path"])
    if not path.exists():
        raise DiskUnavailableError(f"{path} is away")
    if image.secrets["password"].reveal() != "open sesame":
        raise PermissionError("wrong password")
    return FileImage(path, writing=opening.writing)


class FileImage(Disk, Handle):
    threads = 2

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.name = str(path)
        self.size = path.stat().st_size
        self._reads = path.with_name(path.name + ".reads")
        self._changes = path.with_name(path.name + ".changes")
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR if writing else os.O_RDONLY)

    def open(self) -> Handle:
        return self

    def changes(self, since: str | None) -> list[Extent] | None:
        known = json.loads(self._changes.read_text()) if self._changes.exists() else {}
        found = known.get(str(since))
        return None if found is None else [Extent(*extent) for extent in found]

    def read(self, offset: int, length: int, view: memoryview) -> None:
        with self._lock, self._reads.open("a") as log:
            log.write(f"{offset} {length}\n")
        view[:length] = os.pread(self._descriptor, length, offset)

    def write(self, offset: int, data: memoryview) -> None:
        os.pwrite(self._descriptor, data, offset)

    def zero(self, offset: int, length: int) -> None:
        os.pwrite(self._descriptor, bytes(length), offset)

    def flush(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None: ...
