"""The engine as a process runs it: database, conductor and front door together."""

from types import TracebackType
from typing import Self

from coriolis.config import Settings
from coriolis.engine.conductor import Conductor
from coriolis.engine.frontdoor import FrontDoor
from coriolis.engine.lock import StateDirectoryLock
from coriolis.engine.registry import StepRegistry
from coriolis.engine.sessions import FindProvider
from coriolis.providers import registry as providers
from coriolis.steps import STEPS
from coriolis.store.database import open_database


class Engine:
    """Use as a context manager. On SQLite it is the embedded mode: one process holds the state directory, so
    every claim from before is dead and its job is taken up at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        steps: StepRegistry | None = None,
        find_provider: FindProvider = providers.provider,
    ) -> None:
        """Raises StateDirectoryLocked, DatabaseTooNew, SecretsUnreadable."""
        self._lock = StateDirectoryLock(settings.state_dir) if settings.embedded else None
        self.database = open_database(settings)
        self.conductor = Conductor(
            self.database, settings, steps or StepRegistry(STEPS), find_provider=find_provider
        )
        self.frontdoor = FrontDoor(self.database, settings, self.conductor.wake, find_provider=find_provider)

    def __enter__(self) -> Self:
        if self._lock is not None:
            self.database.queue.void_all_claims()
        self.database.jobs.retry_stuck()
        self.conductor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.conductor.stop()
        self.database.close()
        if self._lock is not None:
            self._lock.release()
