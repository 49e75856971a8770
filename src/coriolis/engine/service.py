"""The engine as a process runs it: database, front door, and a conductor where it is one."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from coriolis.config import Settings
from coriolis.engine.conductor import Conductor
from coriolis.engine.frontdoor import FrontDoor
from coriolis.engine.inventory import LocalInventory
from coriolis.engine.lock import StateDirectoryLock
from coriolis.engine.migration.carrier import Carrier
from coriolis.engine.presence import Presence
from coriolis.engine.reach import CONDUCTOR_TOPIC, Reach
from coriolis.engine.registry import StepRegistry
from coriolis.engine.sessions import FindProvider
from coriolis.providers import registry as providers
from coriolis.providers.base import Provider
from coriolis.steps import STEPS
from coriolis.store.database import open_database

if TYPE_CHECKING:
    from coriolis.engine.correspondence import Correspondence


@dataclass(frozen=True, slots=True)
class Role:
    """What a process is among the services; `topic` is what it hears. `conducts`: it runs jobs."""

    binary: str
    topic: str
    conducts: bool


SERVE = Role("coriolis-serve", CONDUCTOR_TOPIC, conducts=True)
API = Role("coriolis-api", "coriolis-api", conducts=False)
CONDUCTOR = Role("coriolis-conductor", CONDUCTOR_TOPIC, conducts=True)


class Engine:
    """Use as a context manager. On SQLite it is the embedded mode: one process holds the state directory, so
    every claim from before is dead and its job is taken up at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        role: Role = SERVE,
        steps: StepRegistry | None = None,
        find_provider: FindProvider = providers.provider,
        all_providers: Callable[[], Mapping[str, Provider]] | None = None,
    ) -> None:
        """`all_providers`: what `find_provider` finds; where that is not told, the conductor takes jobs of any
        platform. Raises StateDirectoryLocked, DatabaseTooNew, SecretsUnreadable, InvalidInput, and SQLAlchemyError when
        the database cannot be reached."""
        self._lock = StateDirectoryLock(settings.state_dir) if settings.embedded else None
        if all_providers is None:
            all_providers = providers.providers if find_provider is providers.provider else dict
        self.database = open_database(settings)
        self.presence = Presence(
            self.database,
            settings,
            binary=role.binary,
            topic=role.topic,
            regions=settings.conductor.regions if role.conducts else settings.api.regions,
            platforms={name: tuple(plugin.capabilities) for name, plugin in all_providers().items()},
        )
        self.conductor: Conductor | None = None
        self.carrier: Carrier | None = None
        if role.conducts:
            self.carrier = Carrier(self.database, look_every=settings.engine.watch_seconds, wake=self.wake)
            self.conductor = Conductor(
                self.database,
                settings,
                steps or StepRegistry(STEPS),
                find_provider=find_provider,
                served=self.presence.served,
            )
        self._messages = self._correspondence(settings)
        self._here = LocalInventory(self.database, settings, find_provider)
        reach = Reach(
            self.database,
            settings,
            own_regions=lambda: self.presence.regions,
            here=self._here,
            there=self._messages.inventory_of if self._messages else None,
        )
        self.frontdoor = FrontDoor(
            self.database,
            settings,
            self.wake,
            find_provider=find_provider,
            all_providers=all_providers,
            inventory=reach.inventory,
            require_conductor=reach.require_conductor,
        )
        self._running = ExitStack()

    def wake(self) -> None:
        """Something was queued or wished: every conductor that can be told looks now."""
        if self.conductor:
            self.conductor.wake()
        if self._messages:
            self._messages.wake_conductors()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.callback(self._release)
            if self._lock is not None:
                self.database.queue.void_all_claims()
            self.presence.start()
            started.callback(self.presence.stop)
            if self._messages:
                self._messages.start(self.presence, self.conductor, self._here)
                started.callback(self._messages.stop)
            if self.conductor:
                self.database.jobs.retry_stuck()
                self.conductor.start()
                started.callback(self.conductor.stop)
            if self.carrier:
                self.carrier.start()
                started.callback(self.carrier.stop)
            self._running = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running.close()

    def _correspondence(self, settings: Settings) -> "Correspondence | None":
        url = settings.messaging.transport_url
        if url is None:
            return None
        from coriolis.engine.correspondence import Correspondence  # a large library behind it

        return Correspondence(self.database, settings, url)

    def _release(self) -> None:
        self.database.close()
        if self._lock is not None:
            self._lock.release()
