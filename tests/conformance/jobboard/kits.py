"""The boards that the suite runs on, and how a test uses each."""

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import urlsplit

from taskflow.jobs.backends.impl_redis import RedisJobBoard
from taskflow.jobs.base import JobBoard, JobPriority

from coriolis.engine.board.sql import SqlJobBoard
from coriolis.model.enums import ExecutionType, Scenario, TaskType
from coriolis.model.queue import EVERYTHING, Limits, Needs, QueuePlace, Served
from coriolis.model.secret import SecretCodec
from coriolis.store.connection import open_engine
from coriolis.store.database import Database
from coriolis.store.executions import NewJob, NewTask

LEASE_SECONDS = 30.0
NO_LIMITS = Limits()
NO_NEEDS = Needs()


class Kit(ABC):
    """One empty board, seen by as many conductors as a test opens."""

    @abstractmethod
    def open(
        self,
        host: str = "host",
        *,
        limits: Limits = NO_LIMITS,
        served: Served = EVERYTHING,
    ) -> JobBoard:
        """One conductor's view of it, connected."""

    @abstractmethod
    def post(
        self,
        name: str,
        *,
        priority: JobPriority = JobPriority.NORMAL,
        needs: Needs = NO_NEEDS,
    ) -> Any: ...

    @abstractmethod
    def post_and_fail(self) -> None:
        """Posts a job in the transaction of something that does not come about."""

    @abstractmethod
    def write(self, job: Any) -> None:
        """Writes the job's state as who claimed it through `job` does."""

    @abstractmethod
    def wish_to_cancel(self, job: Any) -> None: ...

    @abstractmethod
    def place(self, job: Any, limits: Limits) -> QueuePlace: ...

    @abstractmethod
    def close(self) -> None: ...


class SqlKit(Kit):
    def __init__(self, url: str) -> None:
        """Of a database with its tables, empty. Each view has connections of its own, as another process would."""
        self._url = url
        self.database = _open(url)
        self._opened = [self.database]
        ends = [
            self.database.endpoints.create(
                user_id="u", project_id="p", name=name, type="paper", connection_info={"name": name}
            )
            for name in ("one", "two")
        ]
        self._transfer = self.database.transfers.create(
            user_id="u",
            project_id="p",
            scenario=Scenario.REPLICA,
            instances=["vm"],
            origin_endpoint_id=ends[0].id,
            destination_endpoint_id=ends[1].id,
        )
        self._poster = self.open("poster")

    def open(
        self,
        host: str = "host",
        *,
        limits: Limits = NO_LIMITS,
        served: Served = EVERYTHING,
    ) -> JobBoard:
        database = _open(self._url)
        self._opened.append(database)
        board = SqlJobBoard(
            host,
            database,
            host=host,
            limits=limits,
            lease_seconds=LEASE_SECONDS,
            served=lambda: served,
        )
        board.connect()
        return board

    def post(
        self,
        name: str,
        *,
        priority: JobPriority = JobPriority.NORMAL,
        needs: Needs = NO_NEEDS,
    ) -> Any:
        with self.database.write() as connection:
            execution_id = self._execution(connection)
        details = {"execution_id": execution_id, "job": _job(needs)}
        return self._poster.post(name, details=details, priority=priority)

    def post_and_fail(self) -> None:
        with self.database.write() as connection:
            self.database.executions.add_jobs(connection, self._execution(connection), [_job(Needs())])
            raise TransactionFailedError

    def write(self, job: Any) -> None:
        with self.database.fenced(job.fence):
            pass

    def wish_to_cancel(self, job: Any) -> None:
        self.database.jobs.cancel(job.details["execution_id"], force=False)

    def place(self, job: Any, limits: Limits) -> QueuePlace:
        execution_id = job.details["execution_id"]
        return self.database.queue.places([execution_id], limits)[execution_id]

    def close(self) -> None:
        for database in self._opened:
            database.close()

    def _execution(self, connection: Any) -> str:
        kind = ExecutionType.TRANSFER_EXECUTION
        return self.database.executions.submit(connection, self._transfer.id, kind, [])


class RedisKit(Kit):
    """TaskFlow's own driver, used as its documentation says."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._conf = {
            "host": parts.hostname,
            "port": parts.port,
            "password": parts.password,
            "db": int(parts.path.lstrip("/")),
        }
        self._opened: list[RedisJobBoard] = []

    def open(
        self,
        host: str = "host",
        *,
        limits: Limits = NO_LIMITS,
        served: Served = EVERYTHING,
    ) -> JobBoard:
        board = RedisJobBoard(host, self._conf)
        board.connect()
        self._opened.append(board)
        return board

    def post(
        self,
        name: str,
        *,
        priority: JobPriority = JobPriority.NORMAL,
        needs: Needs = NO_NEEDS,
    ) -> Any:
        return self.open().post(name, details={"name": name}, priority=priority)

    def post_and_fail(self) -> None:
        self.post("vm")
        raise TransactionFailedError

    def write(self, job: Any) -> None:
        """There is nothing that could be checked in the transaction of the write."""

    def wish_to_cancel(self, job: Any) -> None:
        """There is no place to say so."""

    def place(self, job: Any, limits: Limits) -> QueuePlace:
        raise LookupError("the board does not know")

    def close(self) -> None:
        for board in self._opened:
            board.close()


class TransactionFailedError(Exception):
    pass


def _open(url: str) -> Database:
    return Database(open_engine(url), _codec())


def _codec() -> SecretCodec:
    """The jobs of this suite hold no secrets."""
    return SecretCodec(encrypt=str, decrypt=str)


def _job(needs: Needs) -> NewJob:
    return NewJob("vm", "flow", 1, {"steps": []}, (NewTask("one", TaskType.REPLICATE_DISKS, ()),), needs)
