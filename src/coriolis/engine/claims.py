"""Claims on jobs: taken with a rising token, renewed by a heartbeat, lost when somebody else took over."""

import logging
import threading
import time

import sqlalchemy as sa

from coriolis.errors import Cancelled, LeaseLost
from coriolis.model.records import Job, Wish
from coriolis.store.database import Database, Fence

LOG = logging.getLogger(__name__)


class Claim:
    """This process' hold on a job. Thread-safe."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.fence = Fence(job.id, job.token)
        self._lost = threading.Event()
        self._stirred = threading.Condition()
        self._wish = job.wish
        self._aborted = False

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    @property
    def forced(self) -> bool:
        """Whether the user wants the clean-up without retries."""
        return self._wish is Wish.FORCE_CANCEL

    def lose(self) -> None:
        """From now on nothing may be written or touched in this job's name."""
        self._lost.set()
        self._wake()

    def see(self, wish: Wish) -> None:
        if wish is not self._wish:
            self._wish = wish
            self._wake()

    def abort(self) -> None:
        """A step failed: those at work beside it shall stop, since they will be undone anyway."""
        self._aborted = True
        self._wake()

    def check(self, *, reverting: bool = False) -> None:
        """Raises LeaseLost, or Cancelled unless what runs is the undoing itself."""
        if self.lost:
            raise LeaseLost(f"job {self.job.id} is no longer ours")
        if not reverting and (self._aborted or self._wish is not Wish.NONE):
            raise Cancelled(f"job {self.job.id}")

    def sleep(self, seconds: float, *, reverting: bool = False) -> None:
        """Like check(), again and again, for so long."""
        deadline = time.monotonic() + seconds
        while True:
            self.check(reverting=reverting)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            with self._stirred:
                self._stirred.wait(left)

    def _wake(self) -> None:
        with self._stirred:
            self._stirred.notify_all()


class ClaimKeeper:
    """Takes claims for one conductor and renews all of them from one thread."""

    def __init__(
        self, database: Database, owner: str, *, lease_seconds: float, heartbeat_seconds: float
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = min(heartbeat_seconds, lease_seconds / 3)
        self._claims: dict[Claim, float] = {}  # to the moment of the last renewal, on our own monotonic clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._beat = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Gives every claim up; their holders see LeaseLost, and the jobs are free for others at once."""
        self._stopping.set()
        self._beat.set()
        if self._thread.is_alive():
            self._thread.join()
        for claim in self._held():
            claim.lose()

    def take(self) -> Claim | None:
        began = time.monotonic()
        job = self._database.jobs.claim_next(self._owner, self._lease_seconds)
        if job is None:
            return None
        claim = Claim(job)
        with self._lock:
            self._claims[claim] = began
        return claim

    def drop(self, claim: Claim) -> None:
        """The job has ended, or is given back: nothing is renewed any more."""
        with self._lock:
            self._claims.pop(claim, None)

    def look_now(self) -> None:
        """Renews at once, so that a wish is seen without waiting for the next beat."""
        self._beat.set()

    def _held(self) -> list[Claim]:
        with self._lock:
            return list(self._claims)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._beat.wait(self._heartbeat_seconds)
            self._beat.clear()
            for claim in self._held():
                self._renew(claim)

    def _renew(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            wish = self._database.jobs.renew(claim.fence, self._lease_seconds)
        except sa.exc.DBAPIError as error:
            LOG.warning("could not renew the claim on job %s: %s", claim.job.id, error)
            with self._lock:
                renewed = self._claims.get(claim, began)
            if began - renewed < self._lease_seconds:
                return
            wish = None  # our lease has run out, as far as we can know: somebody else may have the job
        if wish is None:
            LOG.warning("lost the claim on job %s", claim.job.id)
            claim.lose()
            self.drop(claim)
            return
        claim.see(wish)
        with self._lock:
            if claim in self._claims:
                self._claims[claim] = began
