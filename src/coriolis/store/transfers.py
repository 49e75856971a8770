"""Transfers."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from coriolis.errors import Conflict, InvalidInput, NotFound
from coriolis.model.enums import ExecutionStatus, Scenario
from coriolis.model.records import ALIVE, Paging, Transfer
from coriolis.store.executions import active_execution, executions_of
from coriolis.store.faults import repeated
from coriolis.store.idempotency import CreationRequest
from coriolis.store.repository import Repository, Row, born, bury, change, get_row, new_id, page, stamps
from coriolis.store.tables import DEPLOYMENT, ENDPOINT, EXECUTION, MIGRATION, TRANSFER

_PROTECTED = ("source_environment", "destination_environment", "user_scripts")
_CHANGEABLE = frozenset(
    {
        "notes",
        "source_environment",
        "destination_environment",
        "network_map",
        "storage_mappings",
        "instance_osmorphing_minion_pool_mappings",
        "user_scripts",
        "clone_disks",
        "skip_os_morphing",
        "origin_minion_pool_id",
        "destination_minion_pool_id",
        "bandwidth_limit",
    }
)

RUNNING_CHANGES = frozenset({"bandwidth_limit"})
"""What may also change while a run is active, which follows it within seconds."""


@dataclass(frozen=True, slots=True)
class BandwidthLimits:
    """As users wrote them, None where they left it to the settings; `endpoints` by id."""

    transfer: str | None
    endpoints: Mapping[str, str | None]


# Built once: every run asks every few seconds.
_LIMITS = (
    sa.select(TRANSFER.c.bandwidth_limit, ENDPOINT.c.id, ENDPOINT.c.bandwidth_limit)
    .join(ENDPOINT, ENDPOINT.c.id.in_([TRANSFER.c.origin_endpoint_id, TRANSFER.c.destination_endpoint_id]))
    .where(TRANSFER.c.id == sa.bindparam("of_transfer"))
    .where(TRANSFER.c.deleted == ALIVE, ENDPOINT.c.deleted == ALIVE)
)


class TransferRepository(Repository):
    def create(
        self,
        *,
        user_id: str,
        project_id: str,
        scenario: Scenario,
        instances: Sequence[str],
        origin_endpoint_id: str,
        destination_endpoint_id: str,
        source_environment: Mapping[str, Any] | None = None,
        destination_environment: Mapping[str, Any] | None = None,
        network_map: Mapping[str, Any] | None = None,
        storage_mappings: Mapping[str, Any] | None = None,
        notes: str | None = None,
        origin_minion_pool_id: str | None = None,
        destination_minion_pool_id: str | None = None,
        instance_osmorphing_minion_pool_mappings: Mapping[str, str] | None = None,
        user_scripts: Mapping[str, Any] | None = None,
        clone_disks: bool | None = None,
        skip_os_morphing: bool | None = None,
        bandwidth_limit: str | None = None,
        request: CreationRequest | None = None,
    ) -> Transfer:
        """`request` is remembered with it. Raises NotFound for an endpoint, InvalidInput when both ends are the
        same or no instance is named, IdempotencyKeyReused."""
        values = {
            "scenario": scenario,
            "instances": list(dict.fromkeys(instances)),
            "source_environment": dict(source_environment or {}),
            "destination_environment": dict(destination_environment or {}),
            "network_map": dict(network_map or {}),
            "storage_mappings": dict(storage_mappings or {}),
            "notes": notes,
            "origin_endpoint_id": origin_endpoint_id,
            "destination_endpoint_id": destination_endpoint_id,
            "origin_minion_pool_id": origin_minion_pool_id,
            "destination_minion_pool_id": destination_minion_pool_id,
            "instance_osmorphing_minion_pool_mappings": dict(instance_osmorphing_minion_pool_mappings or {}),
            "user_scripts": dict(user_scripts or {}),
            "clone_disks": True if clone_disks is None else clone_disks,
            "skip_os_morphing": bool(skip_os_morphing),
            "bandwidth_limit": bandwidth_limit,
        }
        if not values["instances"]:
            raise InvalidInput(message="A transfer needs at least one instance.")
        transfer_id = new_id()

        def create(connection: sa.Connection) -> str:
            self._check_ends(connection, origin_endpoint_id, destination_endpoint_id)
            owner = {"id": transfer_id, "user_id": user_id, "project_id": project_id}
            connection.execute(sa.insert(TRANSFER).values(**owner, **self._stored(values), **born()))
            return transfer_id

        return self.get(self._database.idempotency.create_once(request, create))

    def get(self, transfer_id: str, *, with_executions: bool = False) -> Transfer:
        with self._database.read() as connection:
            row = get_row(connection, TRANSFER, "Transfer", transfer_id)
            return self._records(connection, [row], with_executions)[0]

    def bandwidth_limits(self, transfer_id: str) -> BandwidthLimits:
        """One statement, and nothing is decrypted for it. Raises NotFound."""
        with self._database.read() as connection:
            rows = connection.execute(_LIMITS, {"of_transfer": transfer_id}).all()
        if not rows:
            raise NotFound(kind="Transfer", name=transfer_id)
        return BandwidthLimits(rows[0][0], {endpoint_id: limit for _, endpoint_id, limit in rows})

    def list(
        self,
        project_id: str,
        paging: Paging = Paging(),  # noqa: B008 -- frozen
        *,
        with_executions: bool = False,
    ) -> Sequence[Transfer]:
        """`paging.status` is the status of the last execution (UNEXECUTED: there was none)."""
        conditions = [TRANSFER.c.project_id == project_id]
        if paging.status is not None:
            conditions.append(_last_status() == paging.status)
        with self._database.read() as connection:
            rows = page(connection, TRANSFER, conditions, paging)
            return self._records(connection, rows, with_executions)

    @repeated
    def update(self, transfer_id: str, **values: Any) -> Transfer:
        """Sets what a user may change. Raises NotFound, Conflict while an execution is active and more than the
        bandwidth is to change, InvalidInput for a field that cannot change."""
        wrong = set(values) - _CHANGEABLE
        if wrong:
            raise InvalidInput(message=f"A transfer's {', '.join(sorted(wrong))} cannot be changed.")
        with self._database.write() as connection:
            row = get_row(connection, TRANSFER, "Transfer", transfer_id)
            if set(values) != RUNNING_CHANGES:
                refuse_while_active(connection, transfer_id)
            present = {name: self._reveal(row[name]) for name in _CHANGEABLE}
            change(connection, TRANSFER, transfer_id, self._stored({**present, **values}))
        return self.get(transfer_id)

    @repeated
    def delete(self, transfer_id: str) -> None:
        """Its deployments stay listed. Raises NotFound, or Conflict while an execution or deployment is
        active."""
        with self._database.write() as connection:
            get_row(connection, TRANSFER, "Transfer", transfer_id)
            refuse_while_active(connection, transfer_id)
            bury(connection, TRANSFER, TRANSFER.c.id == transfer_id)
            bury(connection, EXECUTION, EXECUTION.c.action_id == transfer_id)

    def _check_ends(self, connection: sa.Connection, origin_id: str, destination_id: str) -> None:
        origin = get_row(connection, ENDPOINT, "Endpoint", origin_id)
        destination = get_row(connection, ENDPOINT, "Endpoint", destination_id)
        same_cloud = origin["type"] == destination["type"] and self._reveal(
            origin["connection_info"]
        ) == self._reveal(destination["connection_info"])
        if same_cloud:
            raise InvalidInput(message="The source and the destination are the same cloud and user.")

    def _stored(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The maps are part of the destination environment: providers and clients look for them there."""
        stored = dict(values)
        environment = dict(values["destination_environment"])
        for name in ("network_map", "storage_mappings"):
            stored[name] = dict(values[name] or environment.get(name) or {})
            environment[name] = stored[name]
        stored["destination_environment"] = environment
        return {k: self._protect(v) if k in _PROTECTED else v for k, v in stored.items()}

    def _records(
        self, connection: sa.Connection, rows: Sequence[Row], with_executions: bool
    ) -> builtins.list[Transfer]:
        ids = [row["id"] for row in rows]
        # One look into an index for each: to read all of their executions would cost more with every day.
        last = sa.select(TRANSFER.c.id, _last_status()).where(TRANSFER.c.id.in_(ids))
        statuses = {transfer_id: ExecutionStatus(status) for transfer_id, status in connection.execute(last)}
        executions = executions_of(connection, ids) if with_executions else {}
        return [
            Transfer(
                **settings_of(row, self._reveal),
                id=row["id"],
                origin_minion_pool_id=row["origin_minion_pool_id"],
                destination_minion_pool_id=row["destination_minion_pool_id"],
                bandwidth_limit=row["bandwidth_limit"],
                last_execution_status=statuses[row["id"]],
                executions=tuple(executions.get(row["id"], ())),
            )
            for row in rows
        ]


