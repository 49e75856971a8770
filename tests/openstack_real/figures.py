"""What was read, moved and waited for in each execution, and which scenarios held: kept for the page in the docs."""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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


@dataclass(frozen=True)
class Outcome:
    """Of a scenario's last run: `seconds` with its set-up, the boot of its source guest included."""

    scenario: str
    passed: bool
    seconds: float
    date: str

    @classmethod
    def now(cls, scenario: str, seconds: float, *, passed: bool) -> "Outcome":
        return cls(scenario, passed, seconds, str(datetime.now(UTC).date()))


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
    """One JSON file. What a scenario measured replaces what it did before, so that a single one may be run again."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def put(self, route: str, figures: list[Figure]) -> None:
        others = [figure for figure in self.figures() if figure.route != route]
        self._write([*others, *figures], self.outcomes())

    def record(self, outcome: Outcome) -> None:
        others = [known for known in self.outcomes() if known.scenario != outcome.scenario]
        self._write(self.figures(), [*others, outcome])

    def figures(self) -> list[Figure]:
        return [Figure(**item) for item in self._read()["figures"]]

    def outcomes(self) -> list[Outcome]:
        return [Outcome(**item) for item in self._read()["outcomes"]]

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"figures": [], "outcomes": []}
        return dict(json.loads(self._file.read_text())) if self._file.exists() else empty

    def _write(self, figures: list[Figure], outcomes: list[Outcome]) -> None:
        told = {"figures": [asdict(f) for f in figures], "outcomes": [asdict(o) for o in outcomes]}
        self._file.write_text(json.dumps(told, indent=1) + "\n")


def figure_of(route: str, run: str, read: tuple[int, int], execution: dict[str, Any]) -> Figure:
    """`read`: what `Meter.read` grew by."""
    return Figure(
        route=route,
        run=run,
        size=sum(p["total_bytes"] or 0 for p in progress(execution)),
        ceph=read[0],
        swift=read[1],
        moved=moved(execution),
        copy_seconds=_copy_seconds(execution),
        seconds=_seconds(execution),
    )


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


def outcome_table(outcomes: list[Outcome]) -> str:
    """Markdown: one row a scenario that held."""
    held = sorted((o for o in outcomes if o.passed), key=lambda o: o.scenario)
    lines = ["| scenario | held on | with set-up |", "|---|---|--:|"]
    lines += [f"| {o.scenario} | {o.date} | {o.seconds:.0f} s |" for o in held]
    return "\n".join(lines) + "\n"


def _seconds(execution: dict[str, Any]) -> float:
    return (_time(execution["updated_at"]) - _time(execution["created_at"])).total_seconds()


def _copy_seconds(execution: dict[str, Any]) -> float:
    disks = progress(execution)
    began = min(_time(p["created_at"]) for p in disks)
    return (max(_time(p["updated_at"]) for p in disks) - began).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
