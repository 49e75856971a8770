"""/v2.0/ports"""

from typing import Any

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.network.addresses import choose_fixed_ips, choose_mac
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
from coriolis_lab.openstack.network.security_groups import default_group
from coriolis_lab.openstack.records import Network, Port, now
from coriolis_lab.openstack.ssh import update_ssh
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, seconds

_SETTABLE = (
    "name",
    "description",
    "network_id",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "device_id",
    "device_owner",
    "admin_state_up",
    "port_security_enabled",
    "binding:vnic_type",
    "binding:host_id",
    "binding:profile",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "dns_name",
)


def view(call: Call, port: Port) -> Json:
    shown: Json = {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "tenant_id": port.project_id,
        "project_id": port.project_id,
        "mac_address": port.mac,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [
            {"subnet_id": fixed.subnet_id, "ip_address": fixed.address} for fixed in port.fixed_ips
        ],
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "security_groups": list(port.security_group_ids),
        "description": port.description,
        "binding:vnic_type": "normal",
        "port_security_enabled": port.port_security,
        "tags": [],
        "created_at": seconds(port.created),
        "updated_at": seconds(port.updated),
        "revision_number": 1,
    }
    if call.is_admin:
        bound = bool(port.device_id)
        shown["binding:host_id"] = "lab" if bound else ""
        shown["binding:vif_type"] = "bridge" if bound else "unbound"
        shown["binding:vif_details"] = {"port_filter": True} if bound else {}
        shown["binding:profile"] = {}
    return shown


def new_port(
    cloud: Cloud, network: Network, project_id: str, given: Json, security_group_ids: list[str] | None = None
) -> Port:
    """Made but not yet kept; raises ApiError for addresses and groups that cannot be had."""
    groups = security_group_ids
    if groups is None:
        groups = _groups(cloud, project_id, given.get("security_groups"))
    return Port(
        id=new_id(),
        name=str(given.get("name", "")),
        project_id=project_id,
        network_id=network.id,
        mac=choose_mac(cloud, network, given.get("mac_address")),
        fixed_ips=choose_fixed_ips(cloud, network, given.get("fixed_ips")),
        security_group_ids=groups,
        device_id=str(given.get("device_id") or ""),
        device_owner=str(given.get("device_owner") or ""),
        description=str(given.get("description") or ""),
        admin_state_up=bool(given.get("admin_state_up", True)),
        port_security=bool(given.get("port_security_enabled", True)),
    )


def _groups(cloud: Cloud, project_id: str, given: Any) -> list[str]:
    if given is None:
        return [default_group(cloud, project_id).id]
    if not isinstance(given, list):
        raise bad(f"'{given}' is not a list")
    for group_id in given:
        group = cloud.security_groups.get(group_id)
        if group is None or group.project_id != project_id:
            raise ApiError(404, f"Security group {group_id} does not exist", "SecurityGroupNotFound")
    return list(given)


def _find(call: Call) -> Port:
    return find(
        call,
        call.cloud.ports,
        "PortNotFound",
        "Port {} could not be found.",
        lambda p: call.sees(p.project_id),
    )


def _list(call: Call) -> Reply:
    return listing(
        call, "ports", [view(call, p) for p in call.cloud.ports.values() if call.sees(p.project_id)]
    )


def _show(call: Call) -> Reply:
    return show(call, "port", view(call, _find(call)))


def _check_owner(call: Call, network: Network, given: Json, action: str) -> None:
    """By Neutron's default policy addresses are for the network's owner to choose; others may name a subnet."""
    if call.is_admin or network.project_id == call.project_id:
        return
    fixed = given.get("fixed_ips") or ()
    chosen = ["mac_address"] if given.get("mac_address") else []
    chosen += ["fixed_ips:ip_address"] if any(entry.get("ip_address") for entry in fixed) else []
    for name in chosen:
        message = f"(rule:{action} and rule:{action}:{name}) is disallowed by policy"
        raise ApiError(403, message, "PolicyNotAuthorized")


def _create(call: Call) -> Reply:
    given = call.member("port")
    check_attributes(given, _SETTABLE)
    network = call.cloud.networks.get(required(given, "network_id"))
    if network is None or not network_visible(call, network):
        raise ApiError(404, f"Network {given.get('network_id')} could not be found.", "NetworkNotFound")
    _check_owner(call, network, given, "create_port")
    used = sum(p.project_id == call.project_id for p in call.cloud.ports.values())
    check_quota(call, call.project_id, "port", used)
    port = new_port(call.cloud, network, call.project_id, given)
    call.cloud.ports[port.id] = port
    return show(call, "port", view(call, port), 201)


def _update(call: Call) -> Reply:
    port = _find(call)
    given = call.member("port")
    check_attributes(given, _SETTABLE)
    network = call.cloud.networks[port.network_id]
    _check_owner(call, network, given, "update_port")
    if "mac_address" in given and given["mac_address"] != port.mac:
        if port.device_id:
            message = (
                f"Unable to complete operation on port {port.id}, port is already bound, "
                f"port type: bridge, old_mac {port.mac}, new_mac {given['mac_address']}."
            )
            raise ApiError(409, message, "PortBound")
        port.mac = choose_mac(call.cloud, network, given["mac_address"])
    if "fixed_ips" in given:
        port.fixed_ips = choose_fixed_ips(call.cloud, network, given["fixed_ips"], port)
    if "security_groups" in given:
        port.security_group_ids = _groups(call.cloud, port.project_id, given["security_groups"])
    for name in ("name", "description", "admin_state_up", "device_id", "device_owner"):
        if name in given:
            setattr(port, name, given[name])
    port.updated = now()
    update_ssh(call.cloud, port.device_id)
    return show(call, "port", view(call, port))


def _delete(call: Call) -> Reply:
    """A port of a server goes too (Nova then drops the interface); one of a router does not."""
    port = _find(call)
    if port.device_owner.startswith("network:router"):
        message = (
            f"Port {port.id} cannot be deleted directly via the port API: "
            f"has device owner {port.device_owner}."
        )
        raise ApiError(409, message, "ServicePortInUse")
    remove_port(call.cloud, port)
    return Reply(None, 204)


def remove_port(cloud: Cloud, port: Port) -> None:
    """Floating IPs of it stay, without a port."""
    for fip in cloud.floating_ips.values():
        if fip.port_id == port.id:
            fip.port_id = fip.fixed_address = None
    update_ssh(cloud, port.device_id)
    cloud.ports.pop(port.id, None)


ROUTES = [
    Route("GET", "/v2.0/ports", _list),
    Route("POST", "/v2.0/ports", _create),
    Route("GET", "/v2.0/ports/{id}", _show),
    Route("PUT", "/v2.0/ports/{id}", _update),
    Route("DELETE", "/v2.0/ports/{id}", _delete),
]
