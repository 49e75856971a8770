"""NICs of VMs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import Conflict
from coriolis.model.enums import EventLevel
from coriolis.providers.base import Operation
from coriolis.providers.ovirt.client import OvirtClient


@dataclass(frozen=True, slots=True)
class PlannedNic:
    """`mac_address` None: the engine takes one of its pool."""

    name: str
    profile_id: str
    mac_address: str | None = None


class Nics:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client

    def of(self, vm_id: str) -> Sequence[Any]:
        found: Sequence[Any] = self._client.call(f"list NICs of VM {vm_id}", self._service(vm_id).list)
        return found

    def addresses_in_use(self) -> set[str]:
        """MAC addresses of all VMs that the user sees, in lower case. One request, however many VMs."""
        service = self._client.system.vms_service()
        listed = self._client.call("list the NICs of all VMs", lambda: service.list(follow="nics"))
        nics = [nic for vm in listed for nic in vm.nics or ()]
        return {nic.mac.address.lower() for nic in nics if nic.mac is not None and nic.mac.address}

    def add(self, op: Operation, vm_id: str, planned: Sequence[PlannedNic]) -> None:
        """Those that are not there yet, by name. A MAC address that is taken here is replaced, with a warning: what
        hangs on it (a DHCP reservation, a licence) is for a person to settle."""
        there = {nic.name for nic in self.of(vm_id)}
        for nic in planned:
            if nic.name in there:
                continue
            try:
                self._add(vm_id, nic, nic.mac_address)
            except Conflict as error:
                if nic.mac_address is None or "MAC" not in error.message:
                    raise
                op.event(
                    EventLevel.WARNING,
                    f"MAC address {nic.mac_address} is in use on the destination: {nic.name} gets a new one.",
                )
                self._add(vm_id, nic, None)

    def remove(self, vm_id: str, name: str) -> None:
        """Of a VM that is down."""
        for nic in self.of(vm_id):
            if nic.name == name:
                service = self._service(vm_id).nic_service(nic.id)
                self._client.optional(f"remove {name}", partial(service.remove, query=self._client.query))

    def _add(self, vm_id: str, planned: PlannedNic, mac_address: str | None) -> None:
        nic = types.Nic(
            name=planned.name,
            interface=types.NicInterface.VIRTIO,
            vnic_profile=types.VnicProfile(id=planned.profile_id),
        )
        if mac_address:
            nic.mac = types.Mac(address=mac_address)
        service = self._service(vm_id)
        self._client.call(
            f"add {planned.name}", lambda: service.add(nic, query=self._client.query), idempotent=False
        )

    def _service(self, vm_id: str) -> Any:
        return self._client.system.vms_service().vm_service(vm_id).nics_service()
