"""Endpoints."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict
from coriolis.model.enums import ResourceState
from coriolis.model.records import ALIVE, Endpoint, Paging
from coriolis.store.faults import repeated
from coriolis.store.idempotency import CreationRequest
from coriolis.store.repository import Repository, Row, born, bury, change, get_row, new_id, page, stamps
from coriolis.store.tables import ENDPOINT, RESOURCE, TRANSFER


class EndpointRepository(Repository):
    def create(
        self,
        *,
        user_id: str,
        project_id: str,
        name: str,
        type: str,
        connection_info: Mapping[str, Any],
        description: str | None = None,
        mapped_regions: Sequence[str] = (),
        bandwidth_limit: str | None = None,
        request: CreationRequest | None = None,
    ) -> Endpoint:
        """`request` is remembered with it. Raises IdempotencyKeyReused."""
        values = {
            "id": new_id(),
            "user_id": user_id,
            "project_id": project_id,
            "name": name,
            "type": type,
            "description": description,
            "connection_info": self._protect(connection_info),
            "mapped_regions": list(mapped_regions),
            "bandwidth_limit": bandwidth_limit,
        }

        def create(connection: sa.Connection) -> str:
            connection.execute(sa.insert(ENDPOINT).values(**values, **born()))
            return str(values["id"])

        return self.get(self._database.idempotency.create_once(request, create))

    def get(self, endpoint_id: str) -> Endpoint:
        with self._database.read() as connection:
            return self._record(get_row(connection, ENDPOINT, "Endpoint", endpoint_id))

    def list(self, project_id: str, paging: Paging = Paging()) -> Sequence[Endpoint]:  # noqa: B008 -- frozen
        with self._database.read() as connection:
            rows = page(connection, ENDPOINT, [ENDPOINT.c.project_id == project_id], paging)
            return [self._record(row) for row in rows]

    @repeated
    def update(self, endpoint_id: str, **values: Any) -> Endpoint:
        """Sets `name`, `description`, `connection_info`, `mapped_regions` or `bandwidth_limit`. Raises NotFound."""
        if "connection_info" in values:
            values["connection_info"] = self._protect(values["connection_info"])
        if "mapped_regions" in values:
            values["mapped_regions"] = [*values["mapped_regions"]]
        with self._database.write() as connection:
            get_row(connection, ENDPOINT, "Endpoint", endpoint_id)
            change(connection, ENDPOINT, endpoint_id, values)
            return self._record(get_row(connection, ENDPOINT, "Endpoint", endpoint_id))

    @repeated
    def delete(self, endpoint_id: str) -> None:
        """Raises NotFound, or Conflict while a transfer uses it or the ledger knows of a resource there."""
        with self._database.write() as connection:
            get_row(connection, ENDPOINT, "Endpoint", endpoint_id)
            users = sa.or_(
                TRANSFER.c.origin_endpoint_id == endpoint_id,
                TRANSFER.c.destination_endpoint_id == endpoint_id,
            )
            used_by = connection.scalar(sa.select(TRANSFER.c.id).where(users, TRANSFER.c.deleted == ALIVE))
            if used_by:
                raise Conflict(message=f"Endpoint {endpoint_id} is used by transfer {used_by}.")
            owed = sa.and_(
                RESOURCE.c.endpoint_id == endpoint_id,
                RESOURCE.c.state.in_([ResourceState.PLANNED, ResourceState.PRESENT, ResourceState.LEFTOVER]),
            )
            left = connection.scalar(sa.select(RESOURCE.c.name).where(owed).limit(1))
            if left:
                raise Conflict(
                    message=f"Endpoint {endpoint_id} still holds {left!r}, which was not cleaned up."
                )
            bury(connection, ENDPOINT, ENDPOINT.c.id == endpoint_id)

    def _record(self, row: Row) -> Endpoint:
        return Endpoint(
            id=row["id"],
            user_id=row["user_id"],
            project_id=row["project_id"],
            name=row["name"],
            type=row["type"],
            description=row["description"],
            connection_info=self._reveal(row["connection_info"]),
            mapped_regions=tuple(row["mapped_regions"]),
            bandwidth_limit=row["bandwidth_limit"],
            **stamps(row),
        )
