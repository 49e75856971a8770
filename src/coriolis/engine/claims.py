"""A claim on a job: taken with a rising token, renewed by a heartbeat, lost when somebody else took over or the
lease ran out."""

import math
import threading
import time

from coriolis.errors import Cancelled, LeaseLost
from coriolis.model.records import Job, Wish
from coriolis.store.database import Fence


class Claim:
    """This process' hold on a job. Thread-safe.

    It ends by itself when `valid_until` has passed on our own monotonic clock: then somebody else may have the
    job, whether or not the database can be asked.
    """

    def __init__(self, job: Job, *, valid_until: float = math.inf) -> None:
        self.job = job
        self.fence = Fence(job.id, job.token)
        self._valid_until = valid_until
        self._lost = threading.Event()
        self._stirred = threading.Condition()
        self._wish = job.wish
        self._aborted = False

    @property
    def lost(self) -> bool:
        return self._lost.is_set() or time.monotonic() >= self._valid_until

    @property
    def forced(self) -> bool:
        """Whether the user wants the clean-up without retries."""
        return self._wish is Wish.FORCE_CANCEL

    def lose(self) -> None:
        """From now on nothing may be written or touched in this job's name."""
        self._lost.set()
        self._wake()

    def renewed(self, *, valid_until: float) -> None:
        self._valid_until = valid_until

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
        self.check_lease()
        if not reverting and (self._aborted or self._wish is not Wish.NONE):
            raise Cancelled(f"job {self.job.id}")

    def check_lease(self) -> None:
        """Raises LeaseLost."""
        if self.lost:
            raise LeaseLost(f"job {self.job.id} is no longer ours")

    def sleep(self, seconds: float, *, reverting: bool = False, until_forced: bool = False) -> None:
        """Like check(), again and again, for so long. `until_forced`: a forced cancel ends the sleep."""
        deadline = time.monotonic() + seconds
        while True:
            self.check(reverting=reverting)
            left = deadline - time.monotonic()
            if left <= 0 or (until_forced and self.forced):
                return
            with self._stirred:
                # Not beyond the lease: who sleeps on would go on touching what another has by then.
                self._stirred.wait(min(left, max(self._valid_until - time.monotonic(), 0.0)))

    def _wake(self) -> None:
        with self._stirred:
            self._stirred.notify_all()