def settings_of(row: Row, reveal: Any) -> dict[str, Any]:
    """The fields that a transfer and a deployment share, and the stamps."""
    plain = (
        "user_id",
        "project_id",
        "origin_endpoint_id",
        "destination_endpoint_id",
        "network_map",
        "storage_mappings",
        "notes",
        "instance_osmorphing_minion_pool_mappings",
        "clone_disks",
        "skip_os_morphing",
    )
    return {
        "scenario": Scenario(row["scenario"]),
        "instances": tuple(row["instances"]),
        **{name: row[name] for name in plain},
        **{name: reveal(row[name]) for name in _PROTECTED},
        **stamps(row),
    }


def _last_status() -> sa.ColumnElement[str]:
    last = (
        sa.select(EXECUTION.c.status)
        .where(EXECUTION.c.action_id == TRANSFER.c.id, EXECUTION.c.deleted == ALIVE)
        .order_by(EXECUTION.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.func.coalesce(last, str(ExecutionStatus.UNEXECUTED))


def refuse_while_active(
    connection: sa.Connection, transfer_id: str, *, migration_id: str | None = None
) -> None:
    """Raises Conflict. The transfer's row is locked first, so that two submissions at once see each other.
    `migration_id`: who asks is this migration, which has the transfer to itself also between two runs."""
    connection.execute(sa.select(TRANSFER.c.id).where(TRANSFER.c.id == transfer_id).with_for_update())
    deployments = sa.select(DEPLOYMENT.c.id).where(
        DEPLOYMENT.c.transfer_id == transfer_id, DEPLOYMENT.c.deleted == ALIVE
    )
    for action_id in (transfer_id, *connection.scalars(deployments)):
        active = active_execution(connection, action_id)
        if active is not None:
            raise Conflict(
                message=f"Transfer {transfer_id} is in use by execution {active}: cancel it or wait."
            )
    migrations = sa.select(MIGRATION.c.id).where(
        MIGRATION.c.transfer_id == transfer_id, MIGRATION.c.status == ExecutionStatus.RUNNING
    )
    for active in connection.scalars(migrations):
        if active != migration_id:
            raise Conflict(
                message=f"Transfer {transfer_id} is in use by migration {active}: cancel it or wait."
            )
