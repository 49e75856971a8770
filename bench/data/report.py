"""What was measured: tables, a file of the raw figures, pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.data.measure import MIB, Series
from bench.data.targets import Verdict

_OURS, _OTHERS = "#3b76af", "#b0b7bf"
_WITHOUT_PICTURES = "no pictures: matplotlib is not installed"


def print_series(console: Console, title: str, series: Sequence[Series]) -> None:
    table = Table(title=title)
    table.add_column("candidate")
    headings = ("MB/s", "× first", "CPU s", "× first", "wire MB", "agent MiB", "all MiB", "first byte s")
    for heading in (*headings, "others' CPUs", "runs", "identical"):
        table.add_column(heading, justify="right")
    first = series[0]
    for one in series:
        table.add_row(
            one.candidate,
            f"{one.rate:.0f}",
            f"{first.median('wall') / one.median('wall'):.2f}",
            f"{one.median('cpu'):.2f}",
            f"{one.median('cpu') / first.median('cpu'):.2f}" if first.median("cpu") else "",
            f"{one.median('wire') / 1e6:.1f}",
            f"{one.worst('agent_memory') / MIB:.0f}" if one.worst("agent_memory") else "",
            f"{one.worst('total_memory') / MIB:.0f}",
            _seconds(one),
            f"{one.median('foreign'):.1f}",
            str(len(one.samples)),
            "yes" if one.samples[0].identical else "",
        )
    console.print(table)


def _seconds(one: Series) -> str:
    if any(sample.first_byte is None for sample in one.samples):
        return ""
    return f"{one.median('first_byte'):.2f}"


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    table = Table(title="Beside the targets (dataplane.md §7)")
    for heading in ("what", "found", "target", "", "note"):
        table.add_column(heading)
    for verdict in verdicts:
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: "[yellow]not measured[/]"}[verdict.met]
        table.add_row(verdict.what, verdict.found, verdict.target, mark, verdict.note)
    console.print(table)


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


def write_pictures(directory: Path, full: Sequence[Sequence[Series]], sizes: Sequence[Series]) -> str:
    """data.png and data.svg: speed and CPU of every candidate, an image a row, and the cost over the size. A
    note for the console.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        return _WITHOUT_PICTURES
    mpl.use("Agg")
    from matplotlib import pyplot

    rows = len(full) + bool(sizes)
    figure, axes = pyplot.subplots(rows, 2, figsize=(11, 3.1 * rows), squeeze=False, layout="constrained")
    for line, series in zip(axes, full, strict=False):
        title = f"{series[0].image}, {series[0].size / (1 << 30):g} GiB"
        _bars(line[0], series, [one.rate for one in series], f"{title}: MB/s (more is better)")
        _bars(
            line[1], series, [one.median("cpu") for one in series], f"{title}: CPU seconds (less is better)"
        )
    if sizes:
        _lines(axes[-1][0], sizes, "wall", "seconds over the size in GiB")
        _lines(axes[-1][1], sizes, "cpu", "CPU seconds over the size in GiB")
    directory.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "svg"):
        figure.savefig(directory / f"data.{suffix}", dpi=110)
    pyplot.close(figure)
    return f"{directory}/data.png and data.svg"


def _bars(axis: Any, series: Sequence[Series], values: Sequence[float], title: str) -> None:
    names = [one.candidate for one in series]
    colours = [_OURS if name.startswith("coriolis") else _OTHERS for name in names]
    bars = axis.barh(names, values, color=colours)
    axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    axis.margins(x=0.15)
    axis.invert_yaxis()
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=8)


def _lines(axis: Any, series: Sequence[Series], name: str, title: str) -> None:
    groups: dict[str, list[Series]] = {}
    for one in series:
        groups.setdefault(f"{one.candidate}, {one.image}", []).append(one)
    for label, members in groups.items():
        ordered = sorted(members, key=lambda one: one.size)
        axis.plot(
            [one.size / (1 << 30) for one in ordered],
            [one.median(name) for one in ordered],
            marker="o",
            label=label,
        )
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=8)
