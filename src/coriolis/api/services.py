"""/services and /diagnostics: the processes of this installation, and what their hosts are"""

from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import ServiceCreateEnvelope, ServiceUpdateEnvelope
from coriolis.api.context import Ctx
from coriolis.api.regions import require_regions

router = APIRouter(tags=["services"])


@router.get("/diagnostics")
def get_diagnostics(ctx: Ctx) -> dict[str, Any]:
    """What each service told of itself when it started."""
    return {
        "diagnostics": [dict(item.specs) for item in ctx.database.services.list(_down(ctx)) if item.specs]
    }


@router.get("/services")
@router.get("/services/detail", include_in_schema=False)
def list_services(ctx: Ctx) -> dict[str, Any]:
    return {"services": [views.service(item) for item in ctx.database.services.list(_down(ctx))]}


@router.get("/services/{service_id}")
def show_service(ctx: Ctx, service_id: str) -> dict[str, Any]:
    return {"service": views.service(ctx.database.services.get(service_id, _down(ctx)))}


@router.post("/services")
def create_service(ctx: Ctx, body: ServiceCreateEnvelope) -> dict[str, Any]:
    """Writes a service down before its process starts, which takes the row up by host, binary and topic."""
    wanted = body.service
    require_regions(ctx, wanted.mapped_regions, "service.mapped_regions")
    made = ctx.database.services.create(
        host=wanted.host,
        binary=wanted.binary,
        topic=wanted.topic,
        enabled=wanted.enabled,
        mapped_regions=wanted.mapped_regions,
        down_seconds=_down(ctx),
    )
    return {"service": views.service(made)}


@router.put("/services/{service_id}")
def update_service(ctx: Ctx, service_id: str, body: ServiceUpdateEnvelope) -> dict[str, Any]:
    """The process learns of it with its next heartbeat. A conductor that is not enabled takes no new jobs."""
    values = body.service.given()
    require_regions(ctx, values.get("mapped_regions", ()), "service.mapped_regions")
    return {"service": views.service(ctx.database.services.update(service_id, _down(ctx), **values))}


@router.delete("/services/{service_id}", status_code=204)
def delete_service(ctx: Ctx, service_id: str) -> Response:
    """Forgets a service that is gone for good; one that lives comes back with its next heartbeat."""
    ctx.database.services.delete(service_id)
    return Response(status_code=204)


def _down(ctx: Ctx) -> float:
    return ctx.settings.service.down_seconds
