"""What the guest agent tells of the guest's network; empty until it answers.

The guest's own address on a lab network is out of the host's reach, so the VM's loopback address, whose port
22 leads to the guest, stands in its place. MAC and device name are the guest's.
"""

import ipaddress
import uuid
from dataclasses import dataclass

from coriolis_lab.hypervisor.api import GuestNic
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Vm
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call


@dataclass(frozen=True)
class Device:
    vm: Vm
    guest: GuestNic

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.vm.id}{self.guest.name}{self.guest.mac}"))


def render(_call: Call, device: Device) -> Element:
    vm, guest = device.vm, device.guest
    addresses = _addresses(vm, guest)
    ips = None
    if addresses:
        ips = struct(
            "ips",
            *(
                struct("ip", leaf("address", address), leaf("version", version))
                for address, version in addresses
            ),
        )
    return entity(
        "reported_device",
        f"vms/{vm.id}/reporteddevices/{device.id}",
        device.id,
        ips,
        struct("mac", leaf("address", guest.mac)),
        leaf("type", "network"),
        reference("vm", "vms", vm.id),
        name=guest.name,
        description="guest reported data",
    )


def _addresses(vm: Vm, guest: GuestNic) -> list[tuple[str, str]]:
    """(address, "v4" or "v6"). Only the address that the network gave is translated: another one leads
    nowhere.
    """
    if vm.run is None:
        return []
    nic = next((nic for nic in vm.nics.values() if nic.mac == guest.mac.lower()), None)
    reachable = vm.run.ssh_addresses.get(nic.mac) if nic else None
    addresses = []
    for text in guest.addresses:
        version = ipaddress.ip_interface(text).version
        if nic is not None and vm.run.mute:
            continue
        shown = reachable if nic is not None and reachable and text == nic.address else text
        addresses.append((shown, f"v{version}"))
    return addresses


def _of_vm(call: Call) -> list[Device]:
    vm = call.engine.vm(call.ids["vm"])
    return [Device(vm, guest) for guest in vm.run.reported] if vm.run else []


def _of_nic(call: Call) -> list[Device]:
    nic = call.engine.vm(call.ids["vm"]).nics.get(call.ids["nic"])
    if nic is None:
        raise gone()
    return [device for device in _of_vm(call) if device.guest.mac.lower() == nic.mac]


ROUTES: list[ApiRoute] = [
    *catalog("vms/{vm}/reporteddevices", "reported_devices", _of_vm, render),
    *catalog("vms/{vm}/nics/{nic}/reporteddevices", "reported_devices", _of_nic, render),
]
