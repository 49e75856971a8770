"""What was read, moved and waited for in each execution, kept for the table in the docs."""

import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from testbed.openstack.balancer import Balancer
from testbed.openstack.storage import Storage

from tests.e2e.product import moved, progress

MIB = 1 << 20
_REPORTED = 6  # seconds: OSDs tell the monitor what they read every five


@dataclass(frozen=True)
class Figure:
    """Bytes and seconds of one execution. `ceph` and `swift`: read from the pools behind Cinder, and got from Swift."""

    route: str
    run: str
    size: int
    ceph: int
    swift: int
    moved: int
    copy_seconds: float
    seconds: float


class Meter:
    """The cloud's own counters. They hold whatever else reads at the time: the source guest, which is idle."""

    def __init__(self, storage: Storage, balancer: Balancer) -> None:
        self._storage = storage
        self._balancer = balancer

    def read(self) -> tuple[int, int]:
        time.sleep(_REPORTED)
        # volumes made from an image are clones: what was never written since is read from the image
        pools = ("images", "volumes", "vms", "backups")
        return self._storage.bytes_read(*pools), self._balancer.bytes_out("swift")


class FigureBook:
    """One JSON line a figure."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, route: str, run: str, read: tuple[int, int], execution: dict[str, Any]) -> Figure:
        disks = progress(execution)
        made = Figure(
            route=route,
            run=run,
            size=sum(p["total_bytes"] or 0 for p in disks),
            ceph=read[0],
            swift=read[1],
            moved=moved(execution),
            copy_seconds=_copy_seconds(execution),
            seconds=_seconds(execution),
        )
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(made)) + "\n")
        return made

    def all(self) -> list[Figure]:
        if not self._file.exists():
            return []
        return [Figure(**json.loads(line)) for line in self._file.read_text().splitlines()]


def table(figures: list[Figure]) -> str:
    """Markdown: one row an execution."""
    lines = [
        "| route | execution | disks | read from Ceph | got from Swift | moved | copy | in all |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for f in figures:
        sizes = " | ".join(f"{count / MIB:,.0f} MiB" for count in (f.size, f.ceph, f.swift, f.moved))
        lines.append(f"| {f.route} | {f.run} | {sizes} | {f.copy_seconds:.0f} s | {f.seconds:.0f} s |")
    return "\n".join(lines) + "\n"


def _seconds(execution: dict[str, Any]) -> float:
    return (_time(execution["updated_at"]) - _time(execution["created_at"])).total_seconds()


def _copy_seconds(execution: dict[str, Any]) -> float:
    disks = progress(execution)
    began = min(_time(p["created_at"]) for p in disks)
    return (max(_time(p["updated_at"]) for p in disks) - began).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
