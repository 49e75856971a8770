"""Disks as chains of qcow2 layers.

A layer is a file; every layer but a base has a parent that it overlays. Disks point at their writable top
layer, snapshots at a frozen one, images at a base that belongs to someone else and is never removed. A
layer's file goes when no disk, snapshot, image or child refers to it any more.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coriolis.errors import CommandFailed
from coriolis.runner import run
from coriolis_lab.hypervisor.api import HypervisorError


@dataclass(eq=False)
class Layer:
    """`references` counts the disks, snapshots, images and child layers that need this file.

    `bitmaps`: the checkpoints whose changes it records, or recorded while it was a disk's top.
    """

    path: Path
    format: str
    size: int
    parent: "Layer | None" = None
    is_base: bool = False
    references: int = 0
    bitmaps: set[str] = field(default_factory=set)

    @property
    def chain(self) -> Sequence["Layer"]:
        """From this layer down to the base."""
        return [self, *(self.parent.chain if self.parent else ())]


@dataclass(eq=False)
class Disk:
    """`pristine`: nobody has written to it since it was cloned from its image. `checkpoints`: changes since each
    are recorded in the top layer, and in every later one.
    """

    id: str
    top: Layer
    pristine: bool = False
    checkpoints: set[str] = field(default_factory=set)

    def note_checkpoint(self, name: str) -> None:
        """Its bitmap has been made in the top layer."""
        self.checkpoints.add(name)
        self.top.bitmaps.add(name)


class LayerStore:
    """Not thread-safe: its owner holds a lock. Sizes in bytes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._numbers = itertools.count(1)
        self._images: dict[str, Layer] = {}
        self._disks: dict[str, Disk] = {}
        self._snapshots: dict[str, Layer] = {}

    def add_image(self, image_id: str, path: Path, file_format: str) -> None:
        _refuse_duplicate("image", image_id, self._images)
        self._images[image_id] = self._refer(self._base(path, file_format))

    def delete_image(self, image_id: str) -> None:
        self._release(self._images.pop(self._known("image", image_id, self._images)))

    def image(self, image_id: str) -> Layer:
        return self._images[self._known("image", image_id, self._images)]

    def disk(self, disk_id: str) -> Disk:
        return self._disks[self._known("disk", disk_id, self._disks)]

    def snapshot(self, snapshot_id: str) -> Layer:
        return self._snapshots[self._known("snapshot", snapshot_id, self._snapshots)]

    def create_disk(self, disk_id: str, size: int) -> None:
        _refuse_duplicate("disk", disk_id, self._disks)
        self._disks[disk_id] = Disk(disk_id, self._refer(self._new_layer(None, size)))

    def disk_from_image(self, disk_id: str, image_id: str, size: int | None) -> None:
        self._clone(disk_id, self.image(image_id), size, pristine=True)

    def disk_from_snapshot(self, disk_id: str, snapshot_id: str, size: int | None) -> None:
        known = self._known("snapshot", snapshot_id, self._snapshots)
        self._clone(disk_id, self._snapshots[known], size, pristine=False)

    def copy_disk(self, source_id: str, disk_id: str) -> None:
        """Freezes the source's content; source and copy each write to a layer of their own from then on."""
        source = self.disk(source_id)
        _refuse_duplicate("disk", disk_id, self._disks)
        frozen = source.top
        self.push(source, self.new_overlay(source))
        self._clone(disk_id, frozen, None, pristine=source.pristine)

    def resize(self, disk: Disk, size: int) -> None:
        if size < disk.top.size:
            raise HypervisorError(f"disk {disk.id} has {disk.top.size} bytes and cannot shrink to {size}")
        if size > disk.top.size:
            _qemu_img("resize", "-q", "-f", "qcow2", disk.top.path, str(size))
            disk.top.size = size

    def delete_disk(self, disk_id: str) -> None:
        disk = self._disks.pop(self._known("disk", disk_id, self._disks))
        self._release(disk.top)

    def add_snapshot(self, snapshot_id: str, frozen: Layer) -> None:
        _refuse_duplicate("snapshot", snapshot_id, self._snapshots)
        self._snapshots[snapshot_id] = self._refer(frozen)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._release(self._snapshots.pop(self._known("snapshot", snapshot_id, self._snapshots)))

    def revert(self, disk: Disk, snapshot_id: str) -> None:
        frozen = self._snapshots[self._known("snapshot", snapshot_id, self._snapshots)]
        disk.checkpoints.clear()
        self._replace_top(disk, self._new_layer(frozen, frozen.size))

    def new_overlay(self, disk: Disk) -> Layer:
        """An empty layer above the disk's top; it becomes the top by `push`. It goes on recording changes."""
        overlay = self._new_layer(disk.top, disk.top.size)
        for name in disk.checkpoints:
            _qemu_img("bitmap", "--add", "-f", overlay.format, overlay.path, name)
        overlay.bitmaps = set(disk.checkpoints)
        return overlay

    def push(self, disk: Disk, overlay: Layer) -> None:
        """Makes a layer from `new_overlay` the disk's top; the former top is frozen."""
        former = disk.top
        disk.top = self._refer(overlay)
        self._release(former)

    def discard(self, overlay: Layer) -> None:
        """Forgets a layer from `new_overlay` that was not pushed."""
        self._release(self._refer(overlay))

    def adopt_booted(self, disk: Disk, booted: Path) -> Layer:
        """Puts a pristine disk on top of a layer that belongs to a prepared boot snapshot of its image.

        The former top is kept, to be given to `release` or `put_back`.
        """
        image = disk.top.parent
        frozen = Layer(booted, "qcow2", image.size if image else disk.top.size, parent=image, is_base=True)
        if image:
            self._refer(image)
        former = disk.top
        disk.top = self._refer(self._new_layer(frozen, frozen.size))
        return former

    def put_back(self, disk: Disk, former: Layer) -> None:
        """Undoes `adopt_booted`."""
        adopted = disk.top
        disk.top = former
        self._release(adopted)

    def release(self, former: Layer) -> None:
        """Gives up a layer that `adopt_booted` kept."""
        self._release(former)

    def actual_size(self, disk: Disk) -> int:
        alone = itertools.takewhile(lambda layer: layer.references == 1 and not layer.is_base, disk.top.chain)
        return sum(layer.path.stat().st_blocks * 512 for layer in alone)

    def _clone(self, disk_id: str, frozen: Layer, size: int | None, *, pristine: bool) -> None:
        _refuse_duplicate("disk", disk_id, self._disks)
        top = self._new_layer(frozen, max(frozen.size, size or 0))
        self._disks[disk_id] = Disk(disk_id, self._refer(top), pristine=pristine)

    def _replace_top(self, disk: Disk, layer: Layer) -> None:
        former = disk.top
        disk.top = self._refer(layer)
        self._release(former)

    def _new_layer(self, parent: Layer | None, size: int) -> Layer:
        path = self._directory / f"{next(self._numbers):06}.qcow2"
        create_layer(path, size, parent)
        return Layer(path, "qcow2", size, self._refer(parent) if parent else None)

    def _base(self, path: Path, file_format: str) -> Layer:
        return Layer(path, file_format, int(_info(path, file_format)["virtual-size"]), is_base=True)

    def _refer(self, layer: Layer) -> Layer:
        layer.references += 1
        return layer

    def _release(self, layer: Layer) -> None:
        layer.references -= 1
        if layer.references > 0:
            return
        if not layer.is_base:
            layer.path.unlink(missing_ok=True)
        if layer.parent:
            self._release(layer.parent)

    def _known(self, kind: str, name: str, registry: Mapping[str, object]) -> str:
        if name not in registry:
            raise HypervisorError(f"there is no {kind} {name}")
        return name


def create_layer(path: Path, size: int, parent: Layer | None = None) -> None:
    backing = ["-b", str(parent.path), "-F", parent.format] if parent else []
    _qemu_img("create", "-q", "-f", "qcow2", *backing, path, str(size))


def _refuse_duplicate(kind: str, name: str, registry: Mapping[str, object]) -> None:
    if name in registry:
        raise HypervisorError(f"there is a {kind} {name} already")


def _qemu_img(command: str, *arguments: str | Path) -> bytes:
    try:
        return run(["qemu-img", command, *arguments]).stdout
    except CommandFailed as error:
        raise HypervisorError(str(error)) from error


def _info(path: Path, file_format: str) -> dict[str, Any]:
    info: dict[str, Any] = json.loads(_qemu_img("info", "--output=json", "-f", file_format, path))
    return info
