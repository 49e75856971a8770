"""Keystone v3: versions, tokens, and what a client asks about itself."""

from coriolis_lab.openstack.identity import projects, tokens
from coriolis_lab.openstack.web import Call, Json, Reply, Route, Service, keystone_error


def _version(call: Call) -> Json:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.base}/identity/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _versions(call: Call) -> Reply:
    return Reply({"versions": {"values": [_version(call)]}}, 300, {"Location": f"{call.base}/identity/v3/"})


def _v3(call: Call) -> Reply:
    return Reply({"version": _version(call)})


SERVICE = Service(
    prefix="/identity",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v3", _v3, public=True),
        Route("GET", "/v3/", _v3, public=True),
        *tokens.ROUTES,
        *projects.ROUTES,
    ],
    render=keystone_error,
    unscoped=True,
)
