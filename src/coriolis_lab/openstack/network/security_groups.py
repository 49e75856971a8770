"""/v2.0/security-groups and /v2.0/security-group-rules"""

import ipaddress
from typing import Any

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.network.listing import (
    bad_attribute,
    check_attributes,
    check_quota,
    find,
    listing,
    required,
    show,
)
from coriolis_lab.openstack.records import SecurityGroup, SecurityGroupRule, now
from coriolis_lab.openstack.ssh import update_group_ssh
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, seconds

_RULE_FIELDS = (
    "security_group_id",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
    "description",
)
_PROTOCOLS = (
    *("ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag"),
    *("ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp"),
    *("udp", "udplite", "vrrp"),
)


def default_group(cloud: Cloud, project_id: str) -> SecurityGroup:
    """Neutron makes it when a project first needs it: everything out, in only from the group itself."""
    for group in cloud.security_groups.values():
        if group.project_id == project_id and group.name == "default":
            return group
    group = _new_group(cloud, project_id, "default", "Default security group")
    for ethertype in ("IPv4", "IPv6"):
        add_rule(group, direction="ingress", ethertype=ethertype, remote_group_id=group.id)
    return group


def _new_group(cloud: Cloud, project_id: str, name: str, description: str) -> SecurityGroup:
    group = SecurityGroup(id=new_id(), name=name, project_id=project_id, description=description)
    for ethertype in ("IPv4", "IPv6"):
        add_rule(group, direction="egress", ethertype=ethertype)
    cloud.security_groups[group.id] = group
    return group


def add_rule(group: SecurityGroup, **fields: Any) -> SecurityGroupRule:
    rule = SecurityGroupRule(id=new_id(), project_id=group.project_id, security_group_id=group.id, **fields)
    group.rules.append(rule)
    return rule


def _rule_view(rule: SecurityGroupRule) -> Json:
    return {
        "id": rule.id,
        "tenant_id": rule.project_id,
        "project_id": rule.project_id,
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": rule.remote_ip_prefix,
        "description": rule.description,
        "created_at": seconds(rule.created),
        "updated_at": seconds(rule.created),
        "revision_number": 0,
    }


def _view(group: SecurityGroup) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "stateful": True,
        "tenant_id": group.project_id,
        "project_id": group.project_id,
        "description": group.description,
        "security_group_rules": [_rule_view(rule) for rule in group.rules],
        "shared": False,
        "tags": [],
        "created_at": seconds(group.created),
        "updated_at": seconds(group.updated),
        "revision_number": 1,
    }


def _mine(call: Call) -> list[SecurityGroup]:
    default_group(call.cloud, call.project_id)
    return [group for group in call.cloud.security_groups.values() if call.sees(group.project_id)]


def _find(call: Call) -> SecurityGroup:
    wanted = call.ids["id"]
    group = call.cloud.security_groups.get(wanted)
    if group is None or not call.sees(group.project_id):
        raise ApiError(404, f"Security group {wanted} does not exist", "SecurityGroupNotFound")
    return group


def _list(call: Call) -> Reply:
    return listing(call, "security_groups", [_view(group) for group in _mine(call)])


def _show(call: Call) -> Reply:
    return show(call, "security_group", _view(_find(call)))


