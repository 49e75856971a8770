"""Whether and where the host reaches a guest's SSH port.

A floating IP is a loopback address; it leads to the guest while it is associated with one of the guest's
ports and a security group of that port lets TCP 22 in, as in a real cloud.
"""

import ipaddress
import logging

from coriolis_lab.hypervisor.api import HypervisorError, VmState
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.records import Port, SecurityGroupRule, Server

LOG = logging.getLogger(__name__)


def update_ssh(cloud: Cloud, server_id: str) -> None:
    """Has the hypervisor follow the present floating IPs and rules, a little later. Unknown servers are
    ignored."""
    if server_id in cloud.servers:
        cloud.jobs.submit(f"server/{server_id}", lambda: apply_ssh(cloud, server_id))


def update_group_ssh(cloud: Cloud, security_group_id: str) -> None:
    for port in list(cloud.ports.values()):
        if security_group_id in port.security_group_ids:
            update_ssh(cloud, port.device_id)


def apply_ssh(cloud: Cloud, server_id: str) -> None:
    """In a job of the server's."""
    with cloud.lock:
        server = cloud.servers.get(server_id)
        if server is None or not server.defined:
            return
        wanted = wanted_addresses(cloud, server)
        changes = {mac: a for mac, a in wanted.items() if server.ssh.get(mac) != a}
        changes |= {mac: None for mac, a in server.ssh.items() if a and mac not in wanted}
    if not changes or cloud.hypervisor.vm_status(server_id).state is VmState.STOPPED:
        return
    for mac, address in changes.items():
        try:
            cloud.hypervisor.set_ssh_address(server_id, mac, address)
        except HypervisorError as error:
            # As with Neutron's L3 agent, only the log tells; the next change of addresses tries again.
            LOG.warning("SSH address %s of server %s: %s", address, server_id, error)
            continue
        with cloud.lock:
            server.ssh[mac] = address


def wanted_addresses(cloud: Cloud, server: Server) -> dict[str, str | None]:
    """MAC → loopback address or None, for every NIC."""
    wanted: dict[str, str | None] = {}
    for port in cloud.server_ports(server):
        fip = cloud.port_floating_ip(port)
        wanted[port.mac] = fip.address if fip and lets_ssh_in(cloud, port) else None
    return wanted


def lets_ssh_in(cloud: Cloud, port: Port) -> bool:
    if not port.port_security:
        return True
    groups = (cloud.security_groups.get(group_id) for group_id in port.security_group_ids)
    return any(_allows(rule) for group in groups if group for rule in group.rules)


def _allows(rule: SecurityGroupRule) -> bool:
    """The host comes in through the external network, from a loopback address: seen by rules as from
    anywhere."""
    if rule.direction != "ingress" or rule.ethertype != "IPv4" or rule.remote_group_id:
        return False
    if rule.protocol not in (None, "any", "tcp", "6"):
        return False
    low = 1 if rule.port_range_min is None else rule.port_range_min
    high = 65535 if rule.port_range_max is None else rule.port_range_max
    source = ipaddress.ip_network(rule.remote_ip_prefix or "0.0.0.0/0", strict=False)
    return low <= 22 <= high and ipaddress.ip_address("127.0.0.1") in source
