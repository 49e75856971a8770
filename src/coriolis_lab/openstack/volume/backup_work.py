"""What cinder-backup with its Swift driver does: a volume's blocks as objects, with their digests.

Layout and words as Cinder's own chunked driver (version 1.0.0) has them.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from coriolis.runner import run
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.records import Backup, now
from coriolis_lab.openstack.web import Json, new_id

BLOCK_BYTES = 32768  # backup_swift_block_size
OBJECT_BYTES = 52428800  # backup_swift_object_size
VERSION = "1.0.0"
GIB = 1024**3


_TOLD = {
    "error": "the lab was told so",
    "no_service": "Service not found for creating backup.",
}
"""By kind of the fault, what the user reads as fail_reason."""


class BackupRefusedError(Exception):
    """What the user reads as fail_reason."""


def submit_create(cloud: Cloud, backup: Backup, volume_status: str | None, fault: str | None) -> None:
    """`volume_status`: what the volume goes back to."""

    def work() -> None:
        if fault == "stuck":
            return
        reason = _TOLD[fault] if fault in _TOLD else _try(cloud, backup)
        with cloud.lock:
            backup.status, backup.fail_reason = ("error", reason) if reason else ("available", None)
            backup.updated = now()
            release = _forget if fault == "no_service" else _release
            release(cloud, backup, volume_status)

    cloud.jobs.submit(f"volume/{backup.volume_id}", work, cloud.settings.delays.disk)


def submit_delete(cloud: Cloud, backup: Backup, fault: str | None) -> None:
    backup.status, backup.updated = "deleting", now()

    def work() -> None:
        if fault == "stuck":
            return
        with cloud.lock:
            if fault == "error":
                backup.status = "error_deleting"
                return
            if backup.prefix:
                cloud.account(backup.project_id).drop(backup.container, backup.prefix)
            cloud.backups.pop(backup.id, None)

    cloud.jobs.submit(f"backup/{backup.id}", work, cloud.settings.delays.delete)


def _release(cloud: Cloud, backup: Backup, volume_status: str | None) -> None:
    snapshot = cloud.snapshots.get(backup.snapshot_id or "")
    volume = cloud.volumes.get(backup.volume_id)
    if snapshot is not None:
        snapshot.status = "available"
    elif volume is not None and volume.status == "backing-up":
        volume.status = volume_status


def _forget(cloud: Cloud, backup: Backup, volume_status: str | None) -> None:
    """As the scheduler of Zed does it, which thinks of volumes only: the snapshot stays in backing-up, and its volume
    gets the status that it had before a backup which it never was in, so none (seen)."""
    if backup.snapshot_id is None:
        _release(cloud, backup, volume_status)
    elif (volume := cloud.volumes.get(backup.volume_id)) is not None:
        volume.status = None


def _try(cloud: Cloud, backup: Backup) -> str | None:
    """Why it failed."""
    try:
        _write(cloud, backup)
    except (BackupRefusedError, HypervisorError) as error:
        return str(error)
    return None


def _write(cloud: Cloud, backup: Backup) -> None:
    parent = cloud.backups.get(backup.parent_id or "")
    known: list[str] | None = None
    if parent is not None:
        listed = _read(cloud, parent, "sha256file")
        if listed["chunk_size"] != BLOCK_BYTES:
            raise BackupRefusedError(
                "Invalid backup: Hash block size has changed since the last backup. New hash block size: "
                f"{BLOCK_BYTES}. Old hash block size: {listed['chunk_size']}. Do a full backup."
            )
        if backup.size > parent.size:
            words = "Volume size increased since the last backup. Do a full backup."
            raise BackupRefusedError(f"Invalid backup: {words}")
        known = listed["sha256s"]
    moment = backup.created.strftime("%Y%m%d%H%M%S")
    prefix = f"volume_{backup.volume_id}/{moment}/az_nova_backup_{backup.id}"
    with cloud.lock:
        backup.prefix = prefix
        cloud.account(backup.project_id).containers.setdefault(backup.container, {})
    with _content(cloud, backup) as path:
        digests, objects = _store(cloud, backup, path, known)
    _finish(cloud, backup, digests, objects)


def _store(cloud: Cloud, backup: Backup, path: Path, known: list[str] | None) -> tuple[list[str], list[Json]]:
    digests: list[str] = []
    objects: list[Json] = []
    for offset, data in _chunks(path, backup.size * GIB):
        fresh = _digests(data)
        old = None if known is None else known[len(digests) : len(digests) + len(fresh)]
        for first, end in _changed(fresh, old):
            piece = data if end - first == len(fresh) else data[first * BLOCK_BYTES : end * BLOCK_BYTES]
            name = f"{backup.prefix}-{len(objects) + 1:05d}"
            algorithm, packed = _packed(piece)
            told = {
                "offset": offset + first * BLOCK_BYTES,
                "length": len(piece),
                "compression": algorithm,
                "md5": _md5(piece),
            }
            with cloud.lock:
                cloud.account(backup.project_id).put(backup.container, name, packed)
            objects.append({name: told})
        digests += fresh
    return digests, objects


def _finish(cloud: Cloud, backup: Backup, digests: list[str], objects: list[Json]) -> None:
    common = {
        "version": VERSION,
        "backup_id": backup.id,
        "volume_id": backup.volume_id,
        "backup_name": backup.name,
        "backup_description": backup.description,
        "created_at": str(backup.created),
    }
    listed = {**common, "chunk_size": BLOCK_BYTES, "sha256s": digests}
    told = {**common, "objects": objects, "parent_id": backup.parent_id, "volume_meta": None}
    with cloud.lock:
        account = cloud.account(backup.project_id)
        for ending, content in (("sha256file", listed), ("metadata", told)):
            text = json.dumps(content, sort_keys=True, indent=2)
            account.put(backup.container, f"{backup.prefix}_{ending}", text.encode())
        backup.object_count = len(objects) + 1  # Cinder counts the number that the next one would have


def _read(cloud: Cloud, backup: Backup, ending: str) -> Json:
    with cloud.lock:
        objects = cloud.account(backup.project_id).containers.get(backup.container, {})
        stored = objects.get(f"{backup.prefix}_{ending}")
    if stored is None:
        raise BackupRefusedError(f"Object GET failed: {backup.prefix}_{ending} 404 Not Found")
    found: Json = json.loads(stored.data)
    return found


@contextmanager
def _content(cloud: Cloud, backup: Backup) -> Iterator[Path]:
    """The volume as the snapshot, or a passing one, has it."""
    passing, copy = new_id(), new_id()
    if backup.snapshot_id is None:
        cloud.hypervisor.snapshot_disks({backup.volume_id: passing})
    with tempfile.TemporaryDirectory(prefix="coriolis-lab-backup-") as directory:
        packed, path = Path(directory) / "content.qcow2", Path(directory) / "content"
        try:
            cloud.hypervisor.disk_from_snapshot(copy, backup.snapshot_id or passing)
            try:
                cloud.hypervisor.write_disk_file(copy, packed)
            finally:
                cloud.hypervisor.delete_disk(copy)
            run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", packed, path])
            packed.unlink()
            yield path
        finally:
            if backup.snapshot_id is None:
                cloud.hypervisor.delete_snapshot(passing)


def _chunks(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """As many bytes as an object may hold, with their offset. A hole costs no reading."""
    with path.open("rb", buffering=0) as file:
        for offset in range(0, size, OBJECT_BYTES):
            length = min(OBJECT_BYTES, size - offset)
            try:
                data_at = os.lseek(file.fileno(), offset, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole from here on
                data_at = size
            if data_at >= offset + length:
                yield offset, _zeros(length)
                continue
            file.seek(offset)
            content = bytearray()
            while len(content) < length and (piece := file.read(length - len(content))):
                content += piece
            yield offset, bytes(content.ljust(length, b"\0"))


@cache
def _zeros(length: int) -> bytes:
    return bytes(length)


@cache
def _zero_digest(length: int) -> str:
    return hashlib.sha256(bytes(length)).hexdigest()


def _digests(data: bytes) -> list[str]:
    lengths = range(0, len(data), BLOCK_BYTES)
    if data is _zeros(len(data)):
        return [_zero_digest(min(BLOCK_BYTES, len(data) - start)) for start in lengths]
    view = memoryview(data)
    return [hashlib.sha256(view[start : start + BLOCK_BYTES]).hexdigest() for start in lengths]


def _md5(piece: bytes) -> str:
    if piece is _zeros(len(piece)):
        return _zero_md5(len(piece))
    return hashlib.md5(piece, usedforsecurity=False).hexdigest()


@cache
def _zero_md5(length: int) -> str:
    return hashlib.md5(bytes(length), usedforsecurity=False).hexdigest()


def _changed(fresh: list[str], old: list[str] | None) -> Iterator[tuple[int, int]]:
    """Runs of blocks: first, and the one after the last."""
    if old is None:
        yield 0, len(fresh)
        return
    first: int | None = None
    for place, digest in enumerate(fresh):
        if digest != old[place]:
            first = place if first is None else first
        elif first is not None:
            yield first, place
            first = None
    if first is not None:
        yield first, len(fresh)


def _packed(piece: bytes) -> tuple[str, bytes]:
    packed = _packed_zeros(len(piece)) if piece is _zeros(len(piece)) else zlib.compress(piece)
    return ("zlib", packed) if len(packed) < len(piece) else ("none", piece)


@cache
def _packed_zeros(length: int) -> bytes:
    return zlib.compress(bytes(length))
