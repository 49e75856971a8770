"""One measurement: a fresh database, jobs in it, conductors let loose on it."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import history, noop
from coriolis.config import load_settings
from coriolis.store.connection import database_url, open_engine
from coriolis.store.database import Database, open_database
from coriolis.store.migrate import upgrade

ROOT = Path(__file__).parents[1]
_PAUSE = (0.15, 0.45)  # seconds between submissions when a start is timed: longer than a job takes
_LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its rows. `new_url` makes an empty database; without it: SQLite in a directory of the
    run's own, embedded."""

    name: str
    new_url: Callable[[], str] | None = None
    transport_url: str = ""
    parallel_jobs: int = 4

    @property
    def embedded(self) -> bool:
        return self.new_url is None


@dataclass(frozen=True, slots=True)
class Throughput:
    place: str
    conductors: int
    history: int
    jobs: int
    seconds: float
    cpu_seconds: float
    statements: dict[str, int] = field(repr=False)
    areas: dict[str, float] = field(default_factory=dict, repr=False)
    hottest: list[tuple[str, int, float]] = field(default_factory=list, repr=False)
    load: float = 0.0

    @property
    def per_second(self) -> float:
        return self.jobs / self.seconds

    @property
    def per_step(self) -> float:
        """Statements, without those that begin and end transactions."""
        ends = ("BEGIN", "COMMIT", "ROLLBACK")
        sent = sum(count for what, count in self.statements.items() if what not in ends)
        return sent / self.jobs / noop.STEPS_PER_JOB

    @property
    def commits_per_step(self) -> float:
        return self.statements.get("COMMIT", 0) / self.jobs / noop.STEPS_PER_JOB

    def data(self) -> dict[str, Any]:
        figures = {"per_second": self.per_second, "statements_per_step": self.per_step}
        return {**asdict(self), **figures}


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the commit of a submission to its first step, on an installation that is otherwise idle."""

    place: str
    conductors: int
    seconds: tuple[float, ...]
    load: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median, "p95": self.p95}


class Conductors:
    """Processes of `bench.conductor`, made ready and then let loose together."""

    def __init__(self, settings_file: Path, count: int, *, profiled: bool) -> None:
        environment = {**os.environ, "BENCH_PROFILE": "1" if profiled else "0"}
        command = [sys.executable, "-m", "bench.conductor", str(settings_file)]
        self._processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        for process in self._processes:
            if self._hear(process) != "ready":
                raise RuntimeError("a conductor did not start")

    def tell(self, line: str, *, only_first: bool = False) -> None:
        for process in self._processes[: 1 if only_first else None]:
            if process.stdin is not None:
                process.stdin.write(line + "\n")
                process.stdin.flush()

    def answer(self) -> Any:
        """Of the first one."""
        return json.loads(self._hear(self._processes[0]))

    def alive(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def stop(self) -> list[dict[str, Any]]:
        """What each of them counted."""
        reports = []
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            reports.append(json.loads(self._hear(process)))
            process.wait()
        return reports

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    @staticmethod
    def _hear(process: "subprocess.Popen[str]") -> str:
        return process.stdout.readline().strip() if process.stdout is not None else ""


@contextmanager
def scene(place: Place) -> Iterator[tuple[Database, Path]]:
    """An empty database, and the settings of those who shall work on it."""
    directory = Path(tempfile.mkdtemp(prefix="coriolis-bench-"))
    settings_file = directory / "coriolis.conf"
    lines = [f"[DEFAULT]\nstate_dir = {directory / 'state'}"]
    lines.append(f"[engine]\nmax_parallel_jobs = {place.parallel_jobs}")
    if place.new_url is not None:
        lines.append(f"[database]\nconnection = {place.new_url()}")
    if place.transport_url:
        lines.append(f"[messaging]\ntransport_url = {place.transport_url}")
    settings_file.write_text("\n".join(lines) + "\n")
    settings = load_settings(settings_file)
    if not place.embedded:
        upgrade(open_engine(database_url(settings)))  # servers of many processes do not by themselves
    database = open_database(settings)
    try:
        yield database, settings_file
    finally:
        database.close()
        shutil.rmtree(directory)


def throughput(
    place: Place, *, conductors: int, jobs: int, finished: int = 0, profiled: bool = False
) -> Throughput:
    """How long `conductors` take for `jobs` queued jobs, with `finished` more in the tables already."""
    with scene(place) as (database, settings_file):
        _add_history(database, settings_file, finished)
        for transfer_id in noop.make_transfers(database, jobs):
            noop.submit(database, transfer_id)
        running = Conductors(settings_file, conductors, profiled=profiled)
        try:
            running.tell("go")
            began = time.monotonic()
            _wait_for_all(database, running)
            seconds = time.monotonic() - began
            load = os.getloadavg()[0]
            reports = running.stop()
        finally:
            running.kill()
        completed = noop.count_completed(database)
    if completed != jobs + finished:
        raise RuntimeError(f"{completed} jobs completed, not {jobs + finished}")
    statements: Counter[str] = Counter()
    for report in reports:
        statements.update(report["statements"])
    first = reports[0]
    return Throughput(
        place=place.name,
        conductors=conductors,
        history=finished,
        jobs=jobs,
        seconds=seconds,
        cpu_seconds=sum(report["cpu"] for report in reports),
        statements=dict(statements.most_common()),
        areas=first.get("areas", {}),
        hottest=first.get("hottest", []),
        load=load,
    )


def latency(place: Place, *, conductors: int, jobs: int) -> Latency:
    with scene(place) as (database, settings_file):
        transfers = noop.make_transfers(database, jobs)
        running = Conductors(settings_file, conductors, profiled=False)
        try:
            running.tell("go")
            time.sleep(3)  # for heartbeats and connections to be there
            queued: dict[str, float] = {}
            for transfer_id in transfers:
                pause = random.uniform(*_PAUSE)  # noqa: S311 - no secret
                running.tell(f"submit {transfer_id} 1 {pause}", only_first=True)
                queued |= running.answer()
            _wait_for_all(database, running)
            load = os.getloadavg()[0]
        finally:
            running.kill()
        ran = {execution_id: noop.first_step_ran(database, execution_id) for execution_id in queued}
    waited = tuple(moment - queued[one] for one, moment in ran.items() if moment is not None)
    return Latency(place.name, conductors, waited, load)


def _add_history(database: Database, settings_file: Path, finished: int) -> None:
    if not finished:
        return
    execution_id, _ = noop.submit(database, *noop.make_transfers(database, 1))
    running = Conductors(settings_file, 1, profiled=False)
    try:
        running.tell("go")
        _wait_for_all(database, running)
        running.stop()
    finally:
        running.kill()
    history.multiply(database, execution_id, finished - 1)


def _wait_for_all(database: Database, running: Conductors) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while noop.count_unfinished(database):
        if not running.alive() or time.monotonic() > deadline:
            raise RuntimeError("the conductors do not get on with the jobs")
        time.sleep(0.1)
