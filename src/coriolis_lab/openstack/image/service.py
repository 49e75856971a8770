"""Glance v2: images to read, their properties to change, their files to fetch."""

from coriolis_lab.openstack.image import images, schemas
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, Service, keystone_error


def _render(error: ApiError) -> Json | str:
    """Glance answers in webob's HTML."""
    if error.status == 401:
        return keystone_error(error)
    titles = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
    title = f"{error.status} {titles.get(error.status, 'Error')}"
    return (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  "
        f"{error.message}<br /><br />\n\n\n\n </body>\n</html>"
    )


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
