"""/endpoints"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import (
    EndpointCreateEnvelope,
    EndpointUpdateEnvelope,
    ValidateConnectionAction,
    own_limit,
)
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.api.idempotency import Creation
from coriolis.api.masking import unmask
from coriolis.api.regions import require_regions
from coriolis.errors import CoriolisError, EngineError, InvalidInput
from coriolis.model.records import Endpoint

router = APIRouter(tags=["endpoints"])


@router.get("/endpoints")
@router.get("/endpoints/detail", include_in_schema=False)
def list_endpoints(ctx: Ctx, paging: PagingQuery) -> dict[str, Any]:
    return {
        "endpoints": [views.endpoint(item) for item in ctx.database.endpoints.list(ctx.project_id, paging)]
    }


@router.get("/endpoints/{endpoint_id}")
def show_endpoint(ctx: Ctx, endpoint_id: str) -> dict[str, Any]:
    return {"endpoint": views.endpoint(ctx.endpoint(endpoint_id))}


@router.post("/endpoints")
def create_endpoint(ctx: Ctx, body: EndpointCreateEnvelope, creation: Creation) -> dict[str, Any]:
    """Checks the connection info against the platform's schema; logging in is a separate action."""
    wanted = body.endpoint
    require_regions(ctx, wanted.mapped_regions, "endpoint.mapped_regions")
    connection_info = unmask(wanted.connection_info, None, "endpoint.connection_info")
    _check(ctx, wanted.type, connection_info)
    created = ctx.database.endpoints.create(
        user_id=ctx.user_id,
        project_id=ctx.project_id,
        name=wanted.name,
        type=wanted.type,
        description=wanted.description,
        connection_info=connection_info,
        mapped_regions=wanted.mapped_regions,
        bandwidth_limit=own_limit(wanted.bandwidth_limit),
        request=creation,
    )
    return {"endpoint": views.endpoint(created)}


@router.put("/endpoints/{endpoint_id}")
def update_endpoint(ctx: Ctx, endpoint_id: str, body: EndpointUpdateEnvelope) -> dict[str, Any]:
    """A masked secret that is sent back keeps what is stored."""
    present = ctx.endpoint(endpoint_id)
    values = body.endpoint.given()
    if values.pop("type", present.type) != present.type:
        raise InvalidInput(message="endpoint.type: the platform of an endpoint cannot be changed.")
    require_regions(ctx, values.get("mapped_regions", ()), "endpoint.mapped_regions")
    if "bandwidth_limit" in values:
        values["bandwidth_limit"] = own_limit(values["bandwidth_limit"])
    if "connection_info" in values:
        values["connection_info"] = _changed_connection(ctx, present, values["connection_info"])
    if values:
        present = ctx.database.endpoints.update(endpoint_id, **values)
    return {"endpoint": views.endpoint(present)}


@router.delete("/endpoints/{endpoint_id}", status_code=204)
def delete_endpoint(ctx: Ctx, endpoint_id: str) -> Response:
    ctx.endpoint(endpoint_id)
    ctx.database.endpoints.delete(endpoint_id)
    return Response(status_code=204)


@router.post("/endpoints/{endpoint_id}/actions")
def validate_connection(ctx: Ctx, endpoint_id: str, _body: ValidateConnectionAction) -> dict[str, Any]:
    """Logs in. A refusal is an answer here, not an error; that nobody can ask the cloud is one. The message of a valid
    connection says what the cloud lacks."""
    ctx.endpoint(endpoint_id)
    try:
        remarks = ctx.front.validate_endpoint(endpoint_id)
    except EngineError:
        raise
    except CoriolisError as error:
        return {"validate-connection": {"valid": False, "message": str(error)}}
    message = " ".join(["The connection is valid.", *remarks])
    return {"validate-connection": {"valid": True, "message": message}}


def _changed_connection(ctx: Context, present: Endpoint, sent: dict[str, Any]) -> dict[str, Any]:
    connection_info: dict[str, Any] = unmask(sent, present.connection_info, "endpoint.connection_info")
    _check(ctx, present.type, connection_info)
    return connection_info


def _check(ctx: Context, platform: str, connection_info: dict[str, Any]) -> None:
    ctx.front.check_connection_info(platform, connection_info, token=ctx.token)
