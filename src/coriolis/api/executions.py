"""/transfers/{id}/executions"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import CancelAction, ExecutionCreateEnvelope
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.api.idempotency import Creation
from coriolis.errors import NotFound
from coriolis.model.records import Execution

router = APIRouter(prefix="/transfers/{transfer_id}/executions", tags=["executions"])


@router.get("")
@router.get("/detail", include_in_schema=False)
def list_executions(ctx: Ctx, transfer_id: str, paging: PagingQuery) -> dict[str, Any]:
    ctx.transfer(transfer_id)
    found = ctx.database.executions.list(transfer_id, paging)
    places = ctx.places(*found)
    return {"executions": [views.execution(item, places) for item in found]}


@router.get("/{execution_id}")
def show_execution(ctx: Ctx, transfer_id: str, execution_id: str) -> dict[str, Any]:
    found = _execution(ctx, transfer_id, execution_id)
    return {"execution": views.execution(found, ctx.places(found))}


@router.post("")
def execute_transfer(
    ctx: Ctx, transfer_id: str, body: ExecutionCreateEnvelope, creation: Creation
) -> dict[str, Any]:
    ctx.transfer(transfer_id)
    wanted = body.execution
    queued = ctx.front.execute_transfer(
        transfer_id,
        shutdown_instances=wanted.shutdown_instances,
        auto_deploy=wanted.auto_deploy,
        request=creation,
    )
    return {"execution": views.execution(queued, ctx.places(queued))}


@router.delete("/{execution_id}", status_code=204)
def delete_execution(ctx: Ctx, transfer_id: str, execution_id: str) -> Response:
    _execution(ctx, transfer_id, execution_id)
    ctx.database.executions.delete(execution_id)
    return Response(status_code=204)


@router.post("/{execution_id}/actions", status_code=204)
def cancel_execution(ctx: Ctx, transfer_id: str, execution_id: str, body: CancelAction) -> Response:
    _execution(ctx, transfer_id, execution_id)
    ctx.front.cancel_execution(execution_id, force=body.cancel.force)
    return Response(status_code=204)


def _execution(ctx: Context, transfer_id: str, execution_id: str) -> Execution:
    ctx.transfer(transfer_id)
    record = ctx.database.executions.get(execution_id)
    if record.action_id != transfer_id:
        raise NotFound(kind="Execution", name=execution_id)
    return record
