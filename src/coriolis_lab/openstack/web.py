"""Requests and replies: routing, tokens, microversions, request ids, and each service's way to say no."""

import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route as StarletteRoute

from coriolis_lab.faults import Fault
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.records import Token
from coriolis_lab.openstack.releases import Release

Json = dict[str, Any]
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class ApiError(Exception):
    """A refusal. `kind` is the exception's class name, which Neutron and (for quotas) Cinder show to the
    client."""

    def __init__(
        self, status: int, message: str, kind: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Reply:
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None


@dataclass(frozen=True)
class Call:
    """One request. `origin` is the server's URL, `base` what the region and the interface have below it; `ids` are
    the path's variables; `version` the negotiated microversion, (0, 0) where there is none."""

    cloud: Cloud
    origin: str
    base: str
    method: str
    path: str
    query: QueryParams
    ids: Mapping[str, str]
    body: Any
    version: tuple[int, int]
    bearer: Token | None
    token_header: str | None = None
    subject_header: str | None = None
    accept: str = "*/*"
    headers: Mapping[str, str] = field(default_factory=dict)

    def at_least(self, minor: int) -> bool:
        return self.version[1] >= minor

    @property
    def token(self) -> Token:
        if self.bearer is None:
            raise LookupError("a route marked `public` asked for its token")
        return self.bearer

    @property
    def project_id(self) -> str:
        if self.token.project is None:
            raise LookupError("Keystone, which alone takes unscoped tokens, asked for the project of one")
        return self.token.project.id

    @property
    def user_id(self) -> str:
        return self.token.user.id

    @property
    def is_admin(self) -> bool:
        return self.token.is_admin

    def sees(self, project_id: str) -> bool:
        return self.is_admin or project_id == self.project_id

    def member(self, name: str) -> Json:
        """The object under `name` in the body: {"server": {...}}."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if not isinstance(value, dict):
            raise ApiError(400, self._missing(name), "HTTPBadRequest")
        return value

    def _missing(self, name: str) -> str:
        if self.path.startswith("/network/"):
            return f"Unable to find '{name}' in request body"
        if self.path.startswith("/identity/"):
            return (
                f"Expecting to find {name} in request body. The server could not comply with the request "
                "since it is either malformed or otherwise incorrect. The client is assumed to be in error."
            )
        return f"'{name}' is a required property"

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in {"1", "true", "yes", "t", "y", "on"}


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """`public`: without a token. `unlocked`: the handler asks the hypervisor and takes the lock itself.
    `of_release`: whether a cloud of that release has it."""

    method: str
    path: str
    handler: Handler
    public: bool = False
    unlocked: bool = False
    of_release: Callable[[Release], bool] = lambda _release: True


@dataclass(frozen=True)
class Microversions:
    """`service` as in the header `OpenStack-API-Version: compute 2.93`; `legacy` is Nova's older header."""

    service: str
    minimum: tuple[int, int]
    maximum: tuple[int, int]
    legacy: str | None = None

    def negotiate(self, request: Request) -> tuple[int, int]:
        wanted = None
        for part in request.headers.get("OpenStack-API-Version", "").split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.service:
                wanted = words[1]
        if wanted is None and self.legacy:
            wanted = request.headers.get(self.legacy)
        if wanted is None:
            return self.minimum
        if wanted.lower() == "latest":
            return self.maximum
        if not re.fullmatch(r"[1-9]\d*\.(0|[1-9]\d*)", wanted):
            message = (
                f"API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum."
            )
            raise ApiError(400, message)
        major, minor = (int(number) for number in wanted.split("."))
        if not self.minimum <= (major, minor) <= self.maximum:
            low, high = (".".join(map(str, v)) for v in (self.minimum, self.maximum))
            message = f"Version {wanted} is not supported by the API. Minimum is {low} and maximum is {high}."
            raise ApiError(406, message)
        return (major, minor)

    def headers(self, version: tuple[int, int]) -> dict[str, str]:
        text = f"{version[0]}.{version[1]}"
        headers = {"OpenStack-API-Version": f"{self.service} {text}", "Vary": "OpenStack-API-Version"}
        if self.legacy:
            headers[self.legacy] = text
            headers["Vary"] += f", {self.legacy}"
        return headers


@dataclass(frozen=True)
class Service:
    """`render` turns an ApiError into the body that this service would send (a string is HTML). `raw_bodies`: what
    comes in is no JSON, whatever it is called."""

    prefix: str
    routes: Sequence[Route]
    render: Callable[[ApiError], Json | str]
    versions: Microversions | None = None
    unscoped: bool = False
    raw_bodies: bool = False

    def starlette_routes(self, cloud: Cloud) -> Iterable[StarletteRoute]:
        service = self._as_of(cloud.release)
        for route in self.routes:
            if route.of_release(cloud.release):
                yield StarletteRoute(
                    self.prefix + route.path, service._endpoint(cloud, route), methods=[route.method]
                )
        # no middleware asks for tokens before Keystone, which alone takes unscoped ones
        lost = Route("GET", "", not_found, public=self.unscoped)
        yield StarletteRoute(self.prefix + "/{rest:path}", service._endpoint(cloud, lost), methods=_METHODS)

    def _as_of(self, release: Release) -> "Service":
        """With the release's latest microversion, which it knows by the name in the version header."""
        if self.versions is None:
            return self
        return replace(self, versions=replace(self.versions, maximum=getattr(release, self.versions.service)))

    def _endpoint(self, cloud: Cloud, route: Route) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._answer, cloud, route, request, body)

        return endpoint

    def _answer(self, cloud: Cloud, route: Route, request: Request, raw: bytes) -> Response:
        headers = {"x-openstack-request-id": f"req-{uuid.uuid4()}"}
        if self.versions and self.versions.legacy:
            headers["x-compute-request-id"] = headers["x-openstack-request-id"]
        try:
            version = self.versions.negotiate(request) if self.versions else (0, 0)
            if self.versions:
                headers.update(self.versions.headers(version))
            bearer = None if route.public else self._bearer(cloud, request)
            if bearer:
                _obey_policy(cloud, request)
            call = _call(cloud, request, raw, version, bearer, parse=not self.raw_bodies)
            if route.unlocked:
                return _response(route.handler(call), headers)
            with cloud.lock:
                return _response(route.handler(call), headers)
        except ApiError as refusal:
            shown = self.render(refusal)
            headers.update(refusal.headers)
            if isinstance(shown, str):
                return Response(shown, refusal.status, headers, "text/html; charset=UTF-8")
            return JSONResponse(shown, refusal.status, headers)

    def _bearer(self, cloud: Cloud, request: Request) -> Token:
        with cloud.lock:
            token = cloud.realm.find_token(request.headers.get("X-Auth-Token", ""))
        if token is None or (token.project is None and not self.unscoped):
            raise unauthorized(str(request.base_url))
        url_project = request.scope["state"].get("url_project")
        if url_project and token.project and url_project != token.project.id and not token.is_admin:
            raise ApiError(400, "Malformed request url")
        return token


