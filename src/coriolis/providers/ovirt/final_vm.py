"""The VM that a deployment leaves."""

import ipaddress
import time
from collections.abc import Sequence
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudTimeout, NotFound
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience, wait_until
from coriolis.providers.ovirt.addresses import reported_addresses
from coriolis.providers.ovirt.checks import Placement
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.guest_types import os_release
from coriolis.providers.ovirt.hardware import (
    MIB,
    bios_of,
    cpu_of,
    default_maximum,
    memory_of,
    memory_policy_of,
    needs_tpm,
)
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.nics import Nics, PlannedNic
from coriolis.providers.ovirt.options import DestinationEnvironment
from coriolis.providers.ovirt.vms import Vms

DISK_INTERFACE = types.DiskInterface.VIRTIO_SCSI
"""Discard reaches the storage, any number of disks fits, and they can be unplugged while the guest runs."""
_AGENT_SECONDS = 300.0  # a deployment is done when the VM is up; its addresses are told if they come soon
_DHCP_SECONDS = 45.0  # a busy guest took 30 s from its first IPv6 address to its lease


class FinalVm:
    """Marked in its description with the job's name: compensation must never take a user's own VM."""

    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._nics = Nics(client)

    def create(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        *,
        disks: Sequence[ClonedDisk],
        detected: DetectedOs | None,
    ) -> DeployedInstance:
        wanted = self._wanted(op, environment, where, instance, detected)
        op.progress(f"Creating VM {instance.name}")
        vm_id = self._create_vm(op, instance, wanted)
        for number, disk in enumerate(disks):
            op.progress("Attaching disks to the VM", number, len(disks))
            self._vms.attach(op, vm_id, disk.volume_id, DISK_INTERFACE, bootable=number == 0)
        deployed = self._finish(op, environment, where, instance, vm_id)
        for disk in disks:
            op.ledger.keep(ResourceKind.DISK, disk.volume_name, f"disk of deployed VM {instance.name}")
        return deployed

    def begin_in_place(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        disk_ids: Sequence[str],
    ) -> str:
        """The VM with its disks and without NICs, down, before anything is known of its guest. Returns its id."""
        op.progress(f"Creating VM {instance.name}")
        hardware = self._hardware(environment, where, instance, None)
        vm_id = self._create_vm(op, instance, self._named(op, environment, where, instance, hardware))
        for number, disk_id in enumerate(disk_ids):
            op.progress("Attaching disks to the VM", number, len(disk_ids))
            self._vms.attach(op, vm_id, disk_id, DISK_INTERFACE)
        return vm_id

    def finish_in_place(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        *,
        disks: Sequence[ClonedDisk],
        detected: DetectedOs | None,
    ) -> DeployedInstance:
        """Of the VM that `begin_in_place` made, and on which a worker may have run since."""
        vm_id = self.require_vm_id(op)
        hardware = self._hardware(environment, where, instance, detected)
        self._warn(op, instance, hardware)
        hardware.memory_policy.max = default_maximum(hardware.memory)  # the worker's would stay else
        self._vms.wait_status(op, vm_id, types.VmStatus.DOWN)
        self._vms.update(vm_id, hardware)
        self._vms.make_bootable(vm_id, disks[0].volume_id)
        return self._finish(op, environment, where, instance, vm_id)

    def vm_id(self, op: Operation) -> str | None:
        """Of the VM that this job made, while it is there."""
        row = op.ledger.find(ResourceKind.VM, _row_name(op))
        if row is None or not row.cloud_id or self._vms.get(row.cloud_id) is None:
            return None
        return row.cloud_id

    def require_vm_id(self, op: Operation) -> str:
        """Of the VM that holds the replica disks. Raises NotFound."""
        vm_id = self.vm_id(op)
        if vm_id is None:
            kind = f"{self._client.cloud}: the VM that holds the replica disks"
            raise NotFound(kind=kind, name=_row_name(op))
        return vm_id

    def delete(self, op: Operation, instance: Instance) -> None:
        """Its disks are detached and stay."""
        row = op.ledger.find(ResourceKind.VM, _row_name(op))
        if row is None:
            return
        ids = [row.cloud_id] if row.cloud_id else []
        for vm_id in dict.fromkeys([*ids, *self._marked(op, instance)]):
            self._vms.remove(op, vm_id, protected=None)
        op.ledger.removed(ResourceKind.VM, _row_name(op))

    def owned_disks(self, op: Operation) -> set[str]:
        """Ids of the disks that a VM of this job holds; they are no temporary copies any more."""
        vm_id = self.vm_id(op)
        return set() if vm_id is None else {item.disk.id for item in self._vms.attachments(vm_id)}

    def _finish(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        vm_id: str,
    ) -> DeployedInstance:
        """NICs, power and protection of the VM with its disks."""
        self._warn_of_pool(op, environment, vm_id)
        self._nics.add(op, vm_id, _planned_nics(environment, where, instance))
        addresses: tuple[str, ...] = ()
        if not environment.leave_migrated_vms_off:
            addresses = self._start(op, vm_id, instance)
        if environment.delete_protected:
            self._vms.update(vm_id, types.Vm(delete_protected=True))
        op.ledger.keep(ResourceKind.VM, _row_name(op), f"VM deployed from instance {instance.name}")
        return DeployedInstance(vm_id, instance.name, addresses, not environment.leave_migrated_vms_off)

    def _create_vm(self, op: Operation, instance: Instance, wanted: Any) -> str:
        """Returns its id once it is down."""
        return self._vms.create(
            op,
            _row_name(op),
            wanted,
            what=f"VM {instance.name}",
            find=lambda: next(iter(self._marked(op, instance)), None),
        )

    def _wanted(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        detected: DetectedOs | None,
    ) -> Any:
        hardware = self._hardware(environment, where, instance, detected)
        self._warn(op, instance, hardware)
        return self._named(op, environment, where, instance, hardware)

    def _hardware(
        self,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        detected: DetectedOs | None,
    ) -> Any:
        """What can still be changed of a VM that is there."""
        known = Inventory(self._client).operating_systems()
        release = environment.os_release or os_release(detected, instance.os_type, known)
        hardware = types.Vm(
            memory=memory_of(instance),
            memory_policy=memory_policy_of(instance, environment.optimized_for),
            cpu=cpu_of(instance),
            os=types.OperatingSystem(type=release, boot=types.Boot(devices=[types.BootDevice.HD])),
            bios=bios_of(instance, where.cluster),
            type=types.VmType(environment.optimized_for),
        )
        if needs_tpm(instance, release, known.get(release)):  # engines before 4.4.5 do not know the element
            hardware.tpm_enabled = True
        return hardware

    def _warn(self, op: Operation, instance: Instance, hardware: Any) -> None:
        """Of what differs from the source."""
        if hardware.memory != instance.memory_mb * MIB:
            text = (
                f"VM {instance.name} gets {hardware.memory // MIB} MiB of memory: the engine takes no less."
            )
            op.event(EventLevel.WARNING, text)
        if instance.tpm:
            given = "a new, empty TPM: have the recovery keys ready"
            text = given if hardware.tpm_enabled else "no TPM: oVirt gives none to it"
            op.event(EventLevel.WARNING, f"VM {instance.name} gets {text}.")

    def _named(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        vm: Any,
    ) -> Any:
        """`vm` with what only its creation takes."""
        inventory = Inventory(self._client)
        vm.name = instance.name
        vm.description = self._mark(op)
        vm.cluster = types.Cluster(id=where.cluster.id)
        vm.template = types.Template(id=inventory.template(environment.migr_blank_template).id)
        vm.delete_protected = False  # set last: until then the VM may have to be compensated
        if environment.vm_pool:
            vm.vm_pool = types.VmPool(id=inventory.vm_pool(where.cluster, environment.vm_pool).id)
        return vm

    def _start(self, op: Operation, vm_id: str, instance: Instance) -> tuple[str, ...]:
        op.progress(f"Starting VM {instance.name}")
        service = self._vms.service(vm_id)
        vm = self._vms.get(vm_id)
        if vm is not None and vm.status == types.VmStatus.DOWN:
            self._client.call(
                f"start VM {instance.name}", lambda: service.start(query=self._client.query), idempotent=False
            )
        self._vms.wait_status(op, vm_id, types.VmStatus.UP)
        op.reached()
        op.progress(f"Waiting for the guest agent of VM {instance.name}")
        patience = Patience(
            min(_AGENT_SECONDS, self._client.patience.timeout), self._client.patience.interval
        )
        try:
            return self._wait_for_addresses(op, vm_id, patience)
        except CloudTimeout:
            op.event(
                EventLevel.WARNING,
                f"VM {instance.name} is up, but its guest agent told no address in {patience.timeout:g} s.",
            )
            return ()

    def _wait_for_addresses(self, op: Operation, vm_id: str, patience: Patience) -> tuple[str, ...]:
        """Guests configure IPv6 by themselves at once; an IPv4 address that DHCP gives comes a little later."""
        first_seen: float | None = None

        def look() -> tuple[str, ...] | None:
            nonlocal first_seen
            addresses = reported_addresses(self._client, self._vms, vm_id)
            if not addresses:
                return None
            first_seen = time.monotonic() if first_seen is None else first_seen
            complete = any(ipaddress.ip_address(address).version == 4 for address in addresses)
            return addresses if complete or time.monotonic() - first_seen > _DHCP_SECONDS else None

        return wait_until(op, look, patience, cloud=self._client.cloud, action="hear of the guest agent")

    def _warn_of_pool(self, op: Operation, environment: DestinationEnvironment, vm_id: str) -> None:
        """No engine that is known takes an existing VM into a pool: it ignores the request without a word."""
        vm = self._vms.get(vm_id)
        if environment.vm_pool and vm is not None and vm.vm_pool is None:
            op.event(
                EventLevel.WARNING,
                f"The engine did not put the VM into pool {environment.vm_pool!r}: its API cannot do that.",
            )

    def _marked(self, op: Operation, instance: Instance) -> list[str]:
        mark = self._mark(op)
        return [vm.id for vm in self._vms.named(instance.name) if mark in (vm.description or "")]

    def _mark(self, op: Operation) -> str:
        return f"Deployed by Coriolis ({_row_name(op)})"


def _row_name(op: Operation) -> str:
    """In the ledger: not the VM's own name, which a VM of another deployment may have had before."""
    return op.name("vm")


def _planned_nics(
    environment: DestinationEnvironment, where: Placement, instance: Instance
) -> list[PlannedNic]:
    pairs = zip(instance.nics, where.profiles, strict=True)
    return [
        PlannedNic(f"nic{number}", profile_id, nic.mac_address if environment.keeps_mac(nic) else None)
        for number, (nic, profile_id) in enumerate(pairs, start=1)
    ]
