"""/transfers/{id}/migrations"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import CancelAction, MigrationCreateEnvelope
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.api.idempotency import Creation
from coriolis.errors import NotFound
from coriolis.model.migration import Migration

router = APIRouter(prefix="/transfers/{transfer_id}/migrations", tags=["migrations"])


@router.get("")
@router.get("/detail", include_in_schema=False)
def list_migrations(ctx: Ctx, transfer_id: str, paging: PagingQuery) -> dict[str, Any]:
    """Without tasks."""
    ctx.transfer(transfer_id)
    found = ctx.database.live_migrations.list(transfer_id, paging)
    return {"migrations": [views.migration(item) for item in found]}


@router.get("/{migration_id}")
def show_migration(ctx: Ctx, transfer_id: str, migration_id: str) -> dict[str, Any]:
    return {"migration": _in_full(ctx, _migration(ctx, transfer_id, migration_id))}


@router.post("")
def migrate_transfer(
    ctx: Ctx, transfer_id: str, body: MigrationCreateEnvelope, creation: Creation
) -> dict[str, Any]:
    """Copies until what changes meanwhile is little, shuts the instances down, copies that, and deploys."""
    ctx.transfer(transfer_id)
    wanted = body.migration
    begun = ctx.front.migrate(
        transfer_id,
        user_id=ctx.user_id,
        project_id=ctx.project_id,
        max_passes=wanted.max_passes,
        small_delta_bytes=wanted.small_delta_bytes,
        small_delta_seconds=wanted.small_delta_seconds,
        restart_source_on_failure=wanted.restart_source_on_failure,
        skip_os_morphing=wanted.skip_os_morphing,
        instance_osmorphing_minion_pool_mappings=wanted.instance_osmorphing_minion_pool_mappings,
        user_scripts=None if wanted.user_scripts is None else wanted.user_scripts.model_dump(),
        request=creation,
    )
    return {"migration": _in_full(ctx, begun)}


@router.post("/{migration_id}/actions", status_code=204)
def cancel_migration(ctx: Ctx, transfer_id: str, migration_id: str, body: CancelAction) -> Response:
    _migration(ctx, transfer_id, migration_id)
    ctx.front.cancel_migration(migration_id, force=body.cancel.force)
    return Response(status_code=204)


def _in_full(ctx: Context, record: Migration) -> dict[str, Any]:
    """With the tasks of its present run, of the transfer or of the deployment; of one that has ended, the last."""
    places = ctx.places_of([] if record.status.finished else [record.execution_id])
    tasks = ctx.database.tasks.list(record.execution_id)
    return views.migration_in_full(record, tasks, places.get(record.execution_id))


def _migration(ctx: Context, transfer_id: str, migration_id: str) -> Migration:
    ctx.transfer(transfer_id)
    record = ctx.database.live_migrations.get(migration_id)
    if record.transfer_id != transfer_id:
        raise NotFound(kind="Migration", name=migration_id)
    return record
