"""The conductor: claims jobs and runs them, several at once, until it is stopped."""

import logging
import os
import socket
import threading

import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.engine.claims import Claim, ClaimKeeper
from coriolis.engine.job_run import run_job
from coriolis.engine.registry import StepRegistry
from coriolis.engine.sessions import FindProvider
from coriolis.providers import registry as providers
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)
_POLL_SECONDS = 1.0  # between looks for jobs that another process queued or lost; our own wake us


class Conductor:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        steps: StepRegistry,
        *,
        find_provider: FindProvider = providers.provider,
    ) -> None:
        self._database = database
        self._settings = settings
        self._steps = steps
        self._find_provider = find_provider
        self._stopping = threading.Event()
        self._awake = threading.Event()
        self._free = threading.Semaphore(settings.engine.max_parallel_jobs)
        self._workers: set[threading.Thread] = set()
        self._workers_lock = threading.Lock()
        self._keeper = ClaimKeeper(
            database,
            f"{socket.gethostname()}:{os.getpid()}",
            lease_seconds=settings.engine.lease_seconds,
            heartbeat_seconds=settings.engine.heartbeat_seconds,
        )
        self._loop = threading.Thread(target=self._run, name="conductor", daemon=True)

    def start(self) -> None:
        self._keeper.start()
        self._loop.start()

    def wake(self) -> None:
        """Something was queued or wished: look now."""
        self._keeper.look_now()
        self._awake.set()

    def stop(self, timeout: float = 30.0) -> None:
        """Leaves the jobs as they stand, for the next start to go on with. Waits for the steps to notice, at
        most `timeout` seconds."""
        self._stopping.set()
        self._awake.set()
        self._keeper.stop()
        if self._loop.is_alive():
            self._loop.join(timeout)
        with self._workers_lock:
            workers = list(self._workers)
        for worker in workers:
            worker.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=_POLL_SECONDS):
                continue
            claim = self._take()
            if claim is None:
                self._free.release()
                self._awake.wait(_POLL_SECONDS)
                self._awake.clear()
                continue
            worker = threading.Thread(
                target=self._work, args=(claim,), name=f"job-{claim.job.id[:8]}", daemon=True
            )
            with self._workers_lock:
                self._workers.add(worker)
            worker.start()

    def _take(self) -> Claim | None:
        try:
            return self._keeper.take()
        except sa.exc.SQLAlchemyError as error:
            LOG.warning("could not look for jobs: %s", error)
            return None

    def _work(self, claim: Claim) -> None:
        try:
            run_job(self._database, self._settings, self._steps, claim, self._find_provider)
            if claim.lost and self._stopping.is_set():
                self._database.jobs.release(claim.fence)
        except Exception:
            # A fault of ours outside any step. The claim is not released: after the lease somebody tries
            # again,
            # and a fault that stays does not turn into a busy loop.
            LOG.exception("job %s was left after a fault of the engine", claim.job.id)
        finally:
            self._keeper.drop(claim)
            with self._workers_lock:
                self._workers.discard(threading.current_thread())
            self._free.release()
            self._awake.set()
