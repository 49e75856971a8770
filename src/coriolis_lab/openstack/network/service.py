"""Neutron v2.0."""

from coriolis_lab.openstack.network import floating_ips, networks, others, ports, security_groups, subnets
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, Service, keystone_error


def _render(error: ApiError) -> Json:
    if error.status == 401:
        return keystone_error(error)
    return {
        "NeutronError": {"type": error.kind or "HTTPBadRequest", "message": error.message, "detail": ""},
    }


def _versions(call: Call) -> Reply:
    links = [{"rel": "self", "href": f"{call.base}/network/v2.0/"}]
    return Reply({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


def _resources(call: Call) -> Reply:
    names = (
        "networks",
        "subnets",
        "ports",
        "routers",
        "floatingips",
        "security-groups",
        "security-group-rules",
    )
    resources = [
        {
            "name": name.rstrip("s"),
            "collection": name,
            "links": [{"rel": "self", "href": f"{call.base}/network/v2.0/{name}"}],
        }
        for name in names
    ]
    return Reply({"resources": resources})


SERVICE = Service(
    prefix="/network",
    routes=[
        Route("GET", "", _versions, public=True),
        Route("GET", "/", _versions, public=True),
        Route("GET", "/v2.0", _resources, public=True),
        Route("GET", "/v2.0/", _resources, public=True),
        *networks.ROUTES,
        *subnets.ROUTES,
        *ports.ROUTES,
        *security_groups.ROUTES,
        *floating_ips.ROUTES,
        *others.ROUTES,
    ],
    render=_render,
)
