"""Glance v2 and, of older releases, v1: images to read, their properties to change, their files to fetch."""

from dataclasses import replace

from coriolis_lab.openstack.image import images, schemas, v1
from coriolis_lab.openstack.releases import Release
from coriolis_lab.openstack.web import ApiError, Call, Reply, Route, Service, html_page

_UNAUTHORIZED = (
    "This server could not verify that you are authorized to access the document you requested. "
    "Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand "
    "how to supply the credentials required."
)


_NUMBERS = {
    1: ("1.1", "1.0"),
    2: ("2.15", "2.9", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0"),
}


def _render(error: ApiError) -> str:
    """Glance answers in webob's HTML."""
    if error.status == 401:
        return html_page(401, _UNAUTHORIZED)
    return html_page(error.status, error.message)


def _has_v2(release: Release) -> bool:
    return 2 in release.image


def _versions(call: Call) -> Reply:
    majors = sorted(call.cloud.release.image, reverse=True)
    versions = [
        {
            "id": f"v{number}",
            "status": "CURRENT" if number == _NUMBERS[majors[0]][0] else "SUPPORTED",
            "links": [{"rel": "self", "href": f"{call.base}/image/v{major}/"}],
        }
        for major in majors
        for number in _NUMBERS[major]
    ]
    return Reply({"versions": versions}, 200 if call.path.endswith("versions") else 300)


SERVICE = Service(
    prefix="/image",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/versions", _versions, public=True),
        *v1.ROUTES,
        *(replace(route, of_release=_has_v2) for route in (*images.ROUTES, *schemas.ROUTES)),
    ],
    render=_render,
)
