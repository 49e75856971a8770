"""`make bench-engine`: what the engine costs when the steps cost nothing.

python -m bench.engine                  everything, about a quarter of an hour on two cores
python -m bench.engine --quick          100 jobs, SQLite: for tuning, half a minute
python -m bench.engine --profile        and where the CPU time goes
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from tests.services.mariadb import MariaDb
from tests.services.rabbitmq import RabbitMq

from bench import report
from bench.runs import Latency, Place, Throughput, latency, throughput
from bench.writes import Rate, rates

RESULTS = Path(__file__).parent / "results"
_CONDUCTORS = (1, 2, 4)
_HISTORIES = (100, 1_000, 10_000)


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 150)
    began = time.monotonic()
    speeds: list[Throughput] = []
    starts: list[Latency] = []
    taken: list[Rate] = []
    grown: list[list[Throughput]] = []
    with _places(options) as places:
        for place in places:
            counts = (1,) if place.embedded else options.conductors
            for count in counts:
                speeds.append(throughput(place, conductors=count, jobs=options.jobs))
                starts.append(latency(place, conductors=count, jobs=options.starts))
                report.print_throughput(console, "Throughput", speeds[-1:])
                report.print_latency(console, starts[-1:])
            report.print_statements(console, speeds[-len(counts)])
            taken += rates(place)
            if options.histories:
                grown.append(
                    [
                        throughput(place, conductors=1, jobs=min(options.jobs, 100), finished=finished)
                        for finished in options.histories
                    ]
                )
                report.print_throughput(console, "With a history", grown[-1])
            if options.profile:
                jobs = min(options.jobs, 60)
                report.print_areas(console, throughput(place, conductors=1, jobs=jobs, profiled=True))
    report.print_throughput(console, "Throughput", speeds)
    report.print_latency(console, starts)
    report.print_rates(console, taken)
    for runs in grown:
        verdict = "flat" if report.is_flat(runs) else "it grows with the history"
        console.print(f"{runs[0].place}: {verdict}")
    results = {
        "load_average": os.getloadavg(),
        "throughput": [run.data() for run in speeds],
        "latency": [run.data() for run in starts],
        "rates": [asdict(rate) for rate in taken],
        "history": [[run.data() for run in runs] for runs in grown],
    }
    report.write_json(RESULTS / "engine.json", results)
    report.write_picture(RESULTS / "engine.svg", [*speeds, *(run for runs in grown for run in runs)])
    console.print(f"{RESULTS}/engine.json and engine.svg; {time.monotonic() - began:.0f} s")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-engine", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--jobs", type=int, default=1000, help="queued jobs (1000)")
    parser.add_argument("--starts", type=int, default=60, help="submissions timed one by one (60)")
    parser.add_argument("--database", choices=("sqlite", "mariadb", "all"), default="all")
    parser.add_argument("--conductors", type=int, nargs="*", default=_CONDUCTORS)
    parser.add_argument("--histories", type=int, nargs="*", default=_HISTORIES)
    parser.add_argument("--profile", action="store_true", help="and where the CPU time goes")
    parser.add_argument("--quick", action="store_true", help="100 jobs on SQLite without histories")
    options = parser.parse_args()
    if options.quick:
        options.jobs, options.starts, options.histories = min(options.jobs, 100), 20, ()
        options.database = "sqlite" if options.database == "all" else options.database
    return options


@contextmanager
def _places(options: argparse.Namespace) -> Iterator[list[Place]]:
    """MariaDB writes each commit to the disk, as SQLite does and as in production."""
    with ExitStack() as stack:
        places = [Place("sqlite")] if options.database in ("sqlite", "all") else []
        if options.database in ("mariadb", "all"):
            mariadb = stack.enter_context(MariaDb(durable=True))
            rabbitmq = stack.enter_context(RabbitMq())
            places.append(Place("mariadb", mariadb.new_database, rabbitmq.url))
        yield places


if __name__ == "__main__":
    sys.exit(main())
