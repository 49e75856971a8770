"""/v2.0/subnets"""

import ipaddress
from typing import Any

from coriolis_lab.openstack.network.addresses import network_subnets
from coriolis_lab.openstack.network.listing import (
    bad,
    check_attributes,
    check_quota,
    find,
    listing,
    required,
    show,
)
from coriolis_lab.openstack.network.networks import visible as network_visible
from coriolis_lab.openstack.records import Network, Subnet, now
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, seconds

_SETTABLE = (
    "name",
    "description",
    "network_id",
    "ip_version",
    "cidr",
    "gateway_ip",
    "allocation_pools",
    "enable_dhcp",
    "dns_nameservers",
    "host_routes",
)


def view(_call: Call, subnet: Subnet) -> Json:
    return {
        "id": subnet.id,
        "name": subnet.name,
        "tenant_id": subnet.project_id,
        "project_id": subnet.project_id,
        "network_id": subnet.network_id,
        "ip_version": 4,
        "subnetpool_id": None,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "gateway_ip": subnet.gateway_ip,
        "cidr": subnet.cidr,
        "allocation_pools": [{"start": first, "end": last} for first, last in subnet.pools],
        "host_routes": [],
        "dns_nameservers": list(subnet.dns_nameservers),
        "description": "",
        "service_types": [],
        "tags": [],
        "created_at": seconds(subnet.created),
        "updated_at": seconds(subnet.updated),
        "revision_number": 0,
    }


def new_subnet(network: Network, name: str, project_id: str, cidr: str, given: Json) -> Subnet:
    """Raises ApiError 400 for a bad CIDR, gateway or pool; `given` is the body's subnet, as far as it says
    more."""
    try:
        net = ipaddress.IPv4Network(cidr)
        first = net.network_address + 1
        gateway = str(ipaddress.IPv4Address(given["gateway_ip"])) if given.get("gateway_ip") else str(first)
    except ValueError as error:
        raise bad(str(error)) from None
    if "gateway_ip" in given and given["gateway_ip"] is None:
        gateway = ""
    return Subnet(
        id=new_id(),
        name=name,
        project_id=project_id,
        network_id=network.id,
        cidr=str(net),
        gateway_ip=gateway or None,
        pools=_pools(net, given.get("allocation_pools")),
        enable_dhcp=bool(given.get("enable_dhcp", True)),
        dns_nameservers=[str(server) for server in given.get("dns_nameservers") or ()],
    )


def _pools(net: ipaddress.IPv4Network, given: Any) -> list[tuple[str, str]]:
    if not given:
        return [(str(net.network_address + 2), str(net.broadcast_address - 1))]
    pools = []
    for pool in given:
        try:
            first, last = ipaddress.IPv4Address(pool["start"]), ipaddress.IPv4Address(pool["end"])
        except (KeyError, TypeError, ValueError):
            raise bad(f"Invalid data format for IP pool: '{pool}'") from None
        if first > last or first not in net or last not in net:
            message = f"The allocation pool {first}-{last} spans beyond the subnet cidr {net}."
            raise ApiError(400, message, "OutOfBoundsAllocationPool")
        pools.append((str(first), str(last)))
    return pools


def _visible(call: Call, subnet: Subnet) -> bool:
    """A shared network's subnets are everybody's; those of an external one only its owner's."""
    return call.sees(subnet.project_id) or call.cloud.networks[subnet.network_id].shared


def _find(call: Call) -> Subnet:
    return find(
        call,
        call.cloud.subnets,
        "SubnetNotFound",
        "Subnet {} could not be found.",
        lambda s: _visible(call, s),
    )


def _list(call: Call) -> Reply:
    return listing(call, "subnets", [view(call, s) for s in call.cloud.subnets.values() if _visible(call, s)])


def _show(call: Call) -> Reply:
    return show(call, "subnet", view(call, _find(call)))


def _create(call: Call) -> Reply:
    given = call.member("subnet")
    check_attributes(given, _SETTABLE)
    network = call.cloud.networks.get(required(given, "network_id"))
    if network is None or not network_visible(call, network):
        raise ApiError(404, f"Network {given.get('network_id')} could not be found.", "NetworkNotFound")
    used = sum(s.project_id == call.project_id for s in call.cloud.subnets.values())
    check_quota(call, call.project_id, "subnet", used)
    subnet = new_subnet(network, str(given.get("name", "")), call.project_id, str(given.get("cidr")), given)
    net = ipaddress.ip_network(subnet.cidr)
    if any(net.overlaps(ipaddress.ip_network(s.cidr)) for s in network_subnets(call.cloud, network.id)):
        raise bad(
            f"Requested subnet with cidr: {subnet.cidr} for network: {network.id} "
            "overlaps with another subnet"
        )
    call.cloud.subnets[subnet.id] = subnet
    return show(call, "subnet", view(call, subnet), 201)


def _update(call: Call) -> Reply:
    subnet = _find(call)
    given = call.member("subnet")
    check_attributes(given, _SETTABLE)
    for name in ("name", "enable_dhcp", "dns_nameservers"):
        if name in given:
            setattr(subnet, name, given[name])
    subnet.updated = now()
    return show(call, "subnet", view(call, subnet))


def _delete(call: Call) -> Reply:
    subnet = _find(call)
    used = (fixed.subnet_id for port in call.cloud.ports.values() for fixed in port.fixed_ips)
    if subnet.id in used:
        message = (
            f"Unable to complete operation on subnet {subnet.id}: "
            "One or more ports have an IP allocation from this subnet."
        )
        raise ApiError(409, message, "SubnetInUse")
    del call.cloud.subnets[subnet.id]
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/v2.0/subnets", _list),
    Route("POST", "/v2.0/subnets", _create),
    Route("GET", "/v2.0/subnets/{id}", _show),
    Route("PUT", "/v2.0/subnets/{id}", _update),
    Route("DELETE", "/v2.0/subnets/{id}", _delete),
]
