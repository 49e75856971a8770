"""What is served outside of a project: versions, and whether the server is well"""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from coriolis.api.faults import envelope
from coriolis.errors import EngineError

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
def health(request: Request) -> JSONResponse:
    """200 while the database answers, 503 when it does not."""
    try:
        with request.app.state.database.read() as connection:
            connection.execute(sa.select(1))
    except sa.exc.SQLAlchemyError as error:
        reason = f"The database does not answer: {type(error).__name__}."
        return JSONResponse(envelope(503, reason, EngineError.code), status_code=503)
    return JSONResponse({"status": "ok"})
