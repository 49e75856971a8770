"""Services: the processes of an installation, and whether they live.

A process says so again and again, on the database's clock: the hosts' own clocks may differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import ServiceStatus
from coriolis.model.records import ALIVE, Service
from coriolis.store.clock import clock
from coriolis.store.faults import repeated
from coriolis.store.regions import find_region, insert_region
from coriolis.store.repository import Repository, Row, born, bury, change, get_row, new_id, stamps
from coriolis.store.tables import SERVICE

_NEVER = 0.0  # written down by an administrator, no process has come yet
_SIGNED_OFF = 1.0  # a moment long ago


@dataclass(frozen=True, slots=True)
class NewService:
    """What a process tells of itself. `regions`: names, taken when its row is first made."""

    host: str
    binary: str
    topic: str
    providers: Mapping[str, Sequence[int]]
    specs: Mapping[str, Any]
    regions: Sequence[str] = field(default_factory=tuple)


class ServiceRepository(Repository):
    """`down_seconds`: a service that was silent for longer is DOWN."""

    @repeated
    def register(self, new: NewService, down_seconds: float) -> Service:
        """A process has started. What an administrator set for it before stays: regions, and whether it is
        enabled."""
        try:
            return self._register(new, down_seconds)
        except sa.exc.IntegrityError:
            # Another process of the same host, or the first of a region, started at the same moment: its rows are
            # there by now.
            return self._register(new, down_seconds)

    def _register(self, new: NewService, down_seconds: float) -> Service:
        with self._database.write() as connection:
            known = _find(connection, new.host, new.binary, new.topic)
            if known is None:
                regions = [_region_of(connection, name) for name in new.regions]
                known = _insert(connection, new, regions)
            told = {
                "providers": {name: list(types) for name, types in new.providers.items()},
                "specs": dict(new.specs),
                "seen_at": self._clock,
            }
            change(connection, SERVICE, known, told)
            return self._record(connection, known, down_seconds)

    @repeated
    def beat(self, service_id: str, down_seconds: float) -> Service | None:
        """The process lives; returns what it shall be. None: an administrator has removed it, or has put
        another in its place."""
        mine = sa.and_(SERVICE.c.id == service_id, SERVICE.c.deleted == ALIVE)
        with self._database.write() as connection:
            seen = connection.execute(sa.update(SERVICE).where(mine).values(seen_at=self._clock))
            return self._record(connection, service_id, down_seconds) if seen.rowcount == 1 else None

    @repeated
    def sign_off(self, service_id: str) -> None:
        """The process ends on purpose: it is DOWN at once."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(SERVICE).where(SERVICE.c.id == service_id).values(seen_at=_SIGNED_OFF)
            )

    @repeated
    def create(
        self,
        *,
        host: str,
        binary: str,
        topic: str,
        enabled: bool,
        mapped_regions: Sequence[str],
        down_seconds: float,
    ) -> Service:
        """Before its process starts. Raises Conflict when there is such a service."""
        new = NewService(host, binary, topic, providers={}, specs={})
        with self._database.write() as connection:
            if _find(connection, host, binary, topic) is not None:
                raise Conflict(
                    message=f"There is a service {binary!r} with topic {topic!r} on {host!r} already."
                )
            made = _insert(connection, new, list(mapped_regions), enabled=enabled)
            return self._record(connection, made, down_seconds)

    def get(self, service_id: str, down_seconds: float) -> Service:
        with self._database.read() as connection:
            return self._record(connection, service_id, down_seconds)

    def list(self, down_seconds: float) -> Sequence[Service]:
        query = self._query.where(SERVICE.c.deleted == ALIVE)
        query = query.order_by(SERVICE.c.binary, SERVICE.c.host, SERVICE.c.topic)
        with self._database.read() as connection:
            return [_service(row, down_seconds) for row in connection.execute(query).mappings()]

    @repeated
    def update(self, service_id: str, down_seconds: float, **values: Any) -> Service:
        """Sets `enabled` or `mapped_regions` (ids). Raises NotFound."""
        if "mapped_regions" in values:
            values["mapped_regions"] = [*values["mapped_regions"]]
        with self._database.write() as connection:
            get_row(connection, SERVICE, "Service", service_id)
            change(connection, SERVICE, service_id, values)
            return self._record(connection, service_id, down_seconds)

    @repeated
    def delete(self, service_id: str) -> None:
        """A process that still lives comes back with the next heartbeat, with its first settings. Raises
        NotFound."""
        with self._database.write() as connection:
            get_row(connection, SERVICE, "Service", service_id)
            bury(connection, SERVICE, SERVICE.c.id == service_id)

    @property
    def _clock(self) -> sa.ColumnElement[float]:
        return clock(self._database.engine.dialect.name)

    @property
    def _query(self) -> sa.Select[Any]:
        return sa.select(SERVICE, (self._clock - SERVICE.c.seen_at).label("silent"))

    def _record(self, connection: sa.Connection, service_id: str, down_seconds: float) -> Service:
        query = self._query.where(SERVICE.c.id == service_id, SERVICE.c.deleted == ALIVE)
        row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(kind="Service", name=service_id)
        return _service(row, down_seconds)


def _find(connection: sa.Connection, host: str, binary: str, topic: str) -> str | None:
    same = sa.and_(SERVICE.c.host == host, SERVICE.c.binary == binary, SERVICE.c.topic == topic)
    return connection.scalar(sa.select(SERVICE.c.id).where(same, SERVICE.c.deleted == ALIVE))


def _region_of(connection: sa.Connection, name: str) -> str:
    """A region that the settings of a process name is made where it is missing."""
    return find_region(connection, name) or insert_region(connection, name, None, True)


def _insert(
    connection: sa.Connection, new: NewService, regions: Sequence[str], *, enabled: bool = True
) -> str:
    values = {
        "id": new_id(),
        "host": new.host,
        "binary": new.binary,
        "topic": new.topic,
        "enabled": enabled,
        "mapped_regions": list(regions),
        "providers": {},
        "specs": {},
        "seen_at": _NEVER,
    }
    connection.execute(sa.insert(SERVICE).values(**values, **born()))
    return str(values["id"])


def _service(row: Row, down_seconds: float) -> Service:
    return Service(
        id=row["id"],
        host=row["host"],
        binary=row["binary"],
        topic=row["topic"],
        enabled=row["enabled"],
        status=_status(row, down_seconds),
        mapped_regions=tuple(row["mapped_regions"]),
        providers={name: tuple(types) for name, types in row["providers"].items()},
        specs=row["specs"],
        **stamps(row),
    )


def _status(row: Row, down_seconds: float) -> ServiceStatus:
    if row["seen_at"] == _NEVER:
        return ServiceStatus.UNKNOWN
    return ServiceStatus.UP if row["silent"] <= down_seconds else ServiceStatus.DOWN
