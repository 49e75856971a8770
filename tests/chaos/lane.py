"""Where scenarios run one after another: two file clouds, a database, a broker, and conductors to be mistreated."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from coriolis.config import Settings, load_settings
from coriolis.engine.frontdoor import FrontDoor
from coriolis.engine.service import API, Engine
from coriolis.model.enums import Scenario
from coriolis.model.records import Job, ReplicaRecord
from coriolis.store.connection import database_url, open_engine
from coriolis.store.database import Database, open_database
from coriolis.store.migrate import upgrade
from tests.chaos import releases
from tests.chaos.file_cloud import FileCloud
from tests.chaos.file_provider import PLATFORM, all_providers, find_provider
from tests.chaos.nursery import Nursery
from tests.services.mariadb import MariaDb
from tests.services.rabbitmq import RabbitMq
from tests.unit.sshd import PrivateSshd

ROOT = Path(__file__).parents[2]
OWNER = {"user_id": "chaos", "project_id": "chaos"}
LEASE_SECONDS = 4.0
PATIENCE_SECONDS = 120.0  # of a machine that has other things to do
_ENGINE = f"""
[engine]
lease_seconds = {LEASE_SECONDS}
heartbeat_seconds = 0.5
watch_seconds = 0.3
retry_seconds = 0.1
"""


@dataclass(frozen=True, slots=True)
class Mode:
    """`embedded`: SQLite and one process. Else MariaDB, RabbitMQ and as many conductors."""

    name: str
    conductors: int
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class LaneWishes:
    """Of a scenario that others must not share a lane with. `settings`: lines of [engine]. The state directories,
    or the volumes of the destination, are on a disk of so many mebibytes; 0: on that of everybody."""

    settings: str = ""
    state_mebibytes: int = 0
    volumes_mebibytes: int = 0


SQLITE = Mode("sqlite-1", 1, embedded=True)
MARIADB_2 = Mode("mariadb-2", 2)
MARIADB_3 = Mode("mariadb-3", 3)
MODES = (SQLITE, MARIADB_2, MARIADB_3)


@dataclass(frozen=True, slots=True)
class Subject:
    """A transfer of one instance, whose disks are `disks`."""

    transfer_id: str
    instance: str
    disks: dict[str, Path]


@dataclass(frozen=True, slots=True)
class Run:
    """An execution of a transfer, or of a deployment of it."""

    subject: Subject
    execution_id: str
    deployment_id: str | None = None


class Conductor:
    """A process that comes from the nursery, or with an `environment` by itself."""

    def __init__(self, nursery: Nursery, settings_file: Path, log: Path) -> None:
        self.settings_file = settings_file
        self.log = log
        self.environment: dict[str, str] = {}
        self.release = releases.THIS
        self._nursery = nursery
        self._ready = log.with_suffix(".ready")
        self._pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    @property
    def alive(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._pid is not None and Path(f"/proc/{self._pid}").exists()

    def start(self) -> None:
        self._ready.unlink(missing_ok=True)
        arguments = [str(self.settings_file), self.release, str(self.log), str(self._ready)]
        if not self.environment:
            self._pid = self._nursery.conductor(arguments)
            return
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.chaos.conductor", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
        )
        self._pid = self._process.pid

    def ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._ready.exists():
            if not self.alive or time.monotonic() > deadline:
                raise AssertionError(f"a conductor did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGKILL, timeout: float = 60) -> None:
        """Returns when it is gone."""
        self.send(number)
        self.send(signal.SIGCONT)
        deadline = time.monotonic() + timeout
        while self.alive:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
            time.sleep(0.02)
        self._pid = self._process = None


class Lane:
    """A context manager. `directory` must be empty; it has the logs afterwards."""

    def __init__(self, mode: Mode, directory: Path, wishes: LaneWishes = LaneWishes()) -> None:
        self.mode = mode
        self.directory = directory
        self._wishes = wishes
        self._stack = ExitStack()
        self._subjects = 0
        self.conductors: list[Conductor] = []
        self.mariadb: MariaDb | None = None
        self.rabbitmq: RabbitMq | None = None

    def __enter__(self) -> "Lane":
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        self.source = self._cloud("source")
        (self.source.directory / "vm").mkdir()
        self.destination = self._cloud("destination")
        self._small_disk(self.destination.directory / "volumes", self._wishes.volumes_mebibytes)
        sshd = PrivateSshd(self.directory / "sshd")
        self._stack.callback(sshd.stop)
        login = sshd.login(host_key=sshd.host_key)
        assert login.private_key is not None
        described = {
            "address": login.address,
            "username": login.username,
            "port": login.port,
            "private_key": login.private_key.reveal(),
            "host_key": login.host_key,
        }
        for cloud in (self.source, self.destination):
            (cloud.directory / "login.json").write_text(json.dumps(described))
        if not self.mode.embedded:
            self.mariadb = self._stack.enter_context(MariaDb())
            self.rabbitmq = self._stack.enter_context(RabbitMq())
        self._url = self.mariadb.new_database() if self.mariadb else ""
        self.settings_file = self._settings_file("state")
        self.settings: Settings = load_settings(self.settings_file)
        if not self.mode.embedded:
            upgrade(open_engine(database_url(self.settings)))  # as `coriolis-manage db upgrade` does
        self.database, self.frontdoor = self._front()
        ends = [
            self.database.endpoints.create(
                **OWNER,
                name=cloud.directory.name,
                type=PLATFORM,
                connection_info={"directory": str(cloud.directory)},
            )
            for cloud in (self.source, self.destination)
        ]
        self.endpoint_ids = [end.id for end in ends]
        nursery = Nursery()
        self._stack.callback(nursery.close)
        self._stack.callback(self._end_conductors)
        for number in range(self.mode.conductors):
            name = "state" if self.mode.embedded else f"state-{number + 1}"
            log = self.directory / f"conductor-{number + 1}.log"
            self.conductors.append(Conductor(nursery, self._settings_file(name), log))
        self.ensure_conductors()

    def _cloud(self, name: str) -> FileCloud:
        return FileCloud(self.directory / name).create()

    def _front(self) -> tuple[Database, FrontDoor]:
        """As coriolis-api has it. Embedded, the conductor's process has the lock on the state directory, and what
        this one queues is found at the next look."""
        if self.mode.embedded:
            database = open_database(self.settings)
            self._stack.callback(database.close)
            return database, FrontDoor(
                database,
                self.settings,
                lambda: None,
                find_provider=find_provider,
                all_providers=all_providers,
            )
        engine = self._stack.enter_context(
            Engine(self.settings, role=API, find_provider=find_provider, all_providers=all_providers)
        )
        return engine.database, engine.frontdoor

    def _settings_file(self, name: str) -> Path:
        """A state directory of its own for each process but the same key, as on hosts of their own."""
        state = self.directory / name
        state.mkdir(exist_ok=True, mode=0o700)
        if not state.is_mount():
            self._small_disk(state, self._wishes.state_mebibytes)
        key = self.directory / "state" / "secrets.key"
        if key.exists() and name != "state":
            shutil.copy(key, state / key.name)
        text = f"[DEFAULT]\nstate_dir = {state}\n{_ENGINE}{self._wishes.settings}"
        if self._url:
            text += f"[database]\nconnection = {self._url}\n"
        if self.rabbitmq:
            text += f"[messaging]\ntransport_url = {self.rabbitmq.url}\n"
        path = self.directory / f"{name}.conf"
        path.write_text(text)
        return path

    def _small_disk(self, place: Path, mebibytes: int) -> None:
        if mebibytes:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], check=True
            )
            self._stack.callback(subprocess.run, ["umount", "-l", str(place)], check=True)

    def resize(self, place: Path, mebibytes: int) -> None:
        """Of a small disk."""
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(place)], check=True)

    # Conductors

    def ensure_conductors(self) -> None:
        """Those that are not there are started, as an init system does."""
        missing = [conductor for conductor in self.conductors if not conductor.alive]
        for conductor in missing:
            conductor.end()
            conductor.start()
        for conductor in missing:
            conductor.ready()

    def conductor(self, pid: int) -> Conductor:
        return next(one for one in self.conductors if one.alive and one.pid == pid)

    def holder(self, run: Run) -> Conductor | None:
        """Of the run's job."""
        owner = self.job(run).owner
        if owner is None:
            return None
        pids = [int(part) for part in owner.split(":") if part.isdigit()]
        return next((one for one in self.conductors if one.alive and one.pid in pids), None)

    def restart_conductors(self, release: str = releases.THIS) -> None:
        for conductor in self.conductors:
            conductor.end()
            conductor.release = release
        self.ensure_conductors()

    def _end_conductors(self) -> None:
        for conductor in self.conductors:
            conductor.end()

    # What users do

    def subject(
        self, *, mebibytes: int = 1, disks: int = 2, scenario: Scenario = Scenario.REPLICA
    ) -> Subject:
        self._subjects += 1
        name = f"vm-{self._subjects}"
        place = self.source.directory / "vm" / name
        place.mkdir()
        paths = {f"disk-{n}": place / f"disk-{n}" for n in range(disks)}
        for path in paths.values():
            path.write_bytes(os.urandom(mebibytes << 20))
        transfer = self.database.transfers.create(
            **OWNER,
            scenario=scenario,
            instances=[name],
            origin_endpoint_id=self.endpoint_ids[0],
            destination_endpoint_id=self.endpoint_ids[1],
            network_map={"net": "net-1"},
        )
        return Subject(transfer.id, name, paths)

    def execute(self, subject: Subject, *, shutdown: bool = False) -> Run:
        execution = self.frontdoor.execute_transfer(subject.transfer_id, shutdown_instances=shutdown)
        return Run(subject, execution.id)

    def deploy(self, subject: Subject) -> Run:
        deployment = self.frontdoor.deploy(subject.transfer_id, **OWNER)
        return Run(subject, deployment.execution.id, deployment.id)

    # What there is to see

    def job(self, run: Run) -> Job:
        (job,) = self.database.jobs.list(run.execution_id)
        return job

    def replicas(self, subject: Subject) -> list[ReplicaRecord]:
        return self.database.replicas.list(subject.transfer_id)

    def ended(self, run: Run, seconds: float = PATIENCE_SECONDS) -> Job:
        self.until(lambda: self.job(run).state.finished, "the job ended", seconds)
        return self.job(run)

    def until(
        self, condition: Callable[[], object], what: str = "", seconds: float = PATIENCE_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came to this: {what or condition}")
            time.sleep(0.05)

    def wait_at(
        self, cloud: FileCloud, verb: str, moment: str, seconds: float = PATIENCE_SECONDS
    ) -> Conductor:
        """The conductor that hangs at the gate, which it writes down again and again: the file may be empty."""
        found: list[int] = []

        def look() -> bool:
            pid = cloud.waiting_at(verb, moment)
            found.extend([] if pid is None else [pid])
            return bool(found)

        self.until(look, f"{verb} {moment}", seconds)
        return self.conductor(found[0])


@contextmanager
def paused(conductor: Conductor) -> Iterator[None]:
    """SIGSTOP, and SIGCONT behind. The process that is stopped keeps its connections and holds what it held."""
    conductor.send(signal.SIGSTOP)
    try:
        yield
    finally:
        conductor.send(signal.SIGCONT)
