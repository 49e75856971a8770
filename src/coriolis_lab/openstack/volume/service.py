"""Cinder v3, microversions 3.0 to 3.70 or what the release has."""

from coriolis_lab.openstack.faultshapes import render_fault
from coriolis_lab.openstack.volume import actions, attachments, backups, others, snapshots, types, volumes
from coriolis_lab.openstack.web import Call, Microversions, Reply, Route, Service

VERSIONS = Microversions("volume", (3, 0), (3, 70))


def _versions(call: Call) -> Reply:
    version = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": "{}.{}".format(*call.cloud.release.volume),
        "min_version": "3.0",
        "updated": "2022-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{call.base}/volume/v3/"},
        ],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
        ],
    }
    status = 300 if call.path.rstrip("/").endswith("/volume") else 200
    return Reply({"versions": [version]}, status)


SERVICE = Service(
    prefix="/volume",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v3", _versions, public=True),
        Route("GET", "/v3/", _versions, public=True),
        *volumes.ROUTES,
        *actions.ROUTES,
        *snapshots.ROUTES,
        *backups.ROUTES,
        *types.ROUTES,
        *attachments.ROUTES,
        *others.ROUTES,
    ],
    render=render_fault,
    versions=VERSIONS,
)
