"""/resources: the ledger of what was created in the clouds. Ours; existing clients do not know it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query

from coriolis.api import views
from coriolis.api.bodies import RetryCleanupAction
from coriolis.api.context import Context, Ctx
from coriolis.errors import Conflict
from coriolis.model.enums import ResourceState
from coriolis.model.records import JobState, LedgerEntry, Paging

router = APIRouter(tags=["resources"])
_AT_WORK = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.COMPENSATING})
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
    """Queues another try to remove every leftover of this project, and answers with those; look at the list
    again until none of it is `cleaning_up` any more."""
    own = _endpoint_names(ctx)
    leftovers = [entry for entry in ctx.front.leftovers() if entry.endpoint_id in own]
    for job_id in dict.fromkeys(entry.job_id for entry in leftovers):
        # at work means that an earlier wish to try again is being carried out
        with suppress(Conflict):
            ctx.front.retry_cleanup(job_id)
    return {"resources": _views(ctx, leftovers)}


def _views(ctx: Context, entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    names = _endpoint_names(ctx)
    own = [entry for entry in entries if entry.endpoint_id in names]
    leftover_jobs = {entry.job_id for entry in own if entry.state is ResourceState.LEFTOVER}
    at_work = {job_id for job_id in leftover_jobs if ctx.database.jobs.get(job_id).state in _AT_WORK}
    return [views.ledger_entry(entry, names, cleaning_up=entry.job_id in at_work) for entry in own]


def _endpoint_names(ctx: Context) -> dict[str, str]:
    """Of the project's endpoints by id, deleted ones too: what they left behind is still theirs."""
    endpoints = ctx.database.endpoints.list(ctx.project_id, Paging(show_deleted=True))
    return {endpoint.id: endpoint.name for endpoint in endpoints}