def _create(call: Call) -> Reply:
    given = call.member("security_group")
    check_attributes(given, ("name", "description", "stateful"))
    name = str(given.get("name", ""))
    if name.lower() == "default":
        raise ApiError(409, "Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
    used = sum(group.project_id == call.project_id for group in _mine(call))
    check_quota(call, call.project_id, "security_group", used)
    group = _new_group(call.cloud, call.project_id, name, str(given.get("description") or ""))
    return show(call, "security_group", _view(group), 201)


def _update(call: Call) -> Reply:
    group = _find(call)
    given = call.member("security_group")
    check_attributes(given, ("name", "description", "stateful"))
    if group.name == "default" and "name" in given:
        message = "Updating default security group not allowed."
        raise ApiError(409, message, "SecurityGroupCannotUpdateDefault")
    group.name = str(given.get("name", group.name))
    group.description = str(given.get("description", group.description))
    group.updated = now()
    return show(call, "security_group", _view(group))


def _delete(call: Call) -> Reply:
    group = _find(call)
    if any(group.id in port.security_group_ids for port in call.cloud.ports.values()):
        raise ApiError(409, f"Security Group {group.id} in use.", "SecurityGroupInUse")
    if group.name == "default":
        message = "Insufficient rights for removing default security group."
        raise ApiError(409, message, "SecurityGroupCannotRemoveDefault")
    del call.cloud.security_groups[group.id]
    return Reply(None, 204)


def _rules(call: Call) -> dict[str, SecurityGroupRule]:
    return {rule.id: rule for group in _mine(call) for rule in group.rules}


def _find_rule(call: Call) -> SecurityGroupRule:
    words = "Security group rule {} does not exist"
    return find(
        call, _rules(call), "SecurityGroupRuleNotFound", words, lambda rule: call.sees(rule.project_id)
    )


def _list_rules(call: Call) -> Reply:
    return listing(call, "security_group_rules", [_rule_view(rule) for rule in _rules(call).values()])


def _show_rule(call: Call) -> Reply:
    return show(call, "security_group_rule", _rule_view(_find_rule(call)))


def _create_rule(call: Call) -> Reply:
    given = call.member("security_group_rule")
    check_attributes(given, _RULE_FIELDS)
    fields = _rule_fields(given)
    group = call.cloud.security_groups.get(required(given, "security_group_id"))
    if group is None or not call.sees(group.project_id):
        message = f"Security group {given.get('security_group_id')} does not exist"
        raise ApiError(404, message, "SecurityGroupNotFound")
    for rule in group.rules:
        if all(getattr(rule, name) == value for name, value in fields.items() if name != "description"):
            message = f"Security group rule already exists. Rule id is {rule.id}."
            raise ApiError(409, message, "SecurityGroupRuleExists")
    used = sum(rule.project_id == call.project_id for rule in _rules(call).values())
    check_quota(call, call.project_id, "security_group_rule", used)
    rule = add_rule(group, **fields)
    update_group_ssh(call.cloud, group.id)
    return show(call, "security_group_rule", _rule_view(rule), 201)


def _rule_fields(given: Json) -> Json:
    """Checked and complete, so that two rules can be compared."""
    if given.get("direction") not in {"ingress", "egress"}:
        raise bad_attribute("direction", f"{given.get('direction')} is not in valid_values")
    protocol = given.get("protocol")
    protocol = str(protocol).lower() if protocol is not None else None
    if protocol is not None and protocol not in (*_PROTOCOLS, "any") and not protocol.isdigit():
        message = (
            f"Security group rule protocol {protocol} not supported. Only protocol values and integers are."
        )
        raise ApiError(400, message, "SecurityGroupRuleInvalidProtocol")
    low, high = (_port(given.get(name)) for name in ("port_range_min", "port_range_max"))
    if low is not None and protocol is None:
        message = "Must also specify protocol if port range is given."
        raise ApiError(400, message, "SecurityGroupProtocolRequiredWithPorts")
    if protocol in {"tcp", "udp"} and low is not None and (high is None or low > high):
        message = "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        raise ApiError(400, message, "SecurityGroupInvalidPortRange")
    return {
        "direction": given["direction"],
        "ethertype": str(given.get("ethertype") or "IPv4"),
        "protocol": protocol,
        "port_range_min": low,
        "port_range_max": high,
        "remote_ip_prefix": _prefix(given.get("remote_ip_prefix")),
        "remote_group_id": given.get("remote_group_id"),
        "description": str(given.get("description") or ""),
    }


def _port(given: Any) -> int | None:
    if given is None:
        return None
    if not str(given).isdigit() or int(given) > 65535:
        raise ApiError(400, f"Invalid value for port {given}", "SecurityGroupInvalidPortValue")
    return int(given)


def _prefix(given: Any) -> str | None:
    if given is None:
        return None
    try:
        return str(ipaddress.ip_network(str(given), strict=False))
    except ValueError:
        raise ApiError(400, f"Invalid CIDR {given} given as IP prefix.", "InvalidCIDR") from None


def _delete_rule(call: Call) -> Reply:
    rule = _find_rule(call)
    group = call.cloud.security_groups[rule.security_group_id]
    group.rules.remove(rule)
    update_group_ssh(call.cloud, group.id)
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/v2.0/security-groups", _list),
    Route("POST", "/v2.0/security-groups", _create),
    Route("GET", "/v2.0/security-groups/{id}", _show),
    Route("PUT", "/v2.0/security-groups/{id}", _update),
    Route("DELETE", "/v2.0/security-groups/{id}", _delete),
    Route("GET", "/v2.0/security-group-rules", _list_rules),
    Route("POST", "/v2.0/security-group-rules", _create_rule),
    Route("GET", "/v2.0/security-group-rules/{id}", _show_rule),
    Route("DELETE", "/v2.0/security-group-rules/{id}", _delete_rule),
]
