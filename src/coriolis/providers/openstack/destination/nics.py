"""The ports of a migrated VM: MAC and IP addresses as the environment wants them."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from coriolis.errors import Conflict, InvalidInput
from coriolis.model.instance import Instance, Nic
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.destination.placement import MappedNetwork, Placement

# The address follows from the MAC, and nobody can choose it.
_AUTOMATIC = frozenset({"slaac", "dhcpv6-stateless"})


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """`existing_id` is of a port that is taken as it is; without it `attributes` (openstacksdk's) make one."""

    nic: Nic
    network_name: str
    existing_id: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


def plan_ports(
    client: OpenStackClient,
    environment: DestinationEnvironment,
    instance: Instance,
    where: Placement,
    ours: Collection[str] = (),
) -> list[PlannedPort]:
    """In the order of the NICs. `ours`: names of ports that an earlier attempt may have made, and is to go on with.

    Raises Conflict for addresses that are taken, InvalidInput for impossible ones.

    Ports of other projects are not seen: for these Neutron's own refusal comes when the port is made.
    """
    return [
        _plan(client, environment, where, nic, network, ours)
        for nic, network in zip(instance.nics, where.networks, strict=True)
    ]


def check_fixed_addresses(
    environment: DestinationEnvironment, instance: Instance, networks: Sequence[MappedNetwork]
) -> None:
    """Raises InvalidInput for an address that is to be preserved and fits no subnet."""
    if environment.preserve_fixed_ips:
        for nic, network in zip(instance.nics, networks, strict=True):
            _fixed_ips(nic, network)


def _plan(  # noqa: PLR0917 - all of them make up one port
    client: OpenStackClient,
    environment: DestinationEnvironment,
    where: Placement,
    nic: Nic,
    network: MappedNetwork,
    ours: Collection[str],
) -> PlannedPort:
    mac = nic.mac_address.lower() if nic.mac_address else None
    policy = environment.port_reuse_policy
    if mac and policy != "replace_mac":
        holder = _holder(client, network, ours, mac_address=mac)
        if holder is not None and policy == "reuse_ports" and not holder.device_id:
            return PlannedPort(nic, network.name, existing_id=holder.id)
        if holder is not None:
            used = f"used by {holder.device_id}" if holder.device_id else "free"
            advice = "replace_mac" if holder.device_id else "reuse_ports or replace_mac"
            raise Conflict(
                message=f"{client.cloud}: MAC address {mac} is that of port {holder.id} of network "
                f"{network.name!r}, which is {used}. Set port_reuse_policy to {advice}, or delete the port."
            )
    attributes: dict[str, Any] = {"network_id": network.id}
    if mac and policy != "replace_mac":
        attributes["mac_address"] = mac
    if where.security_group_ids:
        attributes["security_group_ids"] = list(where.security_group_ids)
    if environment.preserve_fixed_ips:
        fixed = _fixed_ips(nic, network)
        _check_free(client, network, fixed, ours)
        if fixed:
            attributes["fixed_ips"] = fixed
    return PlannedPort(nic, network.name, attributes=attributes)


def _fixed_ips(nic: Nic, network: MappedNetwork) -> list[dict[str, str]]:
    """Neutron's `fixed_ips`; empty where the source told no address."""
    wanted = [ipaddress.ip_address(text) for text in nic.ip_addresses]
    found = []
    for address in (a for a in wanted if not a.is_link_local):
        subnet = next((s for s in network.subnets if address in ipaddress.ip_network(s.cidr)), None)
        if subnet is None:
            cidrs = ", ".join(s.cidr for s in network.subnets)
            raise InvalidInput(
                message=f"Address {address} of NIC {nic.mac_address or nic.network_name} cannot be preserved: network "
                f"{network.name!r} has {cidrs}. Map its network to another one, or unset preserve_fixed_ips."
            )
        automatic = subnet.ipv6_address_mode in _AUTOMATIC
        found.append({"subnet_id": subnet.id} | ({} if automatic else {"ip_address": str(address)}))
    return found


def _check_free(
    client: OpenStackClient,
    network: MappedNetwork,
    fixed: Sequence[dict[str, str]],
    ours: Collection[str],
) -> None:
    for address in (entry["ip_address"] for entry in fixed if "ip_address" in entry):
        holder = _holder(client, network, ours, fixed_ips=f"ip_address={address}")
        if holder is not None:
            raise Conflict(
                message=f"{client.cloud}: address {address} is taken by port {holder.id} of network "
                f"{network.name!r}. Free it, or unset preserve_fixed_ips."
            )


def _holder(
    client: OpenStackClient, network: MappedNetwork, ours: Collection[str], **address: str
) -> Any | None:
    """The port of somebody else that has the address."""
    listing = partial(client.network.ports, network_id=network.id, **address)
    found = client.rows(f"list ports of network {network.name!r}", listing)
    return next((port for port in found if port.name not in ours), None)
