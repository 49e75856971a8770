"""/transfers"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import (
    DeleteDisksAction,
    TransferCreateEnvelope,
    TransferUpdateEnvelope,
    VerificationCreateEnvelope,
    own_limit,
)
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.api.idempotency import Creation
from coriolis.api.masking import unmask
from coriolis.model.records import Transfer

router = APIRouter(tags=["transfers"])
_MASKED = ("source_environment", "destination_environment")


@router.get("/transfers")
def list_transfers(ctx: Ctx, paging: PagingQuery, include_task_info: bool = False) -> dict[str, Any]:
    """Without executions: clients poll the whole list, and `last_execution_status` is enough for it."""
    found = ctx.database.transfers.list(ctx.project_id, paging)
    return {"transfers": [_view(ctx, item, info=include_task_info) for item in found]}


@router.get("/transfers/detail")
def list_transfers_in_detail(
    ctx: Ctx, paging: PagingQuery, include_task_info: bool = False
) -> dict[str, Any]:
    found = ctx.database.transfers.list(ctx.project_id, paging, with_executions=True)
    return {"transfers": [_view(ctx, item, info=include_task_info) for item in found]}


@router.get("/transfers/{transfer_id}")
def show_transfer(ctx: Ctx, transfer_id: str, include_task_info: bool = False) -> dict[str, Any]:
    """`migration`: the last one, null where there is none."""
    found = ctx.transfer(transfer_id, with_executions=True)
    last = ctx.database.live_migrations.last(transfer_id)
    shown = {"migration": None if last is None else views.migration(last)}
    return {"transfer": {**_view(ctx, found, info=include_task_info), **shown}}


@router.post("/transfers")
def create_transfer(ctx: Ctx, body: TransferCreateEnvelope, creation: Creation) -> dict[str, Any]:
    wanted = body.transfer
    ctx.endpoint(wanted.origin_endpoint_id)
    ctx.endpoint(wanted.destination_endpoint_id)
    values = wanted.given()
    for name in _MASKED:
        values[name] = unmask(values.get(name, {}), None, f"transfer.{name}")
    values["bandwidth_limit"] = own_limit(values.get("bandwidth_limit"))
    created = ctx.database.transfers.create(
        user_id=ctx.user_id, project_id=ctx.project_id, request=creation, **values
    )
    return {"transfer": views.transfer(created, {})}


@router.put("/transfers/{transfer_id}")
def update_transfer(ctx: Ctx, transfer_id: str, body: TransferUpdateEnvelope) -> dict[str, Any]:
    """Answers with an execution, as clients expect; the change is made at once, so it has completed."""
    present = ctx.transfer(transfer_id)
    values = body.transfer.given()
    if "bandwidth_limit" in values:
        values["bandwidth_limit"] = own_limit(values["bandwidth_limit"])
    for name in _MASKED:
        if name in values:
            values[name] = unmask(values[name], getattr(present, name), f"transfer.{name}")
    return {"execution": views.execution(ctx.front.update_transfer(transfer_id, **values), {})}


@router.delete("/transfers/{transfer_id}", status_code=204)
def delete_transfer(ctx: Ctx, transfer_id: str) -> Response:
    """Its deployments stay listed."""
    ctx.transfer(transfer_id)
    ctx.database.transfers.delete(transfer_id)
    return Response(status_code=204)


@router.post("/transfers/{transfer_id}/verifications")
def verify_transfer(
    ctx: Ctx, transfer_id: str, _body: VerificationCreateEnvelope, creation: Creation
) -> dict[str, Any]:
    """Answers with an execution: its tasks' events say what was found."""
    ctx.transfer(transfer_id)
    queued = ctx.front.verify(transfer_id, request=creation)
    return {"execution": views.execution(queued, ctx.places(queued))}


@router.post("/transfers/{transfer_id}/actions")
def delete_disks(ctx: Ctx, transfer_id: str, _body: DeleteDisksAction) -> dict[str, Any]:
    ctx.transfer(transfer_id)
    queued = ctx.front.delete_disks(transfer_id)
    return {"execution": views.execution(queued, ctx.places(queued))}


@router.get("/transfers/{transfer_id}/schedules", tags=["schedules"])
def list_schedules(ctx: Ctx, transfer_id: str) -> dict[str, Any]:
    """No schedule can be made yet, so there is none."""
    ctx.transfer(transfer_id)
    return {"schedules": []}


def _view(ctx: Context, record: Transfer, *, info: bool) -> dict[str, Any]:
    view = views.transfer(record, ctx.places(*record.executions))
    if info:
        view["info"] = instances_info(ctx, record.id, record.instances)
    return view


def instances_info(ctx: Context, transfer_id: str, instances: tuple[str, ...]) -> dict[str, Any]:
    """By instance: what is known of its disks on the destination."""
    info: dict[str, Any] = {name: {"volumes_info": []} for name in instances}
    for replica in ctx.database.replicas.list(transfer_id):
        info.setdefault(replica.instance, {"volumes_info": []})["volumes_info"].append(
            {
                "disk_id": replica.disk_id,
                "volume_id": replica.volume_id,
                "volume_name": replica.volume_name,
                "size_bytes": replica.size_bytes,
                "generation": replica.generation,
                "dirty": replica.dirty,
            }
        )
    return info
