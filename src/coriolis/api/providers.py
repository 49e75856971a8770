"""/providers"""

from typing import Any

from fastapi import APIRouter

from coriolis.api.context import Ctx

router = APIRouter(tags=["providers"])


@router.get("/providers")
def list_providers(ctx: Ctx) -> dict[str, Any]:
    return {"providers": {name: {"types": list(types)} for name, types in ctx.front.platforms().items()}}


@router.get("/providers/{platform}/schemas/{provider_type}")
def list_schemas(ctx: Ctx, platform: str, provider_type: int) -> dict[str, Any]:
    """`provider_type`: 16 connection info, 4 destination environment, 8 source environment."""
    return {"schemas": dict(ctx.front.schemas(platform, provider_type))}
