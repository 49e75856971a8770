"""Routers, quotas, extensions, agents and availability zones, to read; network quotas also to set."""

from coriolis_lab.openstack.network.listing import find, listing, show
from coriolis_lab.openstack.records import Quotas
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route

_EXTENSIONS = {
    "address-scope": "Address scope",
    "allowed-address-pairs": "Allowed Address Pairs",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "external-net": "Neutron external network",
    "floatingip-pools": "Floating IP Pools Extension",
    "fip-port-details": "Floating IP Port Details Extension",
    "net-mtu": "Network MTU",
    "network_availability_zone": "Network Availability Zone",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quotas": "Quota management support",
    "quota_details": "Quota details management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-timestamp": "Resource timestamps",
}


def _extension(alias: str) -> Json:
    updated = "2015-01-01T10:00:00-00:00"
    return {
        "alias": alias,
        "name": _EXTENSIONS[alias],
        "description": _EXTENSIONS[alias],
        "links": [],
        "updated": updated,
    }


def _extensions(_call: Call) -> Reply:
    return Reply({"extensions": [_extension(alias) for alias in _EXTENSIONS]})


def _show_extension(call: Call) -> Reply:
    alias = call.ids["alias"]
    if alias not in _EXTENSIONS:
        raise ApiError(404, f"Extension with alias {alias} does not exist", "HTTPNotFound")
    return Reply({"extension": _extension(alias)})


def _router(call: Call) -> Json | None:
    """The lab connects every network to every external one through a single router of the administrator's."""
    external = next((n for n in call.cloud.networks.values() if n.external), None)
    if external is None:
        return None
    return {
        "id": call.cloud.router_id,
        "name": "router",
        "tenant_id": external.project_id,
        "project_id": external.project_id,
        "admin_state_up": True,
        "status": "ACTIVE",
        "external_gateway_info": {"network_id": external.id, "external_fixed_ips": [], "enable_snat": True},
        "distributed": False,
        "ha": False,
        "routes": [],
        "description": "",
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "tags": [],
    }


def _routers(call: Call) -> Reply:
    router = _router(call)
    return listing(call, "routers", [router] if router and call.sees(router["project_id"]) else [])


def _show_router(call: Call) -> Reply:
    router = _router(call)
    routers = {router["id"]: router} if router else {}
    return show(
        call,
        "router",
        find(
            call,
            routers,
            "RouterNotFound",
            "Router {} could not be found",
            lambda r: call.sees(r["project_id"]),
        ),
    )


def _used(call: Call, project_id: str) -> dict[str, int]:
    holders = {
        "network": call.cloud.networks,
        "subnet": call.cloud.subnets,
        "port": call.cloud.ports,
        "floatingip": call.cloud.floating_ips,
        "security_group": call.cloud.security_groups,
    }
    used = {
        name: sum(item.project_id == project_id for item in items.values())  # type: ignore[attr-defined]
        for name, items in holders.items()
    }
    groups = call.cloud.security_groups.values()
    used["security_group_rule"] = sum(len(group.rules) for group in groups if group.project_id == project_id)
    return used


def _quota_project(call: Call) -> str:
    project_id = call.ids["project"]
    if not call.sees(project_id):
        raise ApiError(403, "Only admin is authorized to access quotas for another tenant", "AdminRequired")
    return project_id


def _quota(call: Call) -> Reply:
    return Reply({"quota": call.cloud.quota(_quota_project(call)).network})


def _quota_details(call: Call) -> Reply:
    project_id = _quota_project(call)
    used = _used(call, project_id)
    limits = call.cloud.quota(project_id).network
    return Reply(
        {"quota": {n: {"limit": v, "used": used.get(n, 0), "reserved": 0} for n, v in limits.items()}}
    )


def _default_quota(call: Call) -> Reply:
    _quota_project(call)
    return Reply({"quota": Quotas().network})


def _set_quota(call: Call) -> Reply:
    if not call.is_admin:
        raise ApiError(403, "rule:update_quota is disallowed by policy", "PolicyNotAuthorized")
    limits = call.cloud.quota(call.ids["project"]).network
    for name, value in call.member("quota").items():
        if name in limits and isinstance(value, int):
            limits[name] = value
    return Reply({"quota": limits})


def _agents(call: Call) -> Reply:
    if not call.is_admin:
        return Reply({"agents": []})
    agent: Json = {
        "id": call.cloud.router_id,
        "agent_type": "L3 agent",
        "binary": "neutron-l3-agent",
        "host": "lab",
        "admin_state_up": True,
        "alive": True,
        "availability_zone": "nova",
        "topic": "l3_agent",
        "configurations": {},
    }
    return listing(call, "agents", [agent])


def _zones(call: Call) -> Reply:
    zones = [{"name": "nova", "resource": kind, "state": "available"} for kind in ("network", "router")]
    return listing(call, "availability_zones", zones)


def _empty(call: Call) -> Reply:
    return listing(call, call.path.rsplit("/", 1)[1].replace("-", "_"), [])


ROUTES = [
    Route("GET", "/v2.0/extensions", _extensions),
    Route("GET", "/v2.0/extensions/{alias}", _show_extension),
    Route("GET", "/v2.0/routers", _routers),
    Route("GET", "/v2.0/routers/{id}", _show_router),
    Route("GET", "/v2.0/quotas/{project}", _quota),
    Route("PUT", "/v2.0/quotas/{project}", _set_quota),
    Route("GET", "/v2.0/quotas/{project}/default", _default_quota),
    Route("GET", "/v2.0/quotas/{project}/details", _quota_details),
    Route("GET", "/v2.0/quotas/{project}/details.json", _quota_details),
    Route("GET", "/v2.0/agents", _agents),
    Route("GET", "/v2.0/availability_zones", _zones),
    Route("GET", "/v2.0/subnetpools", _empty),
    Route("GET", "/v2.0/address-scopes", _empty),
]
