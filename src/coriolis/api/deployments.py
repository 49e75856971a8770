"""/deployments"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import CancelAction, DeploymentCreateEnvelope
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.api.idempotency import Creation
from coriolis.api.transfers import instances_info
from coriolis.model.records import Deployment

router = APIRouter(tags=["deployments"])


@router.get("/deployments")
def list_deployments(ctx: Ctx, paging: PagingQuery, transfer_id: str | None = None) -> dict[str, Any]:
    found = ctx.database.deployments.list(ctx.project_id, paging, transfer_id=transfer_id, with_tasks=False)
    return {"deployments": [views.deployment_summary(item) for item in found]}


@router.get("/deployments/detail")
def list_deployments_in_detail(
    ctx: Ctx, paging: PagingQuery, transfer_id: str | None = None, include_task_info: bool = False
) -> dict[str, Any]:
    found = ctx.database.deployments.list(ctx.project_id, paging, transfer_id=transfer_id)
    return {"deployments": [_view(ctx, item, info=include_task_info) for item in found]}


@router.get("/deployments/{deployment_id}")
def show_deployment(ctx: Ctx, deployment_id: str, include_task_info: bool = False) -> dict[str, Any]:
    """`migration_id` and `downtime`: of the migration that it belongs to, null where it belongs to none."""
    view = _view(ctx, ctx.deployment(deployment_id), info=include_task_info)
    migration = ctx.database.live_migrations.of_deployment(deployment_id)
    view["migration_id"] = None if migration is None else migration.id
    view["downtime"] = views.downtime(migration)
    return {"deployment": view}


@router.post("/deployments")
def create_deployment(ctx: Ctx, body: DeploymentCreateEnvelope, creation: Creation) -> dict[str, Any]:
    wanted = body.deployment
    ctx.transfer(wanted.transfer_id)
    created = ctx.front.deploy(
        wanted.transfer_id,
        user_id=ctx.user_id,
        project_id=ctx.project_id,
        clone_disks=wanted.clone_disks,
        force=wanted.force,
        skip_os_morphing=wanted.skip_os_morphing,
        instance_osmorphing_minion_pool_mappings=wanted.instance_osmorphing_minion_pool_mappings,
        user_scripts=None if wanted.user_scripts is None else wanted.user_scripts.model_dump(),
        request=creation,
    )
    return {"deployment": views.deployment(created, ctx.places(created.execution))}


@router.delete("/deployments/{deployment_id}", status_code=204)
def delete_deployment(ctx: Ctx, deployment_id: str) -> Response:
    """Forgets the deployment; its VMs stay."""
    ctx.deployment(deployment_id)
    ctx.database.deployments.delete(deployment_id)
    return Response(status_code=204)


@router.post("/deployments/{deployment_id}/actions", status_code=204)
def cancel_deployment(ctx: Ctx, deployment_id: str, body: CancelAction) -> Response:
    ctx.deployment(deployment_id)
    ctx.front.cancel_deployment(deployment_id, force=body.cancel.force)
    return Response(status_code=204)


def _view(ctx: Context, record: Deployment, *, info: bool) -> dict[str, Any]:
    view = views.deployment(record, ctx.places(record.execution))
    if info:
        view["info"] = instances_info(ctx, record.transfer_id, record.instances)
    return view
