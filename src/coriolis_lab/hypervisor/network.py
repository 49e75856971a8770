"""NICs on QEMU's user network (slirp): DHCP gives the guest the one address that the front chose for it."""

import ipaddress
from collections.abc import Mapping

from coriolis_lab.hypervisor.api import HypervisorError, VmNic
from coriolis_lab.hypervisor.topology import Place

_SSH_PORT = 22


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


def add_forward(nic: VmNic, ssh_address: str) -> str:
    """The monitor command that leads `ssh_address`:22 to the guest."""
    return f"hostfwd_add {netdev_id(nic.mac)} tcp:{ssh_address}:{_SSH_PORT}-{nic.address}:{_SSH_PORT}"


def remove_forward(nic: VmNic, ssh_address: str) -> str:
    return f"hostfwd_remove {netdev_id(nic.mac)} tcp:{ssh_address}:{_SSH_PORT}"
