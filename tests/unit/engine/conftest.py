"""A database, a paper cloud, and flows of a few steps queued on them."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coriolis.config import Settings, load_settings
from coriolis.engine.conductor import Conductor
from coriolis.engine.plan import FlowStep, new_job
from coriolis.engine.registry import StepRegistry
from coriolis.model.enums import ExecutionStatus, ExecutionType, Scenario, TaskStatus
from coriolis.model.records import Execution, Job, LedgerEntry
from coriolis.store.database import Database, open_database
from tests.services.tables import empty_tables
from tests.unit.engine.paper_cloud import STEPS, Make, PaperCloud, Remove

ROOT = Path(__file__).parents[3]


@dataclass
class World:
    settings: Settings
    settings_file: Path
    database: Database
    cloud: PaperCloud
    endpoint_id: str
    transfer_id: str
    _running: list[Conductor] = field(default_factory=list)
    _processes: list["subprocess.Popen[str]"] = field(default_factory=list)

    def make(self, what: str, *after: str) -> FlowStep:
        return FlowStep(f"make-{what}", Make(self.cloud.directory, self.endpoint_id, what), after)

    def remove(self, what: str, *after: str) -> FlowStep:
        return FlowStep(f"remove-{what}", Remove(self.cloud.directory, self.endpoint_id, what), after)

    def submit(self, *steps: FlowStep, instances: Sequence[str] = ("vm",)) -> str:
        return self.submit_each(dict.fromkeys(instances, steps))

    def submit_each(self, flows: Mapping[str, Sequence[FlowStep]]) -> str:
        """One execution of several instances, each with its own steps."""
        jobs = [new_job(name, "test", 1, steps, self.database.codec) for name, steps in flows.items()]
        with self.database.write() as connection:
            kind = ExecutionType.TRANSFER_EXECUTION
            return self.database.executions.submit(connection, self.transfer_id, kind, jobs)

    def conductor(self) -> Conductor:
        conductor = Conductor(self.database, self.settings, StepRegistry(STEPS))
        conductor.start()
        self._running.append(conductor)
        return conductor

    def process(self, mode: str = "embedded") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.engine.conductor_process", str(self.settings_file), mode],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def pause(self, process: "subprocess.Popen[str]") -> None:
        """SIGSTOP, but not in the middle of a transaction: on SQLite it would hold the lock of the whole
        file."""
        self.until(lambda: self._paused_outside_a_transaction(process))

    def _paused_outside_a_transaction(self, process: "subprocess.Popen[str]") -> bool:
        process.send_signal(signal.SIGSTOP)
        if self.database.engine.dialect.name != "sqlite":
            return True
        try:
            with closing(sqlite3.connect(self.settings.state_dir / "coriolis.sqlite", timeout=0.2)) as probe:
                probe.execute("begin immediate")
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
            return False
        return True

    def cancel(self, execution_id: str, *, force: bool = False) -> None:
        self.database.jobs.cancel(execution_id, force=force)

    def execution(self, execution_id: str) -> Execution:
        return self.database.executions.get(execution_id)

    def job(self, execution_id: str) -> Job:
        return self.database.jobs.list(execution_id)[0]

    def ended(self, execution_id: str, timeout: float = 90) -> Execution:
        self.until(lambda: self.execution(execution_id).status.finished, timeout)
        return self.execution(execution_id)

    def statuses(self, execution_id: str) -> dict[str, TaskStatus]:
        """By step's name."""
        names = [step["name"] for step in self.job(execution_id).plan["steps"]]
        return dict(zip(names, (t.status for t in self.execution(execution_id).tasks), strict=True))

    def ledger(self) -> list[LedgerEntry]:
        return self.database.resources.list()

    def until(self, condition: Callable[[], bool], timeout: float = 90) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.05)

    def began(self, verb: str) -> None:
        self.until(lambda: verb in self.cloud.log())

    def close(self) -> None:
        for conductor in self._running:
            conductor.stop()
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        self.database.close()


@pytest.fixture
def database_url() -> str:
    """Empty: SQLite in the state directory. Modules whose tests run on MariaDB too override it."""
    return ""


def either_database(request: pytest.FixtureRequest) -> str:
    """The URL for `request.param`, "sqlite" or "mariadb"."""
    if request.param == "sqlite":
        return ""
    url = str(request.getfixturevalue("mariadb_with_tables"))
    empty_tables(url)
    return url


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    settings_file = tmp_path / "coriolis.conf"
    settings_file.write_text(
        f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n"
        f"[database]\nconnection = {database_url}\n"
        "[engine]\nlease_seconds = 2\nheartbeat_seconds = 0.2\nretry_seconds = 0.01\n"
    )
    settings = load_settings(settings_file)
    database = open_database(settings)
    ends = [
        database.endpoints.create(
            user_id="u", project_id="p", name=name, type="paper", connection_info={"name": name}
        )
        for name in ("source", "destination")
    ]
    transfer = database.transfers.create(
        user_id="u",
        project_id="p",
        scenario=Scenario.REPLICA,
        instances=["vm"],
        origin_endpoint_id=ends[0].id,
        destination_endpoint_id=ends[1].id,
    )
    cloud = PaperCloud(tmp_path / "cloud")
    world = World(settings, settings_file, database, cloud, ends[0].id, transfer.id)
    yield world
    world.close()


def completed(execution: Execution) -> bool:
    return execution.status is ExecutionStatus.COMPLETED
