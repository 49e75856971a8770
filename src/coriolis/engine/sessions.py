"""Connections to the clouds of one job: one per thread and endpoint, closed when the job is left."""

import threading
from collections.abc import Callable
from typing import TypeVar

from coriolis.config import Settings
from coriolis.engine.credentials import usable_endpoint
from coriolis.providers import registry
from coriolis.providers.base import Cloud, DestinationCloud, Provider, SourceCloud
from coriolis.store.database import Database

AnyCloud = TypeVar("AnyCloud", bound=Cloud)
FindProvider = Callable[[str], Provider]


class Sessions:
    """A `Cloud` is not shared between threads (see `providers.base`), so neither are these."""

    def __init__(
        self, database: Database, settings: Settings, find_provider: FindProvider = registry.provider
    ) -> None:
        self._database = database
        self._settings = settings
        self._find_provider = find_provider
        self._lock = threading.Lock()
        self._open: dict[tuple[int, str, str], Cloud] = {}

    def source(self, endpoint_id: str) -> SourceCloud:
        def connect() -> SourceCloud:
            endpoint = usable_endpoint(self._database, self._settings, endpoint_id)
            provider = self._find_provider(endpoint.type)
            return provider.connect_source(endpoint.connection_info, endpoint.name, self._settings)

        return self._session("source", endpoint_id, connect)

    def destination(self, endpoint_id: str) -> DestinationCloud:
        def connect() -> DestinationCloud:
            endpoint = usable_endpoint(self._database, self._settings, endpoint_id)
            provider = self._find_provider(endpoint.type)
            return provider.connect_destination(endpoint.connection_info, endpoint.name, self._settings)

        return self._session("destination", endpoint_id, connect)

    def close(self) -> None:
        with self._lock:
            sessions, self._open = list(self._open.values()), {}
        for cloud in sessions:
            cloud.close()

    def _session(self, side: str, endpoint_id: str, connect: Callable[[], AnyCloud]) -> AnyCloud:
        place = (threading.get_ident(), side, endpoint_id)
        with self._lock:
            present = self._open.get(place)
        if present is not None:
            return present  # type: ignore[return-value]  # the side in the key tells which kind it is
        cloud = connect()
        with self._lock:
            self._open[place] = cloud
        return cloud
