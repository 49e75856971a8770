"""TaskFlow's jobboard on our own database.

What it gives beyond the stock drivers: every claim raises a fencing token that all writes in the job's name
check; jobs are offered by region and capability, priority and position, and within limits that hold exactly
however many conductors claim at once. `docs/reference/jobboards.md` compares; tests/conformance/jobboard holds
each board to what it says there.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from taskflow import exceptions
from taskflow.jobs import base
from taskflow.types.entity import Entity

from coriolis.engine.board.job import SqlJob, priority_number
from coriolis.errors import LeaseLost, NotFound
from coriolis.model.queue import Claimant, Limits, Posting, Served, everything
from coriolis.model.records import JobState
from coriolis.store.database import Database, Fence
from coriolis.store.executions import NewJob
from coriolis.store.queue import ON_THE_BOARD

_PAGE = 16  # postings read at once: enough for what a conductor claims in one look
_LEFT_AT_ONCE = 64  # begun jobs without an owner: a dead host's, or a whole site's, look by look
_WAIT_SECONDS = 0.25


class SqlJobBoard(base.JobBoard):  # type: ignore[misc]  # TaskFlow is untyped
    """One conductor's view of the board. Thread-safe.

    `served` is asked at each look. Raises TaskFlow's NotFound and JobFailure, of which UnclaimableJob is one.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        *,
        host: str,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        lease_seconds: float = 30.0,
        served: Callable[[], Served] = everything,
    ) -> None:
        super().__init__(name, {})
        self._database = database
        self._host = host
        self._limits = limits
        self._lease_seconds = lease_seconds
        self._served = served
        self._closed = threading.Event()
        self._closed.set()

    # The board itself

    @property
    def connected(self) -> bool:
        return not self._closed.is_set()

    def connect(self) -> None:
        with _translated():
            self._database.queue.count()
        self._closed.clear()

    def close(self) -> None:
        """The database stays open: it is not the board's."""
        self._closed.set()

    def register_entity(self, entity: Entity) -> None:
        """Nothing to keep here: who serves what is in the table of services, by heartbeat, and who holds which
        job is in its row."""

    # Looking

    @property
    def job_count(self) -> int:
        with self._in_use():
            return self._database.queue.count()

    def iterjobs(
        self, only_unclaimed: bool = False, ensure_fresh: bool = False, *, only_undoing: bool = False
    ) -> "Postings":
        """Every job by priority and position. `only_unclaimed`: those that this conductor may claim now, read
        page by page as they are asked for: first those to be undone, then begun ones that lost their owner,
        then the queue as far as the limits allow; `only_undoing` only the first of these. `ensure_fresh`
        changes nothing: nothing is cached."""
        jobs = self._claimable(only_undoing=only_undoing) if only_unclaimed else self._all()
        return Postings(self, jobs, only_unclaimed=only_unclaimed, ensure_fresh=ensure_fresh)

    def wait(self, timeout: float | None = None) -> Iterator[SqlJob]:
        """Raises NotFound when nothing could be claimed for so long."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            first = next(self.iterjobs(only_unclaimed=True), None)
            if first is not None:
                return self.iterjobs(only_unclaimed=True)
            left = _WAIT_SECONDS if deadline is None else min(_WAIT_SECONDS, deadline - time.monotonic())
            if left <= 0:
                raise exceptions.NotFound(f"no job in {timeout} seconds")
            if self._closed.wait(left):
                raise exceptions.JobFailure(f"the board {self.name!r} was closed")

    def find_owner(self, job: SqlJob) -> str | None:
        return self.holder(job)[1]

    def holder(self, job: SqlJob) -> tuple[JobState, str | None, float]:
        """The job's state, who holds it, and for how many seconds more."""
        with self._in_use():
            return self._database.queue.holder(job.uuid)

    # Posting

    def post(
        self,
        name: str,
        book: Any = None,
        details: Mapping[str, Any] | None = None,
        priority: base.JobPriority | str = base.JobPriority.NORMAL,
    ) -> SqlJob:
        """Queues one more job of an execution. `name` is the instance; `details` has its `execution_id` and, as
        `job`, a `NewJob`. Coriolis itself queues all jobs of an execution in the transaction that makes it, see
        `store.executions`. Raises ValueError: a job here carries its compiled plan, not a logbook."""
        if book is not None or not details or not isinstance(details.get("job"), NewJob):
            raise ValueError("a job of this board is a plan: details are execution_id and job, and no book")
        job: NewJob = details["job"]
        needs = replace(job.needs, priority=priority_number(priority))
        with self._in_use(), self._database.write() as connection:
            new = replace(job, instance=name, needs=needs)
            (job_id,) = self._database.executions.add_jobs(connection, details["execution_id"], [new])
            posting = self._database.queue.posting(connection, job_id)
        return SqlJob(self, posting)

    # Claims

    @base.check_who  # type: ignore[untyped-decorator]
    def claim(self, job: SqlJob, who: str, expiry: float | None = None) -> None:
        """`expiry`: seconds, instead of the board's lease. The job then has its `record` and its `fence`."""
        with self._in_use():
            lease = self._lease_seconds if expiry is None else expiry
            record = self._database.queue.claim(job.uuid, self._claimant(who), lease)
            if record is None:
                state, owner, _ = self._database.queue.holder(job.uuid)
        if record is None:
            if state not in ON_THE_BOARD:
                raise exceptions.NotFound(f"job {job.uuid} is no longer on the board")
            held = f"is held by {owner}" if owner else "is over a limit"
            raise exceptions.UnclaimableJob(f"job {job.uuid} {held}")
        job.claimed(record)

    def extend(self, job: SqlJob, seconds: float) -> bool:
        """See SqlJob.extend_expiry."""
        with self._in_use():
            return job.uuid in self._database.queue.renew({job.uuid: job.fence.token}, seconds)

    @base.check_who  # type: ignore[untyped-decorator]
    def abandon(self, job: SqlJob, who: str) -> None:
        fence = self._held(job, who)
        with self._in_use():
            if not self._database.queue.release(fence):
                raise exceptions.JobFailure(f"job {job.uuid} is no longer held by {who}")

    @base.check_who  # type: ignore[untyped-decorator]
    def consume(self, job: SqlJob, who: str) -> None:
        """Ends the job as its compensation was decided to end, or completed. A job that is run by the engine
        ends in the engine's own last transaction."""
        fence = self._held(job, who)
        with self._in_use():
            self._database.jobs.finish(fence)

    @base.check_who  # type: ignore[untyped-decorator]
    def trash(self, job: SqlJob, who: str) -> None:
        """The job waits for an operator, with all that is known of it."""
        fence = self._held(job, who)
        with self._in_use():
            self._database.jobs.needs_operator(fence, f"{who} could not run it and took it off the board.")

    def _held(self, job: SqlJob, who: str) -> Fence:
        state, owner, _ = self.holder(job)
        if state not in ON_THE_BOARD or owner is None:
            raise exceptions.NotFound(f"nobody holds job {job.uuid}")
        if owner != who:
            raise exceptions.JobFailure(f"job {job.uuid} is held by {owner}, not by {who}")
        fence: Fence = job.fence
        return fence

    def _claimant(self, who: str) -> Claimant:
        return Claimant(who, self._host, self._limits, self._served())

    def _claimable(self, *, only_undoing: bool) -> Iterator[SqlJob]:
        claimant = self._claimant("")
        only_undoing = only_undoing or not claimant.served.accepting
        with self._in_use():
            left = self._database.queue.left(claimant.served, _LEFT_AT_ONCE)
        yield from (SqlJob(self, posting) for posting in left if posting.undoing or not only_undoing)
        if not only_undoing:
            yield from self._paged(lambda after: self._database.queue.waiting(claimant, _PAGE, after))

    def _all(self) -> Iterator[SqlJob]:
        return self._paged(lambda after: self._database.queue.postings(_PAGE, after))

    def _paged(self, read: Callable[[Posting | None], list[Posting]]) -> Iterator[SqlJob]:
        after: Posting | None = None
        while True:
            with self._in_use():
                page = read(after)
            yield from (SqlJob(self, posting) for posting in page)
            if len(page) < _PAGE:
                return
            after = page[-1]

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        if self._closed.is_set():
            raise exceptions.JobFailure(f"the board {self.name!r} is not connected")
        with _translated():
            yield


class Postings(Iterator[SqlJob]):
    """What `iterjobs` gives, with the attributes that TaskFlow promises."""

    def __init__(
        self, board: SqlJobBoard, jobs: Iterator[SqlJob], *, only_unclaimed: bool, ensure_fresh: bool
    ) -> None:
        self.board = board
        self.only_unclaimed = only_unclaimed
        self.ensure_fresh = ensure_fresh
        self._jobs = jobs

    def __next__(self) -> SqlJob:
        return next(self._jobs)


@contextmanager
def _translated() -> Iterator[None]:
    """Not into StorageFailure: TaskFlow would try that again, 3 times, 5 seconds apart."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise exceptions.JobFailure(f"the database: {error}") from error
    except LeaseLost as error:
        raise exceptions.JobFailure(str(error)) from error
    except NotFound as error:
        raise exceptions.NotFound(str(error)) from error
