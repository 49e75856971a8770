"""RBD images: read at a snapshot, or written."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from coriolis.agent.disk import DeviceError, Disk, DiskUnavailableError, Extent, Handle
from coriolis.agent.fence import FencedError
from coriolis.images import ceph
from coriolis.images.ceph import CephCluster, CephMissingError
from coriolis.images.registry import Opening, parameters_of
from coriolis.model.image import ImageDisk

KEY = "key"
"""Among the secrets of the image: the user's CephX key."""

_THREADS = 8  # librbd waits for OSDs: what one thread reads at a time is one request in flight
_PASSING = frozenset({errno.ETIMEDOUT, errno.ENOTCONN, errno.EAGAIN})


@dataclass(frozen=True, slots=True)
class RbdParameters:
    """`snapshot`: of which one the content is; None: the image itself, which is what a writer wants. `since`: the
    snapshot of the same image that `ImageDisk.since` stands for."""

    cluster: CephCluster
    pool: str
    image: str
    snapshot: str | None = None
    since: str | None = None


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    parameters = parameters_of(image, RbdParameters)
    with ExitStack() as stack, _failures_named(f"{parameters.pool}/{parameters.image}"):
        connection = stack.enter_context(ceph.connected(parameters.cluster, image.secrets[KEY]))
        rbd = ceph.binding("rbd")
        context = stack.enter_context(connection.open_ioctx(parameters.pool))
        opened = rbd.Image(
            context, parameters.image, snapshot=parameters.snapshot, read_only=not opening.writing
        )
        stack.callback(opened.close)
        disk = RbdDisk(opened, parameters, image.since)
        if opening.writing:
            _keep_others_out(rbd, opened, opening)
        disk.owns(stack.pop_all())
    return disk


class RbdDisk(Disk):
    """librbd's images may be used by any number of threads."""

    threads = _THREADS

    def __init__(self, image: Any, parameters: RbdParameters, point: str | None) -> None:
        at = f"@{parameters.snapshot}" if parameters.snapshot else ""
        self.name = f"{parameters.pool}/{parameters.image}{at}"
        self.size = int(image.size())
        self._image = image
        self._since = parameters.since
        self._point = point
        self._stack: ExitStack | None = None

    def owns(self, stack: ExitStack) -> None:
        """What is closed with it."""
        self._stack = stack

    def open(self) -> Handle:
        return RbdHandle(self._image, self.name)

    def changes(self, since: str | None) -> list[Extent] | None:
        """Exact to the byte, not to the object, which needs no flag of the image to be trusted. From nothing: what is
        allocated, in the image or in the one it was cloned from."""
        if since is not None and (since != self._point or self._since not in self._snapshots()):
            return None
        snapshot = None if since is None else self._since
        found: list[Extent] = []

        def note(offset: int, length: int, exists: bool) -> None:
            found.append(Extent(offset, length, zero=not exists))

        with _failures_named(self.name):
            self._image.diff_iterate(0, self.size, snapshot, note, include_parent=True, whole_object=False)
        return found

    def _snapshots(self) -> set[str]:
        with _failures_named(self.name):
            return {snapshot["name"] for snapshot in self._image.list_snaps()}

    def flush(self) -> None:
        with _failures_named(self.name):
            self._image.flush()

    def close(self) -> None:
        if self._stack is not None:
            self._stack.close()


class RbdHandle(Handle):
    def __init__(self, image: Any, name: str) -> None:
        self._image = image
        self._name = name

    def read(self, offset: int, length: int, view: memoryview) -> None:
        with _failures_named(self._name):
            data = self._image.read(offset, length)
        if len(data) != length:
            raise DeviceError(f"{self._name} ends at byte {offset + len(data)}")
        view[:length] = data

    def write(self, offset: int, data: memoryview) -> None:
        with _failures_named(self._name):
            self._image.write(bytes(data), offset)

    def zero(self, offset: int, length: int) -> None:
        """Never by a discard, of which librbd may leave out what is no whole object."""
        with _failures_named(self._name):
            if hasattr(self._image, "write_zeroes"):  # Octopus
                self._image.write_zeroes(offset, length)
                return
            block = bytes(min(length, 1 << 20))
            for start in range(0, length, len(block)):
                self._image.write(block[: length - start], offset + start)

    def close(self) -> None:
        """The image is the disk's."""


def _keep_others_out(rbd: Any, image: Any, opening: Opening) -> None:
    """Conductors on other hosts may write to the same image. The highest token stands in the image's metadata; the
    exclusive lock of a lower one is broken, which blocklists its client at the OSDs."""
    key = "coriolis.writer." + hashlib.sha256(opening.scope.encode()).hexdigest()[:16]
    _require_no_later(rbd, image, key, opening.token)
    if image.features() & rbd.RBD_FEATURE_EXCLUSIVE_LOCK:
        for owner in list(
            image.lock_get_owners()
        ):  # before anything is written, which would take the lock for us
            image.lock_break(owner["mode"], owner["owner"])
        image.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
        _require_no_later(rbd, image, key, opening.token)
    image.metadata_set(key, str(opening.token))


def _require_no_later(rbd: Any, image: Any, key: str, token: int) -> None:
    try:
        known = int(image.metadata_get(key))
    except rbd.ImageNotFound:  # librbd's word for a key that is not there; older ones raise KeyError
        return
    except KeyError:
        return
    if known > token:
        raise FencedError(f"token {token} is older than {known}")


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """librados and librbd have an exception for each errno; none of them is Python's own OSError."""
    try:
        failures = (ceph.binding("rados").Error, ceph.binding("rbd").Error)
    except CephMissingError as error:
        raise DeviceError(str(error)) from error
    try:
        yield
    except failures as error:
        number = getattr(error, "errno", None)
        if number == errno.ESHUTDOWN:  # EBLOCKLISTED
            raise FencedError(f"a later writer of {name} has shut this one out") from error
        kind = DiskUnavailableError if number in _PASSING else DeviceError
        raise kind(f"{name}: {error}") from error
