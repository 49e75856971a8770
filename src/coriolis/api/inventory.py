"""/endpoints/{id}/…: what a cloud has, asked of it now"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from coriolis.api import views
from coriolis.api.context import Ctx, EnvironmentQuery, OptionNamesQuery, decode_base64
from coriolis.api.csv_export import inventory_csv
from coriolis.errors import NotSupported

router = APIRouter(prefix="/endpoints/{endpoint_id}", tags=["inventory"])


@router.get("/instances")
def list_instances(
    ctx: Ctx,
    endpoint_id: str,
    env: EnvironmentQuery,
    *,
    marker: str | None = None,
    limit: Annotated[int | None, Query(ge=0)] = None,
    name: str | None = None,
    refresh: bool = False,  # noqa: ARG001 -- nothing is remembered here, so every list is fresh
) -> dict[str, Any]:
    ctx.endpoint(endpoint_id)
    found = ctx.front.list_instances(
        endpoint_id, env, marker=marker or None, limit=limit or None, name=name or None
    )
    return {"instances": [views.instance_summary(item) for item in found]}


@router.get("/instances/{encoded_name}")
def show_instance(ctx: Ctx, endpoint_id: str, encoded_name: str, env: EnvironmentQuery) -> dict[str, Any]:
    """`encoded_name`: name or id in URL-safe base64."""
    ctx.endpoint(endpoint_id)
    name = decode_base64("instance name", encoded_name)
    return {"instance": views.instance(ctx.front.get_instance(endpoint_id, env, name))}


@router.get("/networks")
def list_networks(ctx: Ctx, endpoint_id: str, env: EnvironmentQuery) -> dict[str, Any]:
    ctx.endpoint(endpoint_id)
    return {"networks": [views.named(item) for item in ctx.front.list_networks(endpoint_id, env)]}


@router.get("/storage")
def list_storage(ctx: Ctx, endpoint_id: str, env: EnvironmentQuery) -> dict[str, Any]:
    ctx.endpoint(endpoint_id)
    backends = [views.named(item) for item in ctx.front.list_storage(endpoint_id, env)]
    return {"storage": {"storage_backends": backends, "config_default": None}}


@router.get("/source-options")
def list_source_options(
    ctx: Ctx, endpoint_id: str, env: EnvironmentQuery, names: OptionNamesQuery
) -> dict[str, Any]:
    ctx.endpoint(endpoint_id)
    return {"source_options": views.options(ctx.front.source_options(endpoint_id, env, names))}


@router.get("/destination-options")
def list_destination_options(
    ctx: Ctx, endpoint_id: str, env: EnvironmentQuery, names: OptionNamesQuery
) -> dict[str, Any]:
    ctx.endpoint(endpoint_id)
    return {"destination_options": views.options(ctx.front.destination_options(endpoint_id, env, names))}


@router.get("/source-minion-pool-options", include_in_schema=False)
@router.get("/destination-minion-pool-options", include_in_schema=False)
def refuse_pool_options(ctx: Ctx, endpoint_id: str) -> None:
    platform = ctx.endpoint(endpoint_id).type
    raise NotSupported(message=f"The provider {platform!r} has no minion pools.")


@router.get("/inventory", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export_inventory(ctx: Ctx, endpoint_id: str, env: EnvironmentQuery) -> Response:
    ctx.endpoint(endpoint_id)
    instances = ctx.front.list_instances(endpoint_id, env)
    return Response(inventory_csv(instances), media_type="text/csv; charset=utf-8")
