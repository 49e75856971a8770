"""MAC and IP addresses of ports: choosing them, and refusing those that are taken or foreign."""

import ipaddress
import re
import secrets
from typing import Any

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.network.listing import bad_attribute
from coriolis_lab.openstack.records import FixedIp, Network, Port, Subnet
from coriolis_lab.openstack.web import ApiError

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def network_subnets(cloud: Cloud, network_id: str) -> list[Subnet]:
    return [subnet for subnet in cloud.subnets.values() if subnet.network_id == network_id]


def choose_mac(cloud: Cloud, network: Network, wanted: Any) -> str:
    """`wanted` or a free one of Neutron's base MAC."""
    taken = {port.mac for port in cloud.ports.values() if port.network_id == network.id}
    if wanted is None:
        while (mac := "fa:16:3e:" + secrets.token_bytes(3).hex(":")) in taken:
            continue
        return mac
    mac = str(wanted).lower()
    if not _MAC.fullmatch(mac):
        raise bad_attribute("mac_address", f"'{wanted}' is not a valid MAC address")
    if mac in taken:
        message = f"Unable to complete operation for network {network.id}. The mac address {mac} is in use."
        raise ApiError(409, message, "MacAddressInUse")
    return mac


def choose_fixed_ips(cloud: Cloud, network: Network, wanted: Any, port: Port | None = None) -> list[FixedIp]:
    """`wanted` is a port's `fixed_ips` ([{"subnet_id", "ip_address"}], both optional) or None for one of
    any subnet.

    `port` is the port that is being changed: it may keep what it has. An empty list gives no address.
    """
    subnets = network_subnets(cloud, network.id)
    taken = _taken(cloud, network, port)
    if wanted is None:
        return [FixedIp(s.id, _free(network, [s], taken)) for s in subnets[:1]]
    if not isinstance(wanted, list) or not all(isinstance(entry, dict) for entry in wanted):
        raise bad_attribute("fixed_ips", f"Invalid data format for fixed IP: '{wanted}'")
    chosen: list[FixedIp] = []
    for entry in wanted:
        fixed = _choose(network, subnets, taken, entry)
        taken.add(fixed.address)
        chosen.append(fixed)
    return chosen


def _taken(cloud: Cloud, network: Network, port: Port | None) -> set[str]:
    others = (p for p in cloud.ports.values() if p is not port and p.network_id == network.id)
    return {fixed.address for other in others for fixed in other.fixed_ips}


def _choose(network: Network, subnets: list[Subnet], taken: set[str], entry: dict[str, Any]) -> FixedIp:
    wanted_subnet, address = entry.get("subnet_id"), entry.get("ip_address")
    among = [s for s in subnets if wanted_subnet in (None, s.id)]
    if wanted_subnet and not among:
        raise ApiError(404, f"Subnet {wanted_subnet} could not be found.", "SubnetNotFound")
    if address is None:
        free = _free(network, among, taken)
        return FixedIp(_subnet_of(among, free).id, free)
    if not _in_some(among, address):
        message = f"IP address {address} is not a valid IP for any of the subnets on the specified network."
        raise ApiError(400, message, "InvalidIpForNetwork")
    subnet = _subnet_of(among, address)
    if address in taken or address == subnet.gateway_ip:
        message = f"IP address {address} already allocated in subnet {subnet.id}"
        raise ApiError(409, message, "IpAddressAlreadyAllocated")
    return FixedIp(subnet.id, address)


def _in_some(subnets: list[Subnet], address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise bad_attribute("fixed_ips", f"'{address}' is not a valid IP address") from None
    return any(ip in ipaddress.ip_network(subnet.cidr) for subnet in subnets)


def _subnet_of(subnets: list[Subnet], address: str) -> Subnet:
    ip = ipaddress.ip_address(address)
    return next(subnet for subnet in subnets if ip in ipaddress.ip_network(subnet.cidr))


def _free(network: Network, subnets: list[Subnet], taken: set[str]) -> str:
    for subnet in subnets:
        for first, last in subnet.pools:
            start, end = int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last))
            for number in range(start, end + 1):
                address = str(ipaddress.ip_address(number))
                if address not in taken and address != subnet.gateway_ip:
                    return address
    message = f"No more IP addresses available on network {network.id}."
    raise ApiError(409, message, "IpAddressGenerationFailure")
