"""NICs on QEMU's user network (slirp): DHCP gives the guest the one address that the front chose for it."""

import ipaddress
from collections.abc import Iterator, Mapping

from coriolis_lab.hypervisor.api import HypervisorError, VmNic
from coriolis_lab.hypervisor.topology import Place

_SSH_PORT = 22
AGENT_PORTS = range(22200, 22208)
"""Led to the guest too, for who sets `[transfer] agent_ports` to them: below those that Linux gives out by itself."""


def device_id(mac: str) -> str:
    return "nic-" + mac.replace(":", "").lower()


def netdev_id(mac: str) -> str:
    return "net-" + mac.replace(":", "").lower()


def netdev(nic: VmNic) -> dict[str, str]:
    """The arguments of netdev_add. slirp's own hosts: the gateway (first address) and a name server (last
    one).
    """
    network = ipaddress.ip_network(nic.network)
    address = ipaddress.ip_address(nic.address)
    if not isinstance(network, ipaddress.IPv4Network) or address not in network:
        raise HypervisorError(f"{nic.address} is no IPv4 address of the network {nic.network}")
    gateway, nameserver = network[1], network[-2]
    if address in (gateway, nameserver, network.network_address, network.broadcast_address):
        raise HypervisorError(f"{nic.address} is reserved in the network {nic.network}")
    return {
        "type": "user",
        "id": netdev_id(nic.mac),
        "net": str(network),
        "host": str(gateway),
        "dns": str(nameserver),
        "dhcpstart": nic.address,
    }


def device(nic: VmNic, place: Place) -> dict[str, str]:
    # no option ROM: nothing boots from the network, and loading it takes seconds
    return {
        "driver": nic.model,
        "id": device_id(nic.mac),
        "netdev": netdev_id(nic.mac),
        "mac": nic.mac,
        "romfile": "",
        "bus": place.bus,
        "addr": place.address,
    }


def command_line_argument(arguments: Mapping[str, str]) -> str:
    return ",".join(
        [arguments["type"], *(f"{key}={value}" for key, value in arguments.items() if key != "type")]
    )


def add_forwards(nic: VmNic, ssh_address: str) -> Iterator[str]:
    """The monitor commands that lead the ports of `ssh_address` to the guest."""
    for port in (_SSH_PORT, *AGENT_PORTS):
        yield f"hostfwd_add {netdev_id(nic.mac)} tcp:{ssh_address}:{port}-{nic.address}:{port}"


def remove_forwards(nic: VmNic, ssh_address: str) -> Iterator[str]:
    for port in (_SSH_PORT, *AGENT_PORTS):
        yield f"hostfwd_remove {netdev_id(nic.mac)} tcp:{ssh_address}:{port}"
