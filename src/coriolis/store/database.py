"""The database: connections, transactions, its clock, and the repositories by noun."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.errors import DatabaseUnavailable, LeaseLost
from coriolis.model.secret import SecretCodec
from coriolis.store.connection import database_url, ended, open_engine, writing
from coriolis.store.deployments import DeploymentRepository
from coriolis.store.endpoints import EndpointRepository
from coriolis.store.executions import STATUS_CHANGES, ExecutionRepository, StatusChange
from coriolis.store.faults import commit, repeated
from coriolis.store.idempotency import IdempotencyRepository
from coriolis.store.jobs import JobRepository
from coriolis.store.key_check import open_checked_keyring
from coriolis.store.live_migrations import LiveMigrationRepository
from coriolis.store.migrate import require_current, upgrade
from coriolis.store.queue import QueueRepository
from coriolis.store.regions import RegionRepository
from coriolis.store.replicas import ReplicaRepository
from coriolis.store.resources import ResourceRepository
from coriolis.store.services import ServiceRepository
from coriolis.store.steps import StepRepository
from coriolis.store.tables import JOB
from coriolis.store.tasks import TaskRepository
from coriolis.store.transfers import TransferRepository

T = TypeVar("T")


# Built once: every write of a job runs it.
_HELD = sa.select(JOB.c.token).where(JOB.c.id == sa.bindparam("held_job")).with_for_update()


@dataclass(frozen=True, slots=True)
class Fence:
    """Which claim a writer holds. Every write of a job's state checks it in its own transaction."""

    job_id: str
    token: int

    def check(self, connection: sa.Connection) -> None:
        """Raises LeaseLost when somebody claimed the job since. Locks the row where the database has row
        locks."""
        held = connection.scalar(_HELD, {"held_job": self.job_id})
        if held != self.token:
            raise LeaseLost(f"job {self.job_id}: token {self.token} is stale, {held} holds now")


class Database:
    def __init__(self, engine: sa.Engine, codec: SecretCodec) -> None:
        """`engine` from `open_engine`; tables must be there (see `open_database`)."""
        self.engine = engine
        self._writing_engine = writing(engine)
        # SQLite lets one writer in and makes the others poll, up to 100 ms apart: threads of ours queue here instead.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        self.codec = codec
        self.listeners: list[Callable[[StatusChange], None]] = []  # told after a commit; must not block

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            with connection.begin():
                yield connection
            ended(connection)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction. Whoever opens it is `@repeated`, or uses `transact`: the database may undo it for the
        sake of another. Raises CommitOutcomeUnknown where the connection is lost in the last moment."""
        changes: list[StatusChange] = []
        with self._turn, self._writing_engine.connect() as connection, connection.begin() as transaction:
            connection.info[STATUS_CHANGES] = changes
            yield connection
            commit(transaction)
            ended(connection)
        for change in changes:
            for listener in self.listeners:
                listener(change)

    @repeated
    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """`work` in one write transaction, again where the database undid it; so it may change nothing else."""
        with self.write() as connection:
            return work(connection)

    @contextmanager
    def fenced(self, fence: Fence) -> Iterator[sa.Connection]:
        """A write in the name of a job; raises LeaseLost before anything is written when the claim is no
        longer ours."""
        with self.write() as connection:
            fence.check(connection)
            yield connection

    @cached_property
    def endpoints(self) -> EndpointRepository:
        return EndpointRepository(self)

    @cached_property
    def transfers(self) -> TransferRepository:
        return TransferRepository(self)

    @cached_property
    def executions(self) -> ExecutionRepository:
        return ExecutionRepository(self)

    @cached_property
    def deployments(self) -> DeploymentRepository:
        return DeploymentRepository(self)

    @cached_property
    def live_migrations(self) -> LiveMigrationRepository:
        return LiveMigrationRepository(self)

    @cached_property
    def jobs(self) -> JobRepository:
        return JobRepository(self)

    @cached_property
    def queue(self) -> QueueRepository:
        return QueueRepository(self)

    @cached_property
    def tasks(self) -> TaskRepository:
        return TaskRepository(self)

    @cached_property
    def steps(self) -> StepRepository:
        return StepRepository(self)

    @cached_property
    def resources(self) -> ResourceRepository:
        return ResourceRepository(self)

    @cached_property
    def replicas(self) -> ReplicaRepository:
        return ReplicaRepository(self)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        return IdempotencyRepository(self)

    @cached_property
    def regions(self) -> RegionRepository:
        return RegionRepository(self)

    @cached_property
    def services(self) -> ServiceRepository:
        return ServiceRepository(self)


def open_database(settings: Settings) -> Database:
    """Makes the state directory and the key where they are missing. Embedded, it also makes and upgrades the
    tables; those of many processes only `coriolis-manage db upgrade` touches.

    Raises DatabaseBehind, DatabaseTooNew, DatabaseUnavailable, SecretsUnreadable, InvalidInput.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = open_engine(database_url(settings), settings.database)
    try:
        if settings.embedded:
            upgrade(engine)
        else:
            require_current(engine)
        return Database(engine, open_checked_keyring(engine, settings.key_file).codec)
    except sa.exc.OperationalError as error:
        raise DatabaseUnavailable(reason=error.orig) from error