NO_ROUTE = "HTTPNotFound"  # an ApiError's `kind`: no handler knows the path
UNAUTHORIZED = "The request you have made requires authentication."


def unauthorized(base: str) -> ApiError:
    challenge = {"WWW-Authenticate": f'Keystone uri="{base.rstrip("/")}/identity"'}
    return ApiError(401, UNAUTHORIZED, "Unauthorized", challenge)


def keystone_error(error: ApiError) -> Json:
    """Keystone's own shape; keystonemiddleware gives it for a 401 in front of every other service too."""
    titles = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
    return {
        "error": {"code": error.status, "message": error.message, "title": titles.get(error.status, "Error")}
    }


def not_found(_call: Call) -> Reply:
    raise ApiError(404, "The resource could not be found.", NO_ROUTE)


def _obey_policy(cloud: Cloud, request: Request) -> None:
    if cloud.faults.strike("policy", f"{request.method} {request.url.path}"):
        raise ApiError(403, "Policy doesn't allow this to be performed.", "PolicyNotAuthorized")


def _call(
    cloud: Cloud,
    request: Request,
    raw: bytes,
    version: tuple[int, int],
    bearer: Token | None,
    *,
    parse: bool = True,
) -> Call:
    body: Any = None
    if parse and raw and "json" in request.headers.get("content-type", "application/json"):
        try:
            body = json.loads(raw)
        except ValueError:
            raise ApiError(400, "Malformed request body", "HTTPBadRequest") from None
    elif raw:
        body = raw
    return Call(
        cloud=cloud,
        origin=f"{request.url.scheme}://{request.url.netloc}",
        base=str(request.base_url).rstrip("/"),
        method=request.method,
        path=request.url.path,
        query=request.query_params,
        ids=request.path_params,
        body=body,
        version=version,
        bearer=bearer,
        token_header=request.headers.get("X-Auth-Token"),
        subject_header=request.headers.get("X-Subject-Token"),
        accept=request.headers.get("Accept", "*/*"),
        headers=request.headers,
    )


def _response(reply: Reply, headers: Mapping[str, str]) -> Response:
    merged = {**headers, **reply.headers}
    if reply.path is not None:
        return FileResponse(reply.path, reply.status, merged, "application/octet-stream")
    if reply.body is None:
        return Response(b"", reply.status, merged)
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, merged)
    return JSONResponse(reply.body, reply.status, merged)


def html_page(status: int, words: str) -> str:
    """As webob renders a refusal that no service has put into its own shape."""
    titles = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
    title = f"{status} {titles.get(status, 'Error')}"
    return (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  "
        f"{words}<br /><br />\n\n\n\n </body>\n</html>"
    )


def strike(call: Call, point: str, name: str) -> Fault | None:
    """The fault that strikes here, after answering 409 to "refuse"; None for an honest answer."""
    fault = call.cloud.faults.strike(point, name)
    if fault and fault.kind == "refuse":
        raise ApiError(409, fault.message or f"The lab was told to refuse {point} of {name}.", "Conflict")
    return fault


def refuse_by_fault(call: Call, point: str, name: str) -> str | None:
    """The kind of the fault of `strike`."""
    fault = strike(call, point, name)
    return fault.kind if fault else None


def seconds(moment: datetime | None) -> str | None:
    """2026-11-22T01:43:05Z: Nova, Glance, Neutron."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def micros(moment: datetime | None) -> str | None:
    """2026-11-22T01:43:05.000000: Cinder, and Nova's launched_at and terminated_at."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None


def new_id() -> str:
    return str(uuid.uuid4())


def new_hex() -> str:
    return secrets.token_hex(16)
