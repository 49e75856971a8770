"""/resources: the ledger of what was created in the clouds. Ours; existing clients do not know it."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from coriolis.api import views
from coriolis.api.bodies import RetryCleanupAction
from coriolis.api.context import Context, Ctx
from coriolis.model.enums import ResourceState
from coriolis.model.records import LedgerEntry, Paging

router = APIRouter(tags=["resources"])
_EXISTING = tuple(state for state in ResourceState if state is not ResourceState.REMOVED)


@router.get("/resources")
def list_resources(
    ctx: Ctx, leftover: bool = False, everything: Annotated[bool, Query(alias="all")] = False
) -> dict[str, Any]:
    """What was not removed: in use, kept, left over. `leftover`: only the last; `all`: removed ones too."""
    states = (ResourceState.LEFTOVER,) if leftover else () if everything else _EXISTING
    return {"resources": _views(ctx, ctx.database.resources.list(states=states))}


@router.post("/resources/actions")
def retry_cleanup(ctx: Ctx, _body: RetryCleanupAction) -> dict[str, Any]:
    """Tries again to remove every leftover of this project; answers with what still remains."""
    own = _endpoint_names(ctx)
    jobs = dict.fromkeys(entry.job_id for entry in ctx.front.leftovers() if entry.endpoint_id in own)
    remaining = [entry for job_id in jobs for entry in ctx.front.retry_cleanup(job_id)]
    return {"resources": _views(ctx, remaining)}


def _views(ctx: Context, entries: Iterable[LedgerEntry]) -> list[dict[str, Any]]:
    names = _endpoint_names(ctx)
    return [views.ledger_entry(entry, names) for entry in entries if entry.endpoint_id in names]


def _endpoint_names(ctx: Context) -> dict[str, str]:
    """Of the project's endpoints by id, deleted ones too: what they left behind is still theirs."""
    endpoints = ctx.database.endpoints.list(ctx.project_id, Paging(show_deleted=True))
    return {endpoint.id: endpoint.name for endpoint in endpoints}
