"""Nova v2.1, microversions 2.1 to 2.93 or what the release has."""

from coriolis_lab.openstack.compute import (
    actions,
    create,
    flavors,
    interfaces,
    keypairs,
    limits,
    passwords,
    server_groups,
    servers,
    tags,
    volume_attachments,
)
from coriolis_lab.openstack.faultshapes import render_fault
from coriolis_lab.openstack.web import Call, Json, Microversions, Reply, Route, Service

VERSIONS = Microversions("compute", (2, 1), (2, 93), legacy="X-OpenStack-Nova-API-Version")


def _version(call: Call) -> Json:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": "{}.{}".format(*call.cloud.release.compute),
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{call.base}/compute/v2.1/"}],
    }


def _versions(call: Call) -> Reply:
    return Reply({"versions": [_version(call)]})


def _v21(call: Call) -> Reply:
    kinds = [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]
    return Reply({"version": {**_version(call), "media-types": kinds}})


SERVICE = Service(
    prefix="/compute",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v2.1", _v21, public=True),
        Route("GET", "/v2.1/", _v21, public=True),
        *create.ROUTES,
        *servers.ROUTES,
        *actions.ROUTES,
        *volume_attachments.ROUTES,
        *interfaces.ROUTES,
        *flavors.ROUTES,
        *keypairs.ROUTES,
        *limits.ROUTES,
        *passwords.ROUTES,
        *server_groups.ROUTES,
        *tags.ROUTES,
    ],
    render=render_fault,
    versions=VERSIONS,
)
