"""/minion_pools: none can be made yet"""

from typing import Any

from fastapi import APIRouter

from coriolis.api.context import Ctx
from coriolis.errors import NotFound

router = APIRouter(tags=["minion pools"])


@router.get("/minion_pools")
@router.get("/minion_pools/detail", include_in_schema=False)
def list_minion_pools(_ctx: Ctx) -> dict[str, Any]:
    return {"minion_pools": []}


@router.get("/minion_pools/{pool_id}")
def show_minion_pool(_ctx: Ctx, pool_id: str) -> dict[str, Any]:
    raise NotFound(kind="Minion pool", name=pool_id)
