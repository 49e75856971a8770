"""Runs scenarios, a lane for each mode, lanes side by side."""

import argparse
import itertools
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos import (  # noqa: F401 -- the catalogue
    cancellations,
    interruptions,
    migrations,
    queues,
    surroundings,
    upgrades,
)
from tests.chaos.catalogue import CATALOGUE, Entry
from tests.chaos.lane import MODES, Lane, LaneWishes, Mode


@dataclass(frozen=True, slots=True)
class Outcome:
    scenario: str
    mode: str
    seconds: float
    violations: tuple[str, ...]


class Runner:
    """`directory` has a directory for each lane, with the logs of what ran in it."""

    def __init__(self, directory: Path, console: Console) -> None:
        self._directory = directory
        self._console = console
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.outcomes: list[Outcome] = []

    def stop(self) -> None:
        """What runs now runs to its end; nothing else begins, and everything that was started is ended."""
        self._stopping.set()

    def try_mode(self, mode: Mode, entries: Sequence[Entry]) -> None:
        """Like `run_mode`; that a lane cannot be opened is an outcome too."""
        try:
            self.run_mode(mode, entries)
        except Exception as error:  # noqa: BLE001 -- told at once, since the other lanes may run for an hour
            text = "".join(traceback.format_exception(error))
            self.outcomes.append(Outcome("the lane itself", mode.name, 0.0, (text,)))
            self._console.print(f"{mode.name}: {text}", markup=False)

    def run_mode(self, mode: Mode, entries: Sequence[Entry]) -> None:
        """In one lane those that can share one, each of the others in its own. After a violation in a new one:
        what it left must not be held against the next."""
        shared = [entry for entry in entries if entry.own_lane is None]
        while shared and not self._stopping.is_set():
            with self._lane(mode, LaneWishes()) as lane:
                while shared and not self._stopping.is_set():
                    if self._run(lane, shared.pop(0)).violations:
                        break
        for entry in entries:
            if entry.own_lane is not None and not self._stopping.is_set():
                with self._lane(mode, entry.own_lane) as lane:
                    self._run(lane, entry)

    def _lane(self, mode: Mode, wishes: LaneWishes) -> Lane:
        return Lane(mode, self._directory / f"{mode.name}-{next(self._numbers)}", wishes)

    def _run(self, lane: Lane, entry: Entry) -> Outcome:
        began = time.monotonic()
        try:
            violations = entry.run(lane)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is told, and the next scenario runs
            last = "".join(traceback.format_exception(error)[-2:])
            violations = [f"{type(error).__name__}: {error}\n{last}"]
        outcome = Outcome(entry.name, lane.mode.name, time.monotonic() - began, tuple(violations))
        with self._lock:
            self.outcomes.append(outcome)
            mark = "[red]VIOLATION[/]" if violations else "[green]ok[/]"
            self._console.print(f"{outcome.mode:10} {outcome.seconds:6.1f} s  {mark}  {outcome.scenario}")
            for violation in violations:
                self._console.print(f"    {violation}", markup=False)
            if violations:
                self._console.print(f"    logs: {lane.directory}", markup=False)
        return outcome


def print_table(console: Console, outcomes: Sequence[Outcome]) -> None:
    modes = [mode.name for mode in MODES if any(outcome.mode == mode.name for outcome in outcomes)]
    table = Table(title="Chaos")
    table.add_column("scenario")
    for mode in modes:
        table.add_column(mode, justify="right")
    found = {(outcome.scenario, outcome.mode): outcome for outcome in outcomes}
    for name in dict.fromkeys(entry.name for entry in CATALOGUE):
        cells = [_cell(found.get((name, mode))) for mode in modes]
        if any(cells):
            table.add_row(name, *cells)
    console.print(table)


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    verdict = "[red]VIOLATION[/]" if outcome.violations else "[green]ok[/]"
    return f"{verdict} {outcome.seconds:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description="The engine under duress.")
    parser.add_argument("--mode", nargs="*", choices=[mode.name for mode in MODES])
    parser.add_argument("--only", nargs="*", default=[], help="scenarios whose names contain one of these")
    parser.add_argument("--list", action="store_true", help="names only")
    parser.add_argument("--keep", action="store_true", help="keep the logs even if all is well")
    options = parser.parse_args()
    console = Console(width=120, highlight=False)
    wanted = [e for e in CATALOGUE if not options.only or any(text in e.name for text in options.only)]
    if options.list:
        for entry in wanted:
            console.print(f"{entry.name}  ({', '.join(mode.name for mode in entry.modes)})")
        return 0
    modes = [mode for mode in MODES if not options.mode or mode.name in options.mode]
    directory = Path(tempfile.mkdtemp(prefix="coriolis-chaos-"))
    runner = Runner(directory, console)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: runner.stop())
    began = time.monotonic()
    with ThreadPoolExecutor(len(modes)) as pool:
        lanes = [pool.submit(runner.try_mode, mode, [e for e in wanted if mode in e.modes]) for mode in modes]
        for lane in lanes:
            lane.result()
    print_table(console, runner.outcomes)
    bad = [outcome for outcome in runner.outcomes if outcome.violations]
    minutes = (time.monotonic() - began) / 60
    console.print(f"{len(runner.outcomes)} runs, {len(bad)} with violations, {minutes:.1f} minutes")
    if bad or options.keep:
        console.print(f"logs: {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if bad else 0
