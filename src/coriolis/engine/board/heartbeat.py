"""Keeps the claims of one conductor: renewed while the job is at work, and told what is wished of it."""

import logging
import threading
import time

import sqlalchemy as sa

from coriolis.engine.claims import Claim
from coriolis.model.records import Wish
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)


class Heartbeat:
    """One thread for all claims, with one statement for all of them. Between two renewals it only reads, since a
    cancel should not wait for ten seconds, and a write of every conductor every second would be wasted."""

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        heartbeat_seconds: float,
        watch_seconds: float,
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._renew_every = min(heartbeat_seconds, lease_seconds / 3)
        self._watch_every = min(watch_seconds, self._renew_every)
        self._renewed = 0.0
        self._claims: dict[str, Claim] = {}  # by job
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._beat = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """From now on nothing is renewed."""
        self._stopping.set()
        self._beat.set()
        if self._thread.is_alive():
            self._thread.join()

    def keep(self, claim: Claim) -> None:
        with self._lock:
            self._claims[claim.job.id] = claim

    def drop(self, claim: Claim) -> None:
        """The job has ended, or is given back."""
        with self._lock:
            if self._claims.get(claim.job.id) is claim:
                del self._claims[claim.job.id]

    def lose_all(self) -> None:
        """Those who work shall leave; the leases are kept until they have, so that nobody starts beside them."""
        for claim in self._held():
            claim.lose()

    def look_now(self) -> None:
        """So that a wish is seen without waiting for the next beat."""
        self._beat.set()

    def _held(self) -> list[Claim]:
        with self._lock:
            return list(self._claims.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._beat.wait(self._watch_every)
            self._beat.clear()
            claims = self._held()
            if not claims or self._stopping.is_set():
                continue
            try:
                self._look(claims)
            except sa.exc.SQLAlchemyError as error:
                # The claims end by themselves when their leases are over; until then the work goes on.
                LOG.warning("could not renew the claims on %d jobs: %s", len(claims), error)

    def _look(self, claims: list[Claim]) -> None:
        began = time.monotonic()
        tokens = {claim.job.id: claim.fence.token for claim in claims}
        renewing = began - self._renewed >= self._renew_every
        if renewing:
            wishes = self._database.queue.renew(tokens, self._lease_seconds)
            self._renewed = began
        else:
            wishes = self._database.queue.wishes(tokens)
        for claim in claims:
            wish = wishes.get(claim.job.id)
            if wish is None:
                self._lost(claim)
                continue
            if renewing:
                claim.renewed(valid_until=began + self._lease_seconds)
            self._see(claim, wish)

    def _see(self, claim: Claim, wish: Wish) -> None:
        if claim.lost:
            return  # it is leaving already
        claim.see(wish)

    def _lost(self, claim: Claim) -> None:
        with self._lock:
            ended = self._claims.get(claim.job.id) is not claim
        if not ended:
            LOG.warning("lost the claim on job %s", claim.job.id)
            claim.lose()
            self.drop(claim)
