"""The networks of a new server, or of a new interface: from Nova's request to Neutron's ports."""

from typing import Any

from coriolis_lab.openstack.compute.bodies import invalid_field
from coriolis_lab.openstack.network.networks import visible
from coriolis_lab.openstack.network.ports import new_port
from coriolis_lab.openstack.network.security_groups import default_group
from coriolis_lab.openstack.records import Network, Port
from coriolis_lab.openstack.web import ApiError, Call, Json

OWNER = "compute:nova"


def read_networks(call: Call, given: Json, group_ids: list[str] | None) -> list[Port]:
    """Ports not yet bound to the server: the named ones, and new ones on the named networks."""
    wanted = given.get("networks")
    if wanted is None:
        if call.at_least(37):
            raise invalid_field("server", given, "'networks' is a required property")
        wanted = "auto"
    if wanted == "none":
        return []
    if wanted in ("auto", []):
        network = _only_network(call)
        return [_port_on(call, network, {}, group_ids)] if network else []
    if not isinstance(wanted, list) or not all(isinstance(entry, dict) for entry in wanted):
        raise invalid_field("networks", wanted, f"{wanted!r} is not valid under any of the given schemas")
    ports: list[Port] = []
    for entry in wanted:
        port = read_nic(call, entry, group_ids)
        if port in ports:
            raise ApiError(400, f"Port {port.id} is still in use.")
        # Kept at once, so that the next entry gets another address; the caller drops them if a later one is
        # refused.
        ports.append(port)
    return ports


def read_nic(call: Call, entry: Json, group_ids: list[str] | None) -> Port:
    if entry.get("port"):
        return _given_port(call, entry["port"])
    network = call.cloud.networks.get(str(entry.get("uuid")))
    if network is None or not visible(call, network):
        raise ApiError(400, f"Network {entry.get('uuid')} could not be found.")
    if network.external and not network.shared and not call.is_admin:
        raise ApiError(403, f"It is not allowed to create an interface on external network {network.id}")
    fixed: Json = {}
    if entry.get("fixed_ip"):
        fixed["fixed_ips"] = [{"ip_address": entry["fixed_ip"]}]
    return _port_on(call, network, fixed, group_ids)


def _given_port(call: Call, port_id: Any) -> Port:
    port = call.cloud.ports.get(str(port_id))
    if port is None or not call.sees(port.project_id):
        raise ApiError(400, f"Port id {port_id} could not be found.")
    if port.device_id:
        raise ApiError(409, f"Port {port.id} is still in use.")
    if not port.fixed_ips:
        raise ApiError(400, f"Port {port.id} requires a FixedIP in order to be used.")
    return port


def _port_on(call: Call, network: Network, fixed: Json, group_ids: list[str] | None) -> Port:
    if not any(subnet.network_id == network.id for subnet in call.cloud.subnets.values()):
        raise ApiError(400, f"Network {network.id} requires a subnet in order to boot instances on.")
    used = sum(port.project_id == call.project_id for port in call.cloud.ports.values())
    if 0 <= call.cloud.quota(call.project_id).network["port"] <= used:
        raise ApiError(403, "Maximum number of ports exceeded")
    groups = group_ids or [default_group(call.cloud, call.project_id).id]
    try:
        port = new_port(call.cloud, network, call.project_id, fixed, groups)
    except ApiError as refusal:  # Nova passes Neutron's refusal on as its own 400
        raise ApiError(400, refusal.message) from None
    port.made_by_nova = True
    call.cloud.ports[port.id] = port
    return port


def _only_network(call: Call) -> Network | None:
    mine = [n for n in call.cloud.networks.values() if visible(call, n) and not n.external]
    if len(mine) > 1:
        raise ApiError(409, "Multiple possible networks found, use a Network ID to be more specific.")
    return mine[0] if mine else None


def drop_new(call: Call, ports: list[Port]) -> None:
    for port in ports:
        if port.made_by_nova:
            call.cloud.ports.pop(port.id, None)


def read_groups(call: Call, given: Json) -> list[str] | None:
    """Ids of the `security_groups` by name or id; None when the body names none."""
    entries = given.get("security_groups")
    if not entries:
        return None
    default_group(call.cloud, call.project_id)
    mine = [group for group in call.cloud.security_groups.values() if group.project_id == call.project_id]
    ids: list[str] = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        found = [group.id for group in mine if name in {group.id, group.name}]
        if not found:
            raise ApiError(400, f"Unable to find security_group with name or id '{name}'")
        if len(found) > 1:
            message = (
                f"Multiple security_group matches found for name '{name}', use an ID to be more specific."
            )
            raise ApiError(409, message)
        ids.append(found[0])
    return ids
