"""Regions: names for where clouds are, and where the conductors near them run."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict
from coriolis.model.records import ALIVE, Paging, Region
from coriolis.store.faults import repeated
from coriolis.store.repository import (
    Repository,
    Row,
    born,
    bury,
    change,
    get_row,
    living,
    new_id,
    page,
    stamps,
)
from coriolis.store.tables import ENDPOINT, REGION, SERVICE


class RegionRepository(Repository):
    @repeated
    def create(self, *, name: str, description: str | None = None, enabled: bool = True) -> Region:
        """Raises Conflict when a region has the name."""
        try:
            with self._database.write() as connection:
                _refuse_second(connection, name)
                return self._record(connection, insert_region(connection, name, description, enabled))
        except sa.exc.IntegrityError:
            raise _second(name) from None

    def get(self, region_id: str) -> Region:
        with self._database.read() as connection:
            return self._record(connection, region_id)

    def list(self, paging: Paging = Paging()) -> Sequence[Region]:  # noqa: B008 -- frozen
        with self._database.read() as connection:
            rows = page(connection, REGION, [], paging)
            services, endpoints = _mappings(connection, SERVICE), _mappings(connection, ENDPOINT)
            return [_region(row, services, endpoints) for row in rows]

    @repeated
    def update(self, region_id: str, **values: Any) -> Region:
        """Sets `name`, `description` or `enabled`. Raises NotFound, or Conflict when another has the name."""
        with self._database.write() as connection:
            row = get_row(connection, REGION, "Region", region_id)
            if values.get("name", row["name"]) != row["name"]:
                _refuse_second(connection, values["name"])
            change(connection, REGION, region_id, values)
            return self._record(connection, region_id)

    @repeated
    def delete(self, region_id: str) -> None:
        """Raises NotFound, or Conflict while a service or an endpoint is mapped to it: they would be out of
        reach at once."""
        with self._database.write() as connection:
            region = self._record(connection, region_id)
            users = [f"service {found}" for found in region.mapped_services]
            users += [f"endpoint {found}" for found in region.mapped_endpoints]
            if users:
                raise Conflict(message=f"Region {region.name!r} is mapped to {', '.join(users)}.")
            bury(connection, REGION, REGION.c.id == region_id)

    def unknown(self, region_ids: Collection[str]) -> Sequence[str]:
        """Those of them that are no region."""
        with self._database.read() as connection:
            known = set(connection.scalars(sa.select(REGION.c.id).where(REGION.c.deleted == ALIVE)))
        return [region_id for region_id in region_ids if region_id not in known]

    def names(self, region_ids: Collection[str], *, enabled: bool = False) -> dict[str, str]:
        """By id, without those that are not there, or are not enabled where that is asked for."""
        query = living(REGION).where(REGION.c.id.in_(list(region_ids)))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["id"]: row["name"] for row in rows if row["enabled"] or not enabled}

    def _record(self, connection: sa.Connection, region_id: str) -> Region:
        row = get_row(connection, REGION, "Region", region_id)
        return _region(row, _mappings(connection, SERVICE), _mappings(connection, ENDPOINT))


def insert_region(connection: sa.Connection, name: str, description: str | None, enabled: bool) -> str:
    """Returns the id."""
    region_id = new_id()
    values = {"id": region_id, "name": name, "description": description, "enabled": enabled}
    connection.execute(sa.insert(REGION).values(**values, **born()))
    return region_id


def find_region(connection: sa.Connection, name: str) -> str | None:
    """The id of the region of that name."""
    query = sa.select(REGION.c.id).where(REGION.c.name == name, REGION.c.deleted == ALIVE)
    return connection.scalar(query)


def _refuse_second(connection: sa.Connection, name: str) -> None:
    if find_region(connection, name) is not None:
        raise _second(name)


def _second(name: str) -> Conflict:
    return Conflict(message=f"There is a region {name!r} already.")


def _mappings(connection: sa.Connection, table: sa.Table) -> dict[str, list[str]]:
    """By region, the ids of the living rows that are mapped to it."""
    query = sa.select(table.c.id, table.c.mapped_regions).where(table.c.deleted == ALIVE)
    found: dict[str, list[str]] = {}
    for row_id, regions in connection.execute(query):
        for region_id in regions:
            found.setdefault(region_id, []).append(row_id)
    return found


def _region(row: Row, services: dict[str, list[str]], endpoints: dict[str, list[str]]) -> Region:
    return Region(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        enabled=row["enabled"],
        mapped_services=tuple(services.get(row["id"], ())),
        mapped_endpoints=tuple(endpoints.get(row["id"], ())),
        **stamps(row),
    )
