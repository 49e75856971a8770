"""What was measured, as a table, as JSON and as a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rich.console import Console
from rich.table import Table

from bench.runs import Latency, Throughput
from bench.writes import Rate

_TARGET_LATENCY = 0.5  # seconds, 95th percentile
_FLAT = (
    1.25  # how much slower the longest history may be than the shortest: more than the noise of a busy box
)


def target_rate(run: Throughput) -> float | None:
    """Jobs a second that the issue asks for, on two cores."""
    if run.place == "sqlite":
        return 5.0
    return 10.0 if run.conductors == 2 else None


def print_throughput(console: Console, title: str, runs: Sequence[Throughput]) -> None:
    table = Table(title=title)
    for heading in ("database", "conductors", "history", "jobs", "seconds", "jobs/s", "jobs/min", "target"):
        table.add_column(heading, justify="right")
    for heading in ("statements/step", "commits/step", "CPU s/job", "load"):
        table.add_column(heading, justify="right")
    for run in runs:
        target = target_rate(run)
        table.add_row(
            run.place,
            str(run.conductors),
            f"{run.history:,}",
            f"{run.jobs:,}",
            f"{run.seconds:.1f}",
            f"{run.per_second:.1f}",
            f"{run.per_second * 60:.0f}",
            "" if target is None else _verdict(run.per_second >= target, f"≥ {target:g}/s"),
            f"{run.per_step:.1f}",
            f"{run.commits_per_step:.1f}",
            f"{run.cpu_seconds / run.jobs:.3f}",
            f"{run.load:.1f}",
        )
    console.print(table)


def print_latency(console: Console, runs: Sequence[Latency]) -> None:
    table = Table(title="From submission to the first step")
    for heading in ("database", "conductors", "jobs", "median s", "p95 s", "max s", "target", "load"):
        table.add_column(heading, justify="right")
    for run in runs:
        table.add_row(
            run.place,
            str(run.conductors),
            str(len(run.seconds)),
            f"{run.median:.3f}",
            f"{run.p95:.3f}",
            f"{max(run.seconds):.3f}",
            _verdict(run.p95 < _TARGET_LATENCY, f"p95 < {_TARGET_LATENCY} s"),
            f"{run.load:.1f}",
        )
    console.print(table)


def print_statements(console: Console, run: Throughput, count: int = 18) -> None:
    table = Table(title=f"Statements a step, {run.place}, {run.conductors} conductor(s)")
    table.add_column("statement")
    table.add_column("a step", justify="right")
    table.add_column("a job", justify="right")
    for what, number in list(run.statements.items())[:count]:
        table.add_row(what, f"{number / run.jobs / 12:.2f}", f"{number / run.jobs:.1f}")
    console.print(table)


def print_areas(console: Console, run: Throughput) -> None:
    total = sum(run.areas.values())
    table = Table(title=f"Where CPU time goes, {run.place} (under the profiler: shares count, not seconds)")
    table.add_column("area")
    table.add_column("share", justify="right")
    for area, seconds in run.areas.items():
        if seconds / total >= 0.005:
            table.add_row(area, f"{seconds / total:.1%}")
    console.print(table)
    table = Table(title="Functions that take most")
    for heading in ("function", "calls a job", "share"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for name, calls, seconds in run.hottest:
        table.add_row(name[-80:], f"{calls / run.jobs:.0f}", f"{seconds / total:.1%}")
    console.print(table)


def print_rates(console: Console, rates: Sequence[Rate]) -> None:
    table = Table(title="What the database takes, four writers")
    table.add_column("database")
    table.add_column("what")
    table.add_column("a second", justify="right")
    for rate in rates:
        table.add_row(rate.place, rate.what, f"{rate.per_second:.0f}")
    console.print(table)


def is_flat(runs: Sequence[Throughput]) -> bool:
    """Of runs with a growing history on one database."""
    return runs[0].per_second <= runs[-1].per_second * _FLAT


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


def write_picture(path: Path, runs: Sequence[Throughput]) -> None:
    """Jobs a second as bars, with the target as a line on each bar that has one."""
    width, row, left = 640, 26, 210
    longest = max([run.per_second for run in runs] + [target_rate(run) or 0.0 for run in runs])
    parts = []
    for number, run in enumerate(runs):
        y = 10 + number * row
        scale = (width - left - 60) / longest
        label = f"{run.place}, {run.conductors} conductor(s), {run.history:,} before"
        length = run.per_second * scale
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" fill="#3b76af"/>')
        parts.append(f'<text x="{left + length + 6:.1f}" y="{y + 13}">{run.per_second:.1f}/s</text>')
        target = target_rate(run)
        if target is not None:
            x = left + target * scale
            line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + 21}" stroke="#c03" '
            parts.append(line + 'stroke-width="2"/>')
    height = 20 + len(runs) * row
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _verdict(met: bool, text: str) -> str:
    return f"[green]{text}[/]" if met else f"[red]{text}: missed[/]"
