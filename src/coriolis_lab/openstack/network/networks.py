"""/v2.0/networks"""

from coriolis_lab.openstack.network.listing import bad, check_attributes, check_quota, find, listing, show
from coriolis_lab.openstack.records import Network, now
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, seconds

_SETTABLE = (
    "name",
    "description",
    "admin_state_up",
    "shared",
    "router:external",
    "mtu",
    "port_security_enabled",
    "availability_zone_hints",
    "is_default",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
)


def view(call: Call, network: Network) -> Json:
    shown: Json = {
        "id": network.id,
        "name": network.name,
        "tenant_id": network.project_id,
        "project_id": network.project_id,
        "admin_state_up": True,
        "mtu": 1500,
        "status": "ACTIVE",
        "subnets": [s.id for s in call.cloud.subnets.values() if s.network_id == network.id],
        "shared": network.shared,
        "availability_zone_hints": [],
        "availability_zones": ["nova"],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "router:external": network.external,
        "description": network.description,
        "port_security_enabled": True,
        "tags": [],
        "created_at": seconds(network.created),
        "updated_at": seconds(network.updated),
        "revision_number": 1,
    }
    if call.is_admin:
        kind = "flat" if network.external else "vxlan"
        shown["provider:network_type"] = kind
        shown["provider:physical_network"] = "provider" if network.external else None
        shown["provider:segmentation_id"] = None if network.external else 100 + _number(call, network)
    if network.external:
        shown["is_default"] = False
    return shown


def _number(call: Call, network: Network) -> int:
    return list(call.cloud.networks).index(network.id)


def visible(call: Call, network: Network) -> bool:
    return network.shared or network.external or call.sees(network.project_id)


def _find(call: Call) -> Network:
    return find(
        call,
        call.cloud.networks,
        "NetworkNotFound",
        "Network {} could not be found.",
        lambda n: visible(call, n),
    )


def _own(call: Call) -> Network:
    network = _find(call)
    if not call.sees(network.project_id):
        raise ApiError(404, f"Network {network.id} could not be found.", "NetworkNotFound")
    return network


def _list(call: Call) -> Reply:
    return listing(
        call, "networks", [view(call, n) for n in call.cloud.networks.values() if visible(call, n)]
    )


def _show(call: Call) -> Reply:
    return show(call, "network", view(call, _find(call)))


def _create(call: Call) -> Reply:
    given = call.member("network")
    check_attributes(given, _SETTABLE)
    if (given.get("shared") or given.get("router:external")) and not call.is_admin:
        raise ApiError(403, "rule:create_network is disallowed by policy", "PolicyNotAuthorized")
    used = sum(n.project_id == call.project_id for n in call.cloud.networks.values())
    check_quota(call, call.project_id, "network", used)
    network = Network(
        id=new_id(),
        name=str(given.get("name", "")),
        project_id=call.project_id,
        external=bool(given.get("router:external", False)),
        shared=bool(given.get("shared", False)),
        description=str(given.get("description", "")),
    )
    call.cloud.networks[network.id] = network
    return show(call, "network", view(call, network), 201)


def _update(call: Call) -> Reply:
    network = _own(call)
    given = call.member("network")
    check_attributes(given, _SETTABLE)
    for name in ("name", "description"):
        if name in given:
            if not isinstance(given[name], str):
                raise bad(f"'{given[name]}' is not a valid string")
            setattr(network, name, given[name])
    network.updated = now()
    return show(call, "network", view(call, network))


def _delete(call: Call) -> Reply:
    network = _own(call)
    if ports := [port.id for port in call.cloud.ports.values() if port.network_id == network.id]:
        message = (
            f"Unable to complete operation on network {network.id}. There are one or more ports still in use "
            f"on the network, id for these ports is: {','.join(ports)}."
        )
        raise ApiError(409, message, "NetworkInUse")
    for subnet in [s for s in call.cloud.subnets.values() if s.network_id == network.id]:
        del call.cloud.subnets[subnet.id]
    del call.cloud.networks[network.id]
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/v2.0/networks", _list),
    Route("POST", "/v2.0/networks", _create),
    Route("GET", "/v2.0/networks/{id}", _show),
    Route("PUT", "/v2.0/networks/{id}", _update),
    Route("DELETE", "/v2.0/networks/{id}", _delete),
]
