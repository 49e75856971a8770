"""Errors on the wire: `{"error": {code, message, fault, error_code, hint}}`.

Code, message and fault are what existing clients read; `error_code` (stable, see docs/reference/errors.md)
and `hint` are ours.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from coriolis.errors import (
    AuthenticationRequired,
    CoriolisError,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
)
from coriolis.store.faults import is_unavailable

LOG = logging.getLogger(__name__)

_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}
_OTHER_FAULT = "computeFault"
_UNEXPECTED = "CORI-1000"
_RETRY_AFTER_SECONDS = "5"


def add_fault_handlers(app: FastAPI) -> None:
    app.exception_handler(CoriolisError)(_coriolis_error)
    app.exception_handler(RequestValidationError)(_invalid_request)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(sa.exc.SQLAlchemyError)(_database_error)
    app.exception_handler(Exception)(_unexpected)


def envelope(code: int, message: str, error_code: str, hint: str = "") -> dict[str, Any]:
    fault = _FAULTS.get(code, _OTHER_FAULT)
    return {
        "error": {"code": code, "message": message, "fault": fault, "error_code": error_code, "hint": hint}
    }


def _answer(
    code: int, message: str, error_code: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(envelope(code, message, error_code, hint), status_code=code, headers=headers)


async def _coriolis_error(request: Request, error: CoriolisError) -> JSONResponse:
    if error.http_status >= 500:
        LOG.warning("%s %s: %s %s", request.method, request.url.path, error.code, error.message)
    return _answer(error.http_status, error.message, error.code, error.hint_text, _headers(request, error))


def _headers(request: Request, error: CoriolisError) -> Mapping[str, str] | None:
    """When to ask again; where to get a token, as keystonemiddleware itself would tell."""
    if error.retryable and error.http_status == 503:
        return {"Retry-After": _RETRY_AFTER_SECONDS}
    if not isinstance(error, AuthenticationRequired):
        return None
    authtoken = request.app.state.settings.keystone_authtoken
    uri = authtoken.www_authenticate_uri or authtoken.auth_url
    return {"WWW-Authenticate": f'Keystone uri="{uri}"'}


async def _invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """400, which clients know, rather than FastAPI's 422. What was given may be secret and is not quoted."""
    message = "; ".join(_complaint(item) for item in error.errors())
    return _answer(400, message, InvalidInput.code)


def _complaint(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        reason = error.get("ctx", {}).get("error", "")
        return f"The request body is not valid JSON: {reason} at character {error['loc'][-1]}."
    where = _field(error["loc"])
    if error["type"] == "missing":
        return f"{where}: this field is required."
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such field."
    return f"{where}: {error['msg']}."


def _field(location: Sequence[str | int]) -> str:
    """("body", "transfer", "instances", 0) is "transfer.instances.0"."""
    parts = [str(part) for part in location[1:]]
    return ".".join(parts) if parts else "The request body"


async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    message = str(error.detail)
    if error.status_code == 404:
        message = f"The resource {request.url.path} could not be found."
    elif error.status_code == 405:
        message = f"{request.method} is not supported on {request.url.path}."
    error_code = NotFound.code if error.status_code == 404 else f"CORI-1{error.status_code}"
    return _answer(error.status_code, message, error_code, headers=error.headers)


async def _database_error(request: Request, error: sa.exc.SQLAlchemyError) -> JSONResponse:
    """The client learns that it may try again; what the driver said is for the log."""
    if not is_unavailable(error):
        raise error
    LOG.error("%s %s: %s", request.method, request.url.path, error)
    return await _coriolis_error(request, DatabaseUnavailable(reason="it does not answer."))


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    """The server logs the traceback; the client learns only the kind of the fault."""
    return _answer(
        500,
        f"Unexpected {type(error).__name__}; the server's log has the details.",
        _UNEXPECTED,
        "Please report it with the server's log.",
    )
