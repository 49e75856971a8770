"""/regions: where clouds are, and the conductors near them"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from coriolis.api import views
from coriolis.api.bodies import RegionCreateEnvelope, RegionUpdateEnvelope
from coriolis.api.context import Context, Ctx, PagingQuery
from coriolis.errors import InvalidInput

router = APIRouter(tags=["regions"])


@router.get("/regions")
@router.get("/regions/detail", include_in_schema=False)
def list_regions(ctx: Ctx, paging: PagingQuery) -> dict[str, Any]:
    return {"regions": [views.region(item) for item in ctx.database.regions.list(paging)]}


@router.get("/regions/{region_id}")
def show_region(ctx: Ctx, region_id: str) -> dict[str, Any]:
    return {"region": views.region(ctx.database.regions.get(region_id))}


@router.post("/regions")
def create_region(ctx: Ctx, body: RegionCreateEnvelope) -> dict[str, Any]:
    wanted = body.region
    made = ctx.database.regions.create(
        name=wanted.name, description=wanted.description, enabled=wanted.enabled
    )
    return {"region": views.region(made)}


@router.put("/regions/{region_id}")
def update_region(ctx: Ctx, region_id: str, body: RegionUpdateEnvelope) -> dict[str, Any]:
    """While a region is not enabled, nobody works for it."""
    return {"region": views.region(ctx.database.regions.update(region_id, **body.region.given()))}


@router.delete("/regions/{region_id}", status_code=204)
def delete_region(ctx: Ctx, region_id: str) -> Response:
    ctx.database.regions.delete(region_id)
    return Response(status_code=204)


def require_regions(ctx: Context, region_ids: Sequence[str], field: str) -> None:
    """Raises InvalidInput naming those that are no regions."""
    unknown = ctx.database.regions.unknown(region_ids)
    if unknown:
        raise InvalidInput(message=f"{field}: there is no region {', '.join(map(repr, unknown))}.")
