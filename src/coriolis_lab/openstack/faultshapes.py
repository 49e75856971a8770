"""The fault body that Nova and Cinder share: {"itemNotFound": {"code": 404, "message": "..."}}."""

from coriolis_lab.openstack.web import NO_ROUTE, ApiError, Json, html_page, keystone_error

_NAMES = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def render_fault(error: ApiError) -> Json | str:
    """A 401 comes from keystonemiddleware and has Keystone's shape; what has no name is a computeFault, in
    Cinder too."""
    if error.status == 401:
        return keystone_error(error)
    if error.kind == NO_ROUTE:
        return html_page(error.status, error.message)
    fault: Json = {"code": error.status, "message": error.message}
    if error.status in {413, 429}:
        fault["retryAfter"] = error.headers.get("Retry-After", "0")
    return {_NAMES.get(error.status, "computeFault"): fault}
