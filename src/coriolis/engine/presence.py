"""A process among the services: registered, heard of every few seconds, and told what it shall be."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.engine import host
from coriolis.model.enums import ProviderType
from coriolis.model.queue import Served
from coriolis.model.records import Service
from coriolis.store.database import Database
from coriolis.store.services import NewService

LOG = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
Platforms = Mapping[str, Iterable[ProviderType]]


class Presence:
    """Thread-safe. What `service` says is at most one heartbeat old while the database answers."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        binary: str,
        topic: str,
        regions: Iterable[str],
        platforms: Platforms,
    ) -> None:
        """`regions`: names, for a first start. `platforms`: none means any."""
        self._database = database
        self._settings = settings.service
        # Alone on its state directory, it is the conductor of every region and platform.
        self._serves_all = settings.embedded
        self._platforms = platforms
        self._told = NewService(
            host=settings.host_name,
            binary=binary,
            topic=topic,
            providers={name: [int(kind) for kind in kinds] for name, kinds in platforms.items()},
            specs=host.specs(binary),
            regions=tuple(regions),
        )
        self._watchers: list[Callable[[frozenset[str]], None]] = []
        self._stopping = threading.Event()
        self._silenced = False
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._service: Service | None = None
        self._regions: frozenset[str] = frozenset()

    @property
    def regions(self) -> frozenset[str]:
        """Ids of the regions that this process works for now: mapped to it, and enabled."""
        return self._regions

    def served(self) -> Served:
        """For the conductor."""
        accepting = self._service is not None and self._service.enabled
        if self._serves_all:
            return Served(accepting=accepting)
        if not self._platforms:
            return Served(self._regions, accepting=accepting)
        return Served.of(self._regions, self._platforms, accepting=accepting)

    def watch(self, watcher: Callable[[frozenset[str]], None]) -> None:
        """Tells `watcher` the regions now, and again whenever they have changed."""
        self._watchers.append(watcher)
        watcher(self.regions)

    def start(self) -> None:
        """Registers. Raises SQLAlchemyError when there is no database."""
        self._take(self._register())
        self._thread.start()

    def stop(self) -> None:
        """Everybody knows at once that this process is gone."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if self._service is None or self._thread.is_alive():
            return  # the database hangs: it would not hear this either
        try:
            self._database.services.sign_off(self._service.id)
        except sa.exc.SQLAlchemyError as error:
            LOG.warning("could not sign off: %s", type(error).__name__)

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.heartbeat_seconds):
            try:
                self._beat()
                self._silenced = False
            except sa.exc.SQLAlchemyError as error:
                if not self._silenced:
                    LOG.warning("cannot tell the database that this service lives: %s", error)
                self._silenced = True

    def _beat(self) -> None:
        known = self._service
        seen = known and self._database.services.beat(known.id, self._settings.down_seconds)
        self._take(seen or self._register())

    def _register(self) -> Service:
        return self._database.services.register(self._told, self._settings.down_seconds)

    def _take(self, service: Service) -> None:
        before = self._service
        if before is not None and before.enabled != service.enabled:
            LOG.info("takes new jobs" if service.enabled else "takes no new jobs any more")
        self._service = service
        names = self._database.regions.names(service.mapped_regions, enabled=True)
        regions = frozenset(names)
        if regions == self._regions:
            return
        self._regions = regions
        LOG.info("works for the regions %s", ", ".join(sorted(names.values())) or "(none)")
        for watcher in self._watchers:
            watcher(regions)
