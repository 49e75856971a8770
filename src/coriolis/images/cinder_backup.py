"""A volume as Cinder's backup drivers for object stores keep it (`cinder/backup/chunkeddriver.py`, version 1.0.0).

    <prefix>-00001 …     pieces of the volume, each compressed on its own; of an incremental backup only what changed
    <prefix>_metadata    JSON: the pieces with offset, length, compression and MD5 before compression; the parent's id
    <prefix>_sha256file  JSON: SHA-256 of each block of the whole volume, of an incremental backup too

`<prefix>` is `volume_<volume id>/<time>/az_<zone>_backup_<backup id>`. Every byte that is read was compared with the
MD5 of its object and the SHA-256 of its block.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from coriolis.agent.disk import DeviceError, Disk, Extent, Handle
from coriolis.images.block_digests import (
    DIGEST_BYTES,
    BlockDigests,
    differing_blocks,
    read_block_digests,
)
from coriolis.images.decompression import decompressed
from coriolis.images.pieces import PieceMap, StoredObject, layered
from coriolis.images.registry import Opening, parameters_of
from coriolis.images.swift import Swift, SwiftAccount
from coriolis.model.image import ImageDisk

_VERSION = "1.0.0"
_THREADS = 4
_CACHE_BYTES = 256 << 20  # of objects at once: five of Cinder's usual 50 MiB


@dataclass(frozen=True, slots=True)
class BackupParameters:
    """`containers`: of all backups of the volume that may be in the chain, by id. `since`: the backup that
    `ImageDisk.since` stands for."""

    account: SwiftAccount
    volume: str
    backup: str
    containers: dict[str, str]
    since: str | None = None


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    if opening.writing:
        raise DeviceError("backups are not written")
    parameters = parameters_of(image, BackupParameters)
    store = BackupStore(
        Swift(parameters.account, dict(image.secrets)), parameters.volume, parameters.containers
    )
    return BackupDisk(store, parameters, image)


class BackupStore:
    """The objects of one volume's backups."""

    def __init__(self, swift: Swift, volume: str, containers: dict[str, str]) -> None:
        self.swift = swift
        self._volume = volume
        self._containers = containers
        self._names: dict[str, list[str]] = {}

    def prefix(self, backup: str) -> tuple[str, str]:
        """Container and prefix of its objects. Raises DeviceError where it is not in Swift."""
        container = self._containers.get(backup)
        if container is None:
            raise DeviceError(f"backup {backup} is not there any more")
        if container not in self._names:
            self._names[container] = list(self.swift.names(container, f"volume_{self._volume}/"))
        ending = f"_backup_{backup}_metadata"
        for name in self._names[container]:
            if name.endswith(ending):
                return container, name.removesuffix("_metadata")
        raise DeviceError(f"backup {backup} has no objects in container {container}")

    def layers(self, backup: str) -> list[list[StoredObject]]:
        """The full backup's first."""
        found: list[list[StoredObject]] = []
        seen: set[str] = set()
        next_one: str | None = backup
        while next_one is not None:
            if next_one in seen:
                raise DeviceError(f"backup {next_one} is its own ancestor")
            seen.add(next_one)
            container, prefix = self.prefix(next_one)
            content = self.swift.content(container, f"{prefix}_metadata")
            objects, next_one = _parse_metadata(content, container, prefix)
            found.insert(0, objects)
        return found

    def digests(self, backup: str) -> BlockDigests:
        container, prefix = self.prefix(backup)
        found: BlockDigests = self.swift.pieces(container, f"{prefix}_sha256file", read_block_digests)
        return found


