"""Backups of a VM's disks as of one instant, served over NBD, and checkpoints that later backups build on.

A checkpoint is a persistent dirty bitmap of its own name in every layer of a disk that was its top since: together
they hold what changed since the checkpoint. A backup since a checkpoint exports them merged, as
`qemu:dirty-bitmap:`.

Of a running VM, QEMU serves a scratch layer that keeps what the guest overwrites meanwhile (copy before write);
of a stopped one, qemu-nbd serves the disk itself.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from coriolis.errors import CommandFailed
from coriolis.runner import run
from coriolis_lab.hypervisor import blockdev
from coriolis_lab.hypervisor.api import DiskBackup, HypervisorError
from coriolis_lab.hypervisor.exports import NbdExports
from coriolis_lab.hypervisor.layers import Disk, Layer, create_layer
from coriolis_lab.hypervisor.qmp import QmpClient

_MERGED = "since"  # the bitmap with the changes, for as long as the backup is served
_CANCEL_SECONDS = 60.0


class Backup(Protocol):
    @property
    def urls(self) -> Mapping[str, str]: ...

    def stop(self) -> None: ...


def layers_since(disk: Disk, checkpoint: str) -> Sequence[Layer]:
    """The layers that hold the changes since a checkpoint, top first."""
    found = list(itertools.takewhile(lambda layer: checkpoint in layer.bitmaps, disk.top.chain))
    if not found:
        raise HypervisorError(f"disk {disk.id} has no checkpoint {checkpoint}")
    return found


@dataclass
class StoppedVmBackup:
    """`urls` by disk id, once begun."""

    exports: NbdExports
    urls: dict[str, str] = field(default_factory=dict)
    _undo: ExitStack = field(default_factory=ExitStack)

    def begin(self, backup_id: str, disks: Sequence[tuple[Disk, DiskBackup]]) -> None:
        try:
            for disk, wish in disks:
                self._begin_disk(f"{backup_id} {disk.id}", disk, wish)
        except HypervisorError:
            self._undo.close()
            raise
        for disk, wish in disks:
            if wish.checkpoint is not None:
                disk.note_checkpoint(wish.checkpoint)

    def _begin_disk(self, export_id: str, disk: Disk, wish: DiskBackup) -> None:
        """Bitmaps first: the file cannot be changed any more while it is served."""
        if wish.since is not None:
            layers = layers_since(disk, wish.since)
            change_bitmap(disk.top, _MERGED, "--add", "--disable")
            self._undo.callback(change_bitmap, disk.top, _MERGED, "--remove")
            for layer in layers:
                source = [] if layer is disk.top else ["-b", str(layer.path), "-F", layer.format]
                change_bitmap(disk.top, _MERGED, "--merge", wish.since, *source)
        if wish.checkpoint is not None:
            change_bitmap(disk.top, wish.checkpoint, "--add")
        merged = _MERGED if wish.since is not None else None
        self.urls[disk.id] = self.exports.open(export_id, disk.top, writable=False, bitmap=merged)
        self._undo.callback(self.exports.close, export_id)

    def stop(self) -> None:
        self._undo.close()


@dataclass
class RunningVmBackup:
    """`nodes`: disk id -> the node the guest writes to. `socket` and `scratch_directory` are the backup's own."""

    monitor: QmpClient
    socket: Path
    scratch_directory: Path
    urls: dict[str, str] = field(default_factory=dict)
    _undo: ExitStack = field(default_factory=ExitStack)

    def begin(self, disks: Sequence[tuple[Disk, DiskBackup]], nodes: Mapping[str, str]) -> None:
        try:
            self._begin(disks, nodes)
        except HypervisorError:
            self._undo.close()
            raise
        for disk, wish in disks:
            if wish.checkpoint is not None:
                disk.note_checkpoint(wish.checkpoint)

    def stop(self) -> None:
        """Also when the VM has ended meanwhile."""
        self._undo.close()

    def _begin(self, disks: Sequence[tuple[Disk, DiskBackup]], nodes: Mapping[str, str]) -> None:
        names = self._node_names()
        actions: list[dict[str, Any]] = []
        for disk, wish in disks:
            node = nodes[disk.id]
            scratch = self._add_scratch(disk, node)
            if wish.since is not None:
                self._execute("block-dirty-bitmap-add", {"node": node, "name": _MERGED, "disabled": True})
                self._later("block-dirty-bitmap-remove", {"node": node, "name": _MERGED})
                sources = [
                    {"node": names[str(layer.path)], "name": wish.since}
                    for layer in layers_since(disk, wish.since)
                ]
                merge = {"node": node, "target": _MERGED, "bitmaps": sources}
                actions.append({"type": "block-dirty-bitmap-merge", "data": merge})
            if wish.checkpoint is not None:
                new = {"node": node, "name": wish.checkpoint, "persistent": True}
                actions.append({"type": "block-dirty-bitmap-add", "data": new})
            job = {"job-id": _job(disk), "device": node, "target": scratch, "sync": "none"}
            actions.append({"type": "blockdev-backup", "data": job})
        self._execute("transaction", {"actions": actions})
        for disk, _wish in disks:
            self._undo.callback(self._cancel_job, _job(disk))
        self._serve(disks, nodes)

    def _add_scratch(self, disk: Disk, node: str) -> str:
        path = self.scratch_directory / f"scratch-{self.socket.name}-{disk.top.path.stem}.qcow2"
        create_layer(path, disk.top.size)
        self._undo.callback(path.unlink, missing_ok=True)
        name = f"scratch-{disk.top.path.stem}"
        self._execute("blockdev-add", blockdev.scratch_node(name, path, node))
        self._later("blockdev-del", {"node-name": name})
        return name

    def _serve(self, disks: Sequence[tuple[Disk, DiskBackup]], nodes: Mapping[str, str]) -> None:
        address = {"type": "unix", "data": {"path": str(self.socket)}}
        self._execute("nbd-server-start", {"addr": address})
        self._later("nbd-server-stop", {})
        for disk, wish in disks:
            export: dict[str, Any] = {
                "type": "nbd",
                "id": f"export-{disk.top.path.stem}",
                "node-name": f"scratch-{disk.top.path.stem}",
                "name": disk.id,
            }
            if wish.since is not None:
                export["bitmaps"] = [{"node": nodes[disk.id], "name": _MERGED}]
            self._execute("block-export-add", export)
            self._later("block-export-del", {"id": export["id"], "mode": "hard"})
            self.urls[disk.id] = f"nbd:unix:{self.socket}:exportname={disk.id}"

    def _node_names(self) -> dict[str, str]:
        """File name -> node, also of the layers that QEMU opened by itself below those that were named."""
        nodes = self.monitor.execute("query-named-block-nodes", {"flat": True})
        return {node["file"]: node["node-name"] for node in nodes if node["drv"] == "qcow2"}

    def _execute(self, command: str, arguments: Mapping[str, Any]) -> None:
        self.monitor.execute(command, arguments)

    def _later(self, command: str, arguments: Mapping[str, Any]) -> None:
        self._undo.callback(_unless_gone(lambda: self.monitor.execute(command, arguments)))

    def _cancel_job(self, job: str) -> None:
        def cancel() -> None:
            since = self.monitor.mark()
            self.monitor.execute("block-job-cancel", {"device": job})
            self.monitor.wait_event("BLOCK_JOB_CANCELLED", {"device": job}, since, _CANCEL_SECONDS)

        _unless_gone(cancel)()


def _job(disk: Disk) -> str:
    return f"backup-{disk.top.path.stem}"


def _unless_gone(action: Callable[[], object]) -> Callable[[], None]:
    """QEMU takes everything with it when it ends: then there is nothing left to undo."""

    def undo() -> None:
        try:
            action()
        except HypervisorError as error:
            if "QEMU is gone" not in str(error):
                raise

    return undo


def change_bitmap(layer: Layer, name: str, *options: str) -> None:
    """`qemu-img bitmap OPTIONS FILE NAME`; the layer must not be open elsewhere.

    It is opened without the layers below, one of which may be the source of a merge and would be locked.
    """
    alone = {
        "driver": layer.format,
        "file": {"driver": "file", "filename": str(layer.path)},
        "backing": None,
    }
    try:
        run(["qemu-img", "bitmap", *options, f"json:{json.dumps(alone)}", name])
    except CommandFailed as error:
        raise HypervisorError(str(error)) from error
