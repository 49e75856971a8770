"""Addresses that a guest's agent reports."""

import ipaddress
from typing import Any

from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.vms import Vms


def reported_addresses(client: OvirtClient, vms: Vms, vm_id: str) -> tuple[str, ...]:
    """Of the VM's own NICs, IPv4 first; empty until the guest agent has answered.

    NICs are told from docker0 and the like by their MAC. Link-local addresses are left out; others are taken
    as they are, since only the network decides what is reachable.
    """
    service = vms.service(vm_id)
    nics = client.call(f"list NICs of VM {vm_id}", service.nics_service().list)
    macs = {nic.mac.address.lower() for nic in nics if nic.mac is not None and nic.mac.address}
    devices = client.call(f"list devices of VM {vm_id}", service.reported_devices_service().list)
    found = [
        ipaddress.ip_address(ip.address)
        for device in devices
        if _mac(device) in macs
        for ip in device.ips or ()
        if ip.address
    ]
    usable = [address for address in found if not address.is_link_local]
    return tuple(str(address) for address in sorted(usable, key=lambda address: address.version))


def _mac(device: Any) -> str:
    return (device.mac.address or "").lower() if device.mac is not None else ""