class BackupDisk(Disk, Handle):
    threads = _THREADS

    def __init__(self, store: BackupStore, parameters: BackupParameters, image: ImageDisk) -> None:
        self.name = f"backup {parameters.backup} of volume {parameters.volume}"
        self.size = image.size_bytes
        self._store = store
        self._parameters = parameters
        self._point = image.since
        self._map: PieceMap = layered(store.layers(parameters.backup))
        self._digests = store.digests(parameters.backup)
        if len(self._digests) * self._digests.block < self.size:
            raise DeviceError(f"{self.name} is of a smaller volume, {len(self._digests)} blocks")
        self._objects = ObjectCache(store.swift, self._verify)
        self._zero = hashlib.sha256(bytes(self._digests.block)).digest()[:DIGEST_BYTES]

    def changes(self, since: str | None) -> list[Extent] | None:
        """By digest, so that what was written and is the same as before is no change."""
        old: BlockDigests | None = None
        if since is not None:
            if since != self._point or self._parameters.since is None:
                return None
            old = self._store.digests(self._parameters.since)
            if old.block != self._digests.block or len(old) != len(self._digests):
                return None
        found = list(differing_blocks(self._digests, old, self._zero))
        wanted = (extent for extent in found if not extent.zero)
        pieces = (p for e in wanted for p in self._map.between(e.offset, e.offset + e.length))
        self._objects.expect(list(dict.fromkeys(piece.source for piece in pieces)))
        return found

    def open(self) -> Handle:
        return self

    def read(self, offset: int, length: int, view: memoryview) -> None:
        have = offset
        for piece in self._map.between(offset, offset + length):
            if piece.start != have:
                break
            data = self._objects.get(piece.source)
            start = piece.start - piece.source.offset
            view[piece.start - offset : piece.end - offset] = data[start : start + piece.end - piece.start]
            have = piece.end
        if have != offset + length:
            raise DeviceError(f"{self.name} lacks byte {have}")

    def _verify(self, source: StoredObject, data: memoryview) -> None:
        """What of an object no later backup hides, against the digests of the volume's blocks."""
        block = self._digests.block
        for piece in self._map.between(source.offset, source.end):
            if piece.source is not source:
                continue
            for number in range(-(-piece.start // block), -(-piece.end // block)):
                start, end = number * block, min((number + 1) * block, piece.end)
                found = hashlib.sha256(data[start - source.offset : end - source.offset]).digest()
                if found[:DIGEST_BYTES] != self._digests.of(number):
                    raise DeviceError(f"{self.name}: block {number} in {source.name} is damaged")

    def write(self, offset: int, data: memoryview) -> None:
        raise DeviceError(f"{self.name} is not written: {len(data)} bytes at {offset}")

    def zero(self, offset: int, length: int) -> None:
        raise DeviceError(f"{self.name} is not written: {length} bytes at {offset}")

    def flush(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Handles are the disk itself; its threads end with the process."""


class ObjectCache:
    """Objects, decompressed and verified, a few at a time; those that will be wanted next are fetched ahead."""

    def __init__(self, swift: Swift, verify: Callable[[StoredObject, memoryview], None]) -> None:
        self._swift = swift
        self._verify = verify
        self._pool = ThreadPoolExecutor(max_workers=_THREADS)
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[StoredObject, Future[memoryview]]] = OrderedDict()
        self._expected: list[StoredObject] = []
        self._places: dict[str, int] = {}

    def expect(self, objects: list[StoredObject]) -> None:
        """What will be asked for, in about this order."""
        self._expected = objects
        self._places = {source.name: place for place, source in enumerate(objects)}

    def get(self, source: StoredObject) -> memoryview:
        with self._lock:
            future = self._asked(source)
            place = self._places.get(source.name)
            if place is not None:
                for later in self._expected[place + 1 : place + _THREADS]:
                    if self._room_for(later):
                        self._asked(later)
            self._held.move_to_end(source.name)
        return future.result()

    def _asked(self, source: StoredObject) -> "Future[memoryview]":
        if source.name not in self._held:
            self._held[source.name] = source, self._pool.submit(self._fetch, source)
            self._drop_oldest(source)
        return self._held[source.name][1]

    def _room_for(self, source: StoredObject) -> bool:
        return sum(held.length for held, _ in self._held.values()) + source.length <= _CACHE_BYTES

    def _drop_oldest(self, newest: StoredObject) -> None:
        """Whoever still reads one keeps it alive."""
        while len(self._held) > 1 and sum(held.length for held, _ in self._held.values()) > _CACHE_BYTES:
            name = next(iter(self._held))
            if name == newest.name:
                return
            del self._held[name]

    def _fetch(self, source: StoredObject) -> memoryview:
        packed = self._swift.content(source.container, source.name)
        try:
            data = decompressed(packed, source.compression, source.length)
        except DeviceError as error:
            raise DeviceError(f"object {source.name}: {error}") from error
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != source.md5:
            raise DeviceError(
                f"object {source.name} is damaged: its MD5 is not that of the backup's metadata"
            )
        view = memoryview(data)
        self._verify(source, view)
        return view


def _parse_metadata(content: bytes, container: str, prefix: str) -> tuple[list[StoredObject], str | None]:
    """The objects and the parent's id."""
    try:
        metadata: dict[str, Any] = json.loads(content)
        if metadata["version"] != _VERSION:
            raise DeviceError(f"{prefix} is of version {metadata['version']!r}, not {_VERSION}")
        objects = [
            StoredObject(
                container,
                name,
                int(told["offset"]),
                int(told["length"]),
                str(told["compression"]),
                str(told["md5"]),
            )
            for entry in metadata["objects"]
            for name, told in entry.items()
        ]
        parent = metadata.get("parent_id")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(f"{prefix}_metadata is no metadata of a backup: {error!r}") from error
    return objects, None if parent is None else str(parent)
