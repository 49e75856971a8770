"""Deployments."""

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.errors import Conflict
from coriolis.model.enums import ExecutionType
from coriolis.model.records import Deployment, Paging, Transfer
from coriolis.store.executions import NewJob, active_execution, executions_of
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, bury, change, get_row, new_id, page
from coriolis.store.tables import DEPLOYMENT, EXECUTION, JOB
from coriolis.store.transfers import settings_of

if TYPE_CHECKING:
    from coriolis.store.database import Fence


class DeploymentRepository(Repository):
    def get(self, deployment_id: str) -> Deployment:
        with self._database.read() as connection:
            row = get_row(connection, DEPLOYMENT, "Deployment", deployment_id)
            return self._records(connection, [row])[0]

    def list(
        self,
        project_id: str,
        paging: Paging = Paging(),  # noqa: B008 -- frozen
        *,
        transfer_id: str | None = None,
        with_tasks: bool = True,
    ) -> Sequence[Deployment]:
        """`paging.status` is the status of the deployment's execution. Without its tasks a deployment costs a
        seventh to read, which counts where a client polls a list of thousands."""
        conditions = [DEPLOYMENT.c.project_id == project_id]
        if transfer_id is not None:
            conditions.append(DEPLOYMENT.c.transfer_id == transfer_id)
        if paging.status is not None:
            with_status = sa.select(EXECUTION.c.action_id).where(EXECUTION.c.status == paging.status)
            conditions.append(DEPLOYMENT.c.id.in_(with_status))
        with self._database.read() as connection:
            return self._records(connection, page(connection, DEPLOYMENT, conditions, paging), with_tasks)

    @repeated
    def delete(self, deployment_id: str) -> None:
        """Forgets the deployment, not the VMs. Raises NotFound, or Conflict while it is active."""
        with self._database.write() as connection:
            get_row(connection, DEPLOYMENT, "Deployment", deployment_id)
            if active_execution(connection, deployment_id) is not None:
                raise Conflict(message=f"Deployment {deployment_id} is active: cancel it first.")
            bury(connection, DEPLOYMENT, DEPLOYMENT.c.id == deployment_id)

    def submit(
        self,
        connection: sa.Connection,
        transfer: Transfer,
        *,
        user_id: str,
        project_id: str,
        clone_disks: bool,
        skip_os_morphing: bool,
        force: bool,
        instance_osmorphing_minion_pool_mappings: Mapping[str, str],
        user_scripts: Mapping[str, Any],
        jobs: Sequence[NewJob],
    ) -> str:
        """Queues a deployment of the transfer as it is now. Returns the deployment's id."""
        deployment_id = new_id()
        connection.execute(
            sa.insert(DEPLOYMENT).values(
                id=deployment_id,
                transfer_id=transfer.id,
                user_id=user_id,
                project_id=project_id,
                scenario=transfer.scenario,
                instances=[*transfer.instances],
                origin_endpoint_id=transfer.origin_endpoint_id,
                destination_endpoint_id=transfer.destination_endpoint_id,
                source_environment=self._protect(transfer.source_environment),
                destination_environment=self._protect(transfer.destination_environment),
                network_map=dict(transfer.network_map),
                storage_mappings=dict(transfer.storage_mappings),
                notes=transfer.notes,
                instance_osmorphing_minion_pool_mappings=dict(instance_osmorphing_minion_pool_mappings),
                user_scripts=self._protect(user_scripts),
                clone_disks=clone_disks,
                skip_os_morphing=skip_os_morphing,
                force=force,
                **born(),
            )
        )
        self._database.executions.submit(connection, deployment_id, ExecutionType.DEPLOYMENT, jobs)
        return deployment_id

    def of_migration(self, deployment_id: str) -> Deployment:
        """As `get`, also after the user has deleted the record."""
        with self._database.read() as connection:
            query = sa.select(DEPLOYMENT).where(DEPLOYMENT.c.id == deployment_id)
            row = connection.execute(query).mappings().one()
            return self._records(connection, [row], with_tasks=False)[0]

    def run_of(self, connection: sa.Connection, deployment_id: str) -> str:
        """The id of its execution."""
        query = sa.select(EXECUTION.c.id).where(EXECUTION.c.action_id == deployment_id)
        return str(connection.execute(query).scalar_one())

    @repeated
    def set_result(self, fence: "Fence", instance: str, result: Mapping[str, Any]) -> None:
        """Records the VM made of `instance` by the deployment that the fence's job belongs to."""
        with self._database.fenced(fence) as connection:
            query = sa.select(DEPLOYMENT.c.id, DEPLOYMENT.c.transfer_result).join(
                EXECUTION, EXECUTION.c.action_id == DEPLOYMENT.c.id
            )
            query = query.join(JOB, JOB.c.execution_id == EXECUTION.c.id).where(JOB.c.id == fence.job_id)
            row = connection.execute(query.with_for_update()).one()
            results = {**(row.transfer_result or {}), instance: dict(result)}
            change(connection, DEPLOYMENT, row.id, {"transfer_result": results})

    def _records(
        self, connection: sa.Connection, rows: Sequence[Row], with_tasks: bool = True
    ) -> builtins.list[Deployment]:
        executions = executions_of(connection, [row["id"] for row in rows], with_tasks=with_tasks)
        return [
            Deployment(
                **settings_of(row, self._reveal),
                id=row["id"],
                transfer_id=row["transfer_id"],
                force=row["force"],
                transfer_result=row["transfer_result"],
                execution=executions[row["id"]][-1],
            )
            for row in rows
        ]
