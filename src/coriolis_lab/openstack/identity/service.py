"""Keystone v3 and, of older releases, v2.0: versions, tokens, and what a client asks about itself."""

from dataclasses import replace

from coriolis_lab.openstack.identity import application_credentials, projects, tokens, v2
from coriolis_lab.openstack.releases import Release
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
    spoken = {3: _version, 2: v2.version}
    majors = sorted(call.cloud.release.identity, reverse=True)
    shown = [spoken[major](call) for major in majors]
    return Reply({"versions": {"values": shown}}, 300, {"Location": shown[0]["links"][0]["href"]})


def _v3(call: Call) -> Reply:
    return Reply({"version": _version(call)})


def _has_v3(release: Release) -> bool:
    return 3 in release.identity


SERVICE = Service(
    prefix="/identity",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        *(
            replace(route, of_release=_has_v3)
            for route in (
                Route("GET", "/v3", _v3, public=True),
                Route("GET", "/v3/", _v3, public=True),
                *tokens.ROUTES,
                *projects.ROUTES,
                *application_credentials.ROUTES,
            )
        ),
        *v2.ROUTES,
    ],
    render=keystone_error,
    unscoped=True,
)
