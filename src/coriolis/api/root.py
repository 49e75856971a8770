"""What is served outside of a project: versions, and whether the server is well"""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from coriolis.api.faults import envelope
from coriolis.engine.reach import CONDUCTOR_TOPIC
from coriolis.errors import EngineError
from coriolis.model.enums import ServiceStatus

router = APIRouter(tags=["versions"])


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v1",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": f"{str(request.base_url).rstrip('/')}/v1"}],
    }


@router.get("/")
def list_versions(request: Request) -> dict[str, Any]:
    return {"versions": [_version(request)]}


@router.get("/v1")
@router.get("/v1/", include_in_schema=False)
def show_version(request: Request) -> dict[str, Any]:
    return {"version": _version(request)}


@router.get("/healthz")
def health() -> dict[str, str]:
    """The process lives and answers; for whoever starts it again otherwise."""
    return {"status": "ok"}


@router.get("/readyz")
def readiness(request: Request) -> JSONResponse:
    """200 while it can do its work, 503 while the database does not answer; for a load balancer. `conductors`:
    how many are up, without which queued jobs wait."""
    state = request.app.state
    try:
        services = state.database.services.list(state.settings.service.down_seconds)
    except sa.exc.SQLAlchemyError as error:
        reason = f"The database does not answer: {type(error).__name__}."
        return JSONResponse(envelope(503, reason, EngineError.code), status_code=503)
    conductors = [item for item in services if item.topic == CONDUCTOR_TOPIC]
    up = [item for item in conductors if item.status is ServiceStatus.UP and item.enabled]
    return JSONResponse({"status": "ok", "conductors": len(up)})
