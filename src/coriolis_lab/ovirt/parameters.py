"""Where a request's parameters and API version may stand.

As the engine reads them (VersionFilter, ParametersHelper): a parameter in the query, else in the last part of the
path (`/events;from=7`), and `filter` also as a header; the version in the path (`/api/v4/vms`), else in a header.
"""

import re

from starlette.requests import Request

from coriolis_lab.ovirt.markup import API_ROOT
from coriolis_lab.ovirt.refusals import RefusalError, bad_request
from coriolis_lab.ovirt.web import ApiRoute

VERSION = "4"
_HEADERS = ("filter",)
_VERSION_IN_PATH = re.compile(r"/v(\d+)(/.*)?")
_MATRIX = re.compile(r";[^/]*")


def requested_version(request: Request) -> tuple[str, str]:
    """The version and the path below the API root, without slashes at its ends and without parameters."""
    path = _MATRIX.sub("", request.url.path).removeprefix(API_ROOT)
    in_path = _VERSION_IN_PATH.fullmatch(path)
    if in_path is not None:
        return in_path[1], (in_path[2] or "").strip("/")
    return request.headers.get("version") or VERSION, path.strip("/")


def usage(request: Request, route: ApiRoute) -> RefusalError:
    """What the engine answers to a body that it cannot read: where its documentation tells how it should be."""
    *_, above, last = ["", *(part for part in route.template.split("/") if not part.startswith("{"))]
    if route.is_action:
        place = f"{above.removesuffix('s')}/methods/{last}"
    elif request.method == "POST":
        place = f"{last}/methods/add"
    else:
        place = f"{last.removesuffix('s')}/methods/update"
    address = f"https://{request.url.netloc}/ovirt-engine/apidoc#services/{place}"
    return bad_request("Request syntactically incorrect.", f"For correct usage, see: {address}")


def parameters(request: Request) -> dict[str, str]:
    found = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    for part in request.url.path.rpartition("/")[2].split(";")[1:]:
        name, _, value = part.partition("=")
        found[name] = value
    return {**found, **request.query_params}
