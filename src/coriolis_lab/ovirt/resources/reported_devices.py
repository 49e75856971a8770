"""What the guest agent tells of the guest's network; empty until it answers.

The guest's own address on a lab network is out of the host's reach, so the VM's loopback address, whose port
22 leads to the guest, stands in its place. MAC and device name are the guest's.
"""

import ipaddress
import uuid

from coriolis_lab.hypervisor.api import GuestNic
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Vm
from coriolis_lab.ovirt.web import Call, Reply, collection, get


def render(vm: Vm, guest: GuestNic) -> Element:
    identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{vm.id}{guest.name}{guest.mac}"))
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
        f"vms/{vm.id}/reporteddevices/{identifier}",
        identifier,
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


def list_of_vm(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        reported = vm.run.reported if vm.run else ()
        return collection("reported_devices", [render(vm, guest) for guest in reported])


def list_of_nic(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        nic = vm.nics.get(call.ids["nic"])
        reported = (
            [guest for guest in vm.run.reported if nic and guest.mac.lower() == nic.mac] if vm.run else []
        )
        return collection("reported_devices", [render(vm, guest) for guest in reported])


ROUTES = [
    get("vms/{vm}/reporteddevices", list_of_vm),
    get("vms/{vm}/nics/{nic}/reporteddevices", list_of_nic),
]
