"""What a step is given: the `Operation` of the providers' contract, and what only steps may use."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from coriolis.config import Settings
from coriolis.engine.claims import Claim
from coriolis.engine.ledger import BoundLedger
from coriolis.engine.progress import ProgressLines
from coriolis.engine.sessions import Sessions
from coriolis.errors import EngineError
from coriolis.model.enums import EventLevel
from coriolis.model.progress import DiskProgress
from coriolis.providers.base import DestinationCloud, SourceCloud
from coriolis.store.database import Database, Fence

_NAME_LENGTH = 60


class StepContext:
    """Bound to one step of one claimed job, and by `on()` to one endpoint."""

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        claim: Claim,
        sessions: Sessions,
        step: str,
        reverting: bool = False,
        endpoint_id: str | None = None,
        lines: ProgressLines | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._claim = claim
        self._sessions = sessions
        self._step = step
        self._reverting = reverting
        self._endpoint_id = endpoint_id
        self._lines = lines or ProgressLines(database, claim.fence, step)
        self._disowned = False

    def on(self, endpoint_id: str) -> "StepContext":
        """The same operation, with the ledger of this endpoint."""
        return StepContext(
            database=self._database,
            settings=self._settings,
            claim=self._claim,
            sessions=self._sessions,
            step=self._step,
            reverting=self._reverting,
            endpoint_id=endpoint_id,
            lines=self._lines,
        )

    # The contract of providers.base.Operation

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def token(self) -> int:
        return self._claim.fence.token

    @property
    def ledger(self) -> BoundLedger:
        if self._endpoint_id is None:
            raise EngineError(message=f"Step {self._step!r} used the ledger without saying which endpoint's.")
        return BoundLedger(self._database, self._claim.fence, self._step, self._endpoint_id)

    def name(self, *parts: str) -> str:
        return resource_name(self._claim.job.id, parts)

    def check(self) -> None:
        if not self._disowned:
            self._claim.check(reverting=self._reverting)

    def check_lease(self) -> None:
        if not self._disowned:
            self._claim.check_lease()

    def sleep(self, seconds: float) -> None:
        if self._disowned:
            time.sleep(seconds)
        else:
            self._claim.sleep(seconds, reverting=self._reverting)

    @contextmanager
    def disowned(self) -> Iterator[None]:
        before, self._disowned = self._disowned, True
        try:
            yield
        finally:
            self._disowned = before

    def progress(self, message: str, done: int = 0, total: int = 0) -> None:
        self._lines.report(message, done, total)

    def event(self, level: EventLevel, message: str) -> None:
        self._database.tasks.add_event(self._claim.fence, self._step, level, message)

    def reached(self) -> None:
        self._database.steps.reach(self._claim.fence, self._step)

    # For steps only

    @property
    def database(self) -> Database:
        return self._database

    @property
    def fence(self) -> Fence:
        """What every write of a step names, so that a stale owner's write is refused."""
        return self._claim.fence

    @property
    def step(self) -> str:
        return self._step

    @property
    def forced(self) -> bool:
        """Whether the clean-up shall end soon: what does not go at once is left behind and reported."""
        return self._reverting and self._claim.forced

    def back_off(self, seconds: float) -> None:
        """Like `sleep`, between two attempts: ends early once the clean-up is forced."""
        self._claim.sleep(seconds, reverting=self._reverting, until_forced=True)

    def source(self, endpoint_id: str) -> SourceCloud:
        return self._sessions.source(endpoint_id)

    def destination(self, endpoint_id: str) -> DestinationCloud:
        return self._sessions.destination(endpoint_id)

    def disk_progress(self, progress: DiskProgress) -> None:
        self._lines.report_disk(progress)

    @property
    def seconds_without_progress(self) -> float:
        return self._lines.seconds_without_progress

    def flush_progress(self) -> None:
        self._lines.flush()

    def checkpoint(self, data: Mapping[str, Any]) -> None:
        """Small JSON that the next attempt of this step finds in `last_checkpoint`."""
        self._database.steps.set_checkpoint(self._claim.fence, self._step, data)

    @property
    def last_checkpoint(self) -> Mapping[str, Any] | None:
        return self._database.steps.get(self._claim.job.id, self._step).checkpoint


def resource_name(job_id: str, parts: tuple[str, ...]) -> str:
    """`coriolis-<8 of job>-<parts>`, of letters, digits and `-`, at most 60 characters.

    Where cutting or replacing characters could make two names equal, a digest of the parts tells them apart.
    """
    exact = "-".join(("coriolis", job_id[:8], *parts))
    name = re.sub(r"[^A-Za-z0-9-]", "-", exact)
    if name == exact and len(name) <= _NAME_LENGTH:
        return name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH - 9].rstrip('-')}-{digest}"
