"""Faults over HTTP, shared by both fronts: planting them (`/_lab/faults`) and what strikes every request
(point "http").

    GET    /_lab/faults            200 {"faults": [{point, kind, match, count, seconds, message}]}
    POST   /_lab/faults  {fault}   201 {"fault": {...}}; 400 on a bad one
    DELETE /_lab/faults            204, all are cleared

No authentication: the lab listens on loopback only.
"""

import asyncio
import dataclasses
from collections.abc import Callable

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from coriolis_lab.faults import Fault, FaultBook

_FAULT = TypeAdapter(Fault)
_FIELDS = {field.name for field in dataclasses.fields(Fault)}

# What a load balancer in front of a cloud answers while its back ends are down: no JSON, and no service's
# error shape.
PROXY_PAGE = (
    "<html><body><h1>503 Service Unavailable</h1>\n"
    "No server is available to handle this request.\n</body></html>\n"
)


def fault_routes(book: FaultBook) -> list[Route]:
    """Routes for a Starlette application."""

    async def show(_request: Request) -> Response:
        return JSONResponse({"faults": book.as_json()})

    async def plant(request: Request) -> Response:
        try:
            given = await request.json()
            unknown = set(given) - _FIELDS
            if unknown:
                return JSONResponse({"error": f"unknown fields: {sorted(unknown)}"}, status_code=400)
            fault = _FAULT.validate_python(given)
        except (ValidationError, ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        book.plant(fault)
        return JSONResponse({"fault": dataclasses.asdict(fault)}, status_code=201)

    async def clear(_request: Request) -> Response:
        book.clear()
        return Response(status_code=204)

    return [
        Route("/_lab/faults", show, methods=["GET"]),
        Route("/_lab/faults", plant, methods=["POST"]),
        Route("/_lab/faults", clear, methods=["DELETE"]),
    ]


class HttpFaults:
    """ASGI middleware for the point "http"; a fault's `match` is sought in "METHOD /path".

    Kinds: "503" (a proxy's HTML page), "slow" (`seconds` late), "drop" (the connection is cut without an
    answer; needs `http_server.ServerThread`), "expire_token" (`expire_token` gets the scope and spoils the
    caller's token, then the request goes on and fails as it would in a real cloud).
    """

    def __init__(self, app: ASGIApp, book: FaultBook, expire_token: Callable[[Scope], None]) -> None:
        self._app = app
        self._book = book
        self._expire_token = expire_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None
        if scope["type"] == "http" and not scope["path"].startswith("/_lab/"):
            fault = self._book.strike("http", f"{scope['method']} {scope['path']}")
        kind = fault.kind if fault else None
        if kind == "503":
            await HTMLResponse(PROXY_PAGE, status_code=503)(scope, receive, send)
            return
        if kind == "drop":
            scope["state"]["transport"].abort()
            return
        if fault and kind == "slow":
            await asyncio.sleep(fault.seconds)
        if kind == "expire_token":
            self._expire_token(scope)
        await self._app(scope, receive, send)
