"""Glance v2: images to read, their properties to change, their files to fetch."""

from coriolis_lab.openstack.image import images, schemas
from coriolis_lab.openstack.web import ApiError, Call, Reply, Route, Service, html_page

_UNAUTHORIZED = (
    "This server could not verify that you are authorized to access the document you requested. "
    "Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand "
    "how to supply the credentials required."
)


def _render(error: ApiError) -> str:
    """Glance answers in webob's HTML."""
    if error.status == 401:
        return html_page(401, _UNAUTHORIZED)
    return html_page(error.status, error.message)


def _versions(call: Call) -> Reply:
    numbers = ("2.15", "2.9", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0")
    links = [{"rel": "self", "href": f"{call.base}/image/v2/"}]
    versions = [
        {"id": f"v{number}", "status": "SUPPORTED" if index else "CURRENT", "links": links}
        for index, number in enumerate(numbers)
    ]
    return Reply({"versions": versions}, 200 if call.path.endswith("versions") else 300)


SERVICE = Service(
    prefix="/image",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/versions", _versions, public=True),
        *images.ROUTES,
        *schemas.ROUTES,
    ],
    render=_render,
)
