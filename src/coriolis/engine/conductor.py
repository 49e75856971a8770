"""The conductor: claims jobs from the board and runs them, several at once, until it is stopped."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from taskflow import exceptions

from coriolis.config import Settings
from coriolis.engine.board.heartbeat import Heartbeat
from coriolis.engine.board.job import SqlJob
from coriolis.engine.board.sql import SqlJobBoard
from coriolis.engine.claims import Claim
from coriolis.engine.job_run import run_job
from coriolis.engine.registry import StepRegistry
from coriolis.engine.sessions import FindProvider
from coriolis.model.queue import Served, everything
from coriolis.providers import registry as providers
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)
_REFUSALS = 8  # in one look: others are claiming too, and what we read of the queue is old by then


@dataclass(frozen=True, slots=True)
class _Worker:
    """`undoing`: all that is left of its job is to be undone."""

    thread: threading.Thread
    undoing: bool


class Conductor:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        steps: StepRegistry,
        *,
        find_provider: FindProvider = providers.provider,
        served: Callable[[], Served] = everything,
    ) -> None:
        """`served` is asked at each look for jobs: the regions and capabilities of this conductor."""
        self._database = database
        self._settings = settings
        self._steps = steps
        self._find_provider = find_provider
        host = settings.host_name
        self._owner = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
        self._board = SqlJobBoard(
            "coriolis",
            database,
            host=host,
            limits=settings.engine.limits,
            lease_seconds=settings.engine.lease_seconds,
            served=served,
        )
        self._heartbeat = Heartbeat(
            database,
            lease_seconds=settings.engine.lease_seconds,
            heartbeat_seconds=settings.engine.heartbeat_seconds,
            watch_seconds=settings.engine.watch_seconds,
        )
        self._stopping = threading.Event()
        self._awake = threading.Event()
        self._working: dict[str, _Worker] = {}  # by job
        self._lock = threading.Lock()
        self._loop = threading.Thread(target=self._run, name="conductor", daemon=True)

    def start(self) -> None:
        self._heartbeat.start()
        self._loop.start()

    def wake(self) -> None:
        """Something was queued or wished: look now."""
        self._heartbeat.look_now()
        self._awake.set()

    def stop(self, timeout: float = 30.0) -> None:
        """Gives the jobs back as they stand, for others or the next start to go on with at once. Waits for the
        steps to notice, at most `timeout` seconds; what has not by then is lost with its lease."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._awake.set()
        if self._loop.is_alive():
            self._loop.join(timeout)
        self._heartbeat.lose_all()
        with self._lock:
            workers = list(self._working.values())
        for worker in workers:
            worker.thread.join(max(deadline - time.monotonic(), 0.0))
        self._heartbeat.stop()
        self._board.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                if not self._board.connected:
                    self._board.connect()
                self._look()
            except (exceptions.JobFailure, sa.exc.SQLAlchemyError) as error:
                LOG.warning("could not look for jobs: %s", error)
            self._awake.wait(self._settings.engine.poll_seconds)

    def _look(self) -> None:
        """Claims what there is room for. Jobs to be undone come first and have room of their own: a cancel does
        not wait until a copy of hours has ended."""
        refusals = 0
        for job in self._board.iterjobs(only_unclaimed=True, only_undoing=not self._has_room(undoing=False)):
            if self._stopping.is_set() or refusals >= _REFUSALS:
                return
            if self._works_on(job):
                continue
            if not self._has_room(undoing=job.undoing):
                if job.undoing:
                    continue
                return
            if not self._take(job):
                refusals += 1

    def _has_room(self, *, undoing: bool) -> bool:
        with self._lock:
            alike = sum(worker.undoing is undoing for worker in self._working.values())
        return alike < self._settings.engine.max_parallel_jobs

    def _works_on(self, job: SqlJob) -> bool:
        """Its lease may be over by a clock that was set, or be lost while a step still leaves: never beside it."""
        with self._lock:
            return job.uuid in self._working

    def _take(self, job: SqlJob) -> bool:
        began = time.monotonic()
        try:
            self._board.claim(job, self._owner)
        except (exceptions.UnclaimableJob, exceptions.NotFound) as refusal:
            LOG.debug("%s", refusal)
            return False
        claim = Claim(job.claimed_record, valid_until=began + self._settings.engine.lease_seconds)
        self._heartbeat.keep(claim)
        name = f"job-{job.uuid[:8]}"
        thread = threading.Thread(target=self._work, args=(job, claim), name=name, daemon=True)
        with self._lock:
            self._working[job.uuid] = _Worker(thread, job.undoing)
        thread.start()
        return True

    def _work(self, job: SqlJob, claim: Claim) -> None:
        try:
            run_job(self._database, self._settings, self._steps, claim, self._find_provider)
            if claim.lost and self._stopping.is_set():
                self._give_back(job)
        except Exception:
            # A fault of ours outside any step. The claim is not given back: after the lease somebody tries
            # again, and a fault that stays does not turn into a busy loop.
            LOG.exception("job %s was left after a fault of the engine", claim.job.id)
        finally:
            self._heartbeat.drop(claim)
            with self._lock:
                del self._working[job.uuid]
            self._awake.set()

    def _give_back(self, job: SqlJob) -> None:
        try:
            self._board.abandon(job, self._owner)
        except (exceptions.JobFailure, exceptions.NotFound) as error:
            LOG.info("not given back: %s", error)
