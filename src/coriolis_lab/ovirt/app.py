"""The engine's HTTP face: authentication, correlation ids, XML in and out, faults of the whole front."""

from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from coriolis_lab.faults_http import HttpFaults, fault_routes
from coriolis_lab.ovirt import follow, json_format
from coriolis_lab.ovirt.document import MAX_BODY_BYTES, MalformedXmlError, Node, parse
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import API_ROOT, Element, leaf, struct, write
from coriolis_lab.ovirt.parameters import VERSION, parameters, requested_version, usage
from coriolis_lab.ovirt.refusals import RefusalError, bad_request
from coriolis_lab.ovirt.resources import all_routes
from coriolis_lab.ovirt.sso import SESSION_COOKIE, Sso, unauthorized
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, Router

XML = "application/xml"
JSON = "application/json"
MAX_CORRELATION_ID = 50
BAD_REQUEST_PAGE = "<html><head><title>Error</title></head><body>Bad Request</body></html>"


class Api:
    """Every path below /ovirt-engine/api."""

    def __init__(self, engine: Engine, sso: Sso) -> None:
        self._engine = engine
        self._sso = sso
        self._router = Router(all_routes())

    async def __call__(self, request: Request) -> Response:
        session = self._sso.session(
            request.headers.get("authorization", ""), request.cookies.get(SESSION_COOKIE, "")
        )
        if session is None:
            return unauthorized()
        accept = request.headers.get("accept", "*/*")
        if not any(kind in accept for kind in (XML, JSON, "*/*", "application/*")):
            return Response(status_code=406)
        version, path = requested_version(request)
        if version != VERSION:
            return HTMLResponse(BAD_REQUEST_PAGE, status_code=400)
        allowed = self._router.methods(path)
        if allowed and request.method not in allowed:
            return Response(status_code=405, headers={"Allow": ", ".join(allowed)})
        if request.method == "OPTIONS":
            return Response(
                ", ".join(allowed), headers={"Allow": ", ".join(allowed)}, media_type="text/plain"
            )
        body = await request.body()
        try:
            status, element = await run_in_threadpool(self._answer, request, path, body)
        except RefusalError as refusal:
            status, element = refusal.status, refusal.fault()
        if element is None:
            answer = Response(status_code=status)
        else:
            headers = {"Correlation-Id": request.query_params.get("correlation_id", "")}
            kind, text = (JSON, json_format.write(element)) if _wants_json(accept) else (XML, write(element))
            answer = Response(text, status_code=status, media_type=kind, headers=headers)
        if "persistent-auth" in request.headers.get("prefer", ""):
            answer.set_cookie(SESSION_COOKIE, session, path="/ovirt-engine/api", secure=True, httponly=True)
        return answer

    def _answer(self, request: Request, path: str, body: bytes) -> tuple[int, Element | None]:
        method = "GET" if request.method == "HEAD" else request.method
        route, ids = self._router.match(method, path)
        try:
            reply = self._run(request, route, ids, path, body)
        except RefusalError as refusal:
            fault = refusal.fault()
            if route.is_action and fault is not None:
                return refusal.status, struct("action", fault, leaf("status", "failed"))
            raise
        if reply.ended and request.headers.get("expect", "").lower() == "201-created":
            reply.ended.wait()
            return 201, self._fetch_created(reply)
        return reply.status, reply.element

    def _run(self, request: Request, route: ApiRoute, ids: dict[str, str], path: str, body: bytes) -> Reply:
        call = Call(
            engine=self._engine,
            path=path,
            ids=ids,
            query=parameters(request),
            body=_read_body(request, route, body),
            correlation_id=_correlation_id(request),
        )
        reply = route.handler(call)
        steps = call.query.get("follow")
        if steps and reply.element is not None and route.method == "GET":
            reply = replace(reply, element=follow.expand(reply.element, steps, self._fetch))
        return reply

    def _fetch(self, path: str) -> Element:
        route, ids = self._router.match("GET", path)
        element = route.handler(Call(self._engine, path, ids)).element
        if element is None:
            raise TypeError(f"GET {path} has no body")
        return element

    def _fetch_created(self, reply: Reply) -> Element | None:
        """The entity as it is after the work; the first answer where it has no address or is gone."""
        if reply.element is None or reply.element.href is None:
            return reply.element
        try:
            return self._fetch(reply.element.href.removeprefix(API_ROOT + "/"))
        except RefusalError:
            return reply.element


def _read_body(request: Request, route: ApiRoute, body: bytes) -> Node | None:
    if not body:
        return None
    if len(body) > MAX_BODY_BYTES:
        raise usage(request, route)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type not in (XML, JSON):
        raise RefusalError(415, "Unsupported Media Type", f"Content type {content_type!r} is not supported.")
    try:
        return json_format.read(body) if content_type == JSON else parse(body)
    except MalformedXmlError as error:
        raise usage(request, route) from error


def _wants_json(accept: str) -> bool:
    """The first of the two that the client names; XML for one that takes anything."""
    json_at, xml_at = accept.find(JSON), accept.find(XML)
    return json_at >= 0 and (xml_at < 0 or json_at < xml_at)


def _correlation_id(request: Request) -> str | None:
    identifier = request.query_params.get("correlation_id") or request.headers.get("correlation-id")
    if identifier and len(identifier) > MAX_CORRELATION_ID:
        raise bad_request(
            "Operation Failed", f"Correlation ID is longer than {MAX_CORRELATION_ID} characters."
        )
    return identifier


def build_app(engine: Engine, sso: Sso, ca_file: Path) -> Starlette:
    async def certificate(_request: Request) -> Response:
        return Response(ca_file.read_bytes(), media_type="application/x-x509-ca-cert")

    async def health(_request: Request) -> Response:
        return PlainTextResponse("DB Up!Welcome to Health Status!")

    api = Api(engine, sso)

    async def answer(request: Request) -> Response:
        return await api(request)

    methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[
            *fault_routes(engine.faults),
            *sso.routes(),
            Route("/ovirt-engine/services/health", health, methods=["GET"]),
            Route("/ovirt-engine/services/pki-resource", certificate, methods=["GET"]),
            Route(API_ROOT, answer, methods=methods),
            Route(API_ROOT + "/{path:path}", answer, methods=methods),
        ],
        middleware=[Middleware(HttpFaults, book=engine.faults, expire_token=sso.expire)],
    )
