"""/v2.0/floatingips. The address is a loopback address of the hypervisor's."""

from typing import Any

from coriolis_lab.openstack.network.listing import (
    check_attributes,
    check_quota,
    find,
    listing,
    required,
    show,
)
from coriolis_lab.openstack.records import FloatingIp, Network, Port, now
from coriolis_lab.openstack.ssh import update_ssh
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, refuse_by_fault, seconds

_SETTABLE = (
    "floating_network_id",
    "port_id",
    "fixed_ip_address",
    "floating_ip_address",
    "description",
    "subnet_id",
    "dns_name",
    "dns_domain",
)


def view(call: Call, fip: FloatingIp) -> Json:
    port = call.cloud.ports.get(fip.port_id or "")
    details = None
    if port:
        details = {
            "name": port.name,
            "network_id": port.network_id,
            "mac_address": port.mac,
            "admin_state_up": port.admin_state_up,
            "status": port.status,
            "device_id": port.device_id,
            "device_owner": port.device_owner,
        }
    return {
        "id": fip.id,
        "tenant_id": fip.project_id,
        "project_id": fip.project_id,
        "floating_ip_address": fip.address,
        "floating_network_id": fip.network_id,
        "router_id": call.cloud.router_id if port else None,
        "port_id": fip.port_id,
        "fixed_ip_address": fip.fixed_address,
        "status": "ACTIVE" if port else "DOWN",
        "description": fip.description,
        "port_details": details,
        "tags": [],
        "created_at": seconds(fip.created),
        "updated_at": seconds(fip.updated),
        "revision_number": 0,
    }


def _find(call: Call) -> FloatingIp:
    return find(
        call,
        call.cloud.floating_ips,
        "FloatingIPNotFound",
        "Floating IP {} could not be found",
        lambda f: call.sees(f.project_id),
    )


def _list(call: Call) -> Reply:
    shown = [view(call, fip) for fip in call.cloud.floating_ips.values() if call.sees(fip.project_id)]
    return listing(call, "floatingips", shown)


def _show(call: Call) -> Reply:
    return show(call, "floatingip", view(call, _find(call)))


def _create(call: Call) -> Reply:
    """Unlocked: the hypervisor gives the address."""
    given = call.member("floatingip")
    check_attributes(given, _SETTABLE)
    with call.cloud.lock:
        network = _external_network(call, required(given, "floating_network_id"))
        _check_subnet(call, network, given.get("subnet_id"))
        used = sum(fip.project_id == call.project_id for fip in call.cloud.floating_ips.values())
        check_quota(call, call.project_id, "floatingip", used)
        if given.get("floating_ip_address"):
            message = "rule:create_floatingip:floating_ip_address is disallowed by policy"
            raise ApiError(403, message, "PolicyNotAuthorized")
        if given.get("port_id"):
            _associable(call, network, None, given["port_id"])
    kind = refuse_by_fault(call, "floating_ip.create", str(given.get("description") or ""))
    if kind == "error":
        message = f"No more IP addresses available on network {network.id}."
        raise ApiError(409, message, "IpAddressGenerationFailure")
    address = call.cloud.hypervisor.allocate_address()
    try:
        with call.cloud.lock:
            fip = FloatingIp(
                new_id(), call.project_id, network.id, address, str(given.get("description") or "")
            )
            if given.get("port_id"):
                _associate(call, fip, given)
            call.cloud.floating_ips[fip.id] = fip
            return show(call, "floatingip", view(call, fip), 201)
    except ApiError:
        call.cloud.hypervisor.release_address(address)
        raise


def _external_network(call: Call, network_id: str) -> Network:
    network = call.cloud.networks.get(network_id)
    if network is None:
        raise ApiError(404, f"Network {network_id} could not be found.", "NetworkNotFound")
    if not network.external:
        message = f"Bad floatingip request: Network {network.id} is not a valid external network."
        raise ApiError(400, message, "BadRequest")
    return network


def _check_subnet(call: Call, network: Network, subnet_id: Any) -> None:
    if not subnet_id:
        return
    subnet = call.cloud.subnets.get(str(subnet_id))
    if subnet is None or subnet.network_id != network.id:
        message = f"Bad floatingip request: Cannot create floating IP on {network.id}: subnet {subnet_id} is not of it."
        raise ApiError(400, message, "BadRequest")


def _associable(call: Call, network: Network, fip: FloatingIp | None, port_id: Any) -> Port:
    port = call.cloud.ports.get(str(port_id))
    if port is None or not call.sees(port.project_id):
        raise ApiError(404, f"Port {port_id} could not be found.", "PortNotFound")
    if not port.fixed_ips:
        message = (
            "Bad floatingip request: "
            f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses."
        )
        raise ApiError(400, message, "BadRequest")
    if call.cloud.networks[port.network_id].external:
        message = (
            f"External network {network.id} is not reachable from subnet {port.fixed_ips[0].subnet_id}. "
            f"Therefore, cannot associate Port {port.id} with a Floating IP."
        )
        raise ApiError(404, message, "ExternalGatewayForFloatingIPNotFound")
    holder = call.cloud.port_floating_ip(port)
    if holder and holder is not fip:
        message = (
            f"Cannot associate floating IP {holder.address} ({holder.id}) with port {port.id} using fixed IP "
            f"{port.fixed_ips[0].address}, as that fixed IP already has a floating IP "
            f"on external network {network.id}."
        )
        raise ApiError(409, message, "FloatingIPPortAlreadyAssociated")
    return port


def _associate(call: Call, fip: FloatingIp, given: Json) -> None:
    port = _associable(call, call.cloud.networks[fip.network_id], fip, given["port_id"])
    fixed = given.get("fixed_ip_address") or port.fixed_ips[0].address
    if fixed not in {address.address for address in port.fixed_ips}:
        message = f"Bad floatingip request: Port {port.id} does not have fixed ip {fixed}."
        raise ApiError(400, message, "BadRequest")
    fip.port_id, fip.fixed_address = port.id, fixed
    update_ssh(call.cloud, port.device_id)


def _update(call: Call) -> Reply:
    fip = _find(call)
    given = call.member("floatingip")
    check_attributes(given, _SETTABLE)
    if "port_id" in given:
        before = call.cloud.ports.get(fip.port_id or "")
        if given["port_id"]:
            _associate(call, fip, given)
        else:
            fip.port_id = fip.fixed_address = None
        if before and before.id != fip.port_id:
            update_ssh(call.cloud, before.device_id)
    fip.description = str(given.get("description", fip.description))
    fip.updated = now()
    return show(call, "floatingip", view(call, fip))


def _delete(call: Call) -> Reply:
    fip = _find(call)
    del call.cloud.floating_ips[fip.id]
    port = call.cloud.ports.get(fip.port_id or "")
    key = f"address/{fip.address}"
    if port and port.device_id in call.cloud.servers:
        update_ssh(call.cloud, port.device_id)
        key = f"server/{port.device_id}"  # in the queue behind the unbinding
    call.cloud.jobs.submit(key, lambda: call.cloud.hypervisor.release_address(fip.address))
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/v2.0/floatingips", _list),
    Route("POST", "/v2.0/floatingips", _create, unlocked=True),
    Route("GET", "/v2.0/floatingips/{id}", _show),
    Route("PUT", "/v2.0/floatingips/{id}", _update),
    Route("DELETE", "/v2.0/floatingips/{id}", _delete),
]
