"""The OSMorphing worker's system, booted in the VM that holds the disks.

A disk that is in a snapshot cannot be detached, so it cannot go to a worker; the worker's disk comes to it instead: a
full copy of the template's, which leaves the VM that the engine made it for.
"""

from collections.abc import Sequence
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudError
from coriolis.model.enums import ResourceKind
from coriolis.model.worker import WorkerDisk, WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks
from coriolis.providers.ovirt.hardware import default_maximum
from coriolis.providers.ovirt.nics import Nics
from coriolis.providers.ovirt.vms import Vms
from coriolis.providers.ovirt.worker_plans import WorkerPlan
from coriolis.providers.ovirt.workers import MORPHING_ROLE, Workers

_CARRIER, _DISK, _NIC = "worker-carrier", "worker-disk", "coriolis-worker"


class HostedWorker:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._nics = Nics(client)
        self._disks = Disks(client)
        self._workers = Workers(client)

    def create(
        self, op: Operation, vm_id: str, plan: WorkerPlan, disks: Sequence[tuple[str, str, int]]
    ) -> WorkerVm:
        """Boots it in the VM, which is down and has the disks, given as (source disk id, disk id, size in bytes).

        The caller has removed what an earlier attempt left. `plan` is that of a full copy.
        """
        op.progress("Creating a worker's disk")
        carrier = self._workers.create_vm(op, op.name(_CARRIER), plan)
        hardware = self._hardware_of(carrier)
        disk_id = self._take_disk(op, carrier)
        self._workers.delete(op, _CARRIER, ())
        self._vms.update(vm_id, hardware)
        for _, disk, _ in disks:
            # plugged once the worker is up: a guest made of the same image has file systems of the same UUIDs, and the
            # worker could boot into the guest's
            self._vms.plug(op, vm_id, disk, active=False)
        self._vms.attach(op, vm_id, disk_id, types.DiskInterface.VIRTIO_SCSI, bootable=True)
        self._workers.add_nic(op, vm_id, plan, _NIC)
        name = op.name(MORPHING_ROLE)
        login = self._workers.boot(op, vm_id, name, plan)
        for number, (_, disk, _) in enumerate(disks):
            op.progress("Attaching disks to the worker VM", number, len(disks))
            self._vms.plug(op, vm_id, disk)
        op.progress("Attaching disks to the worker VM", len(disks), len(disks))
        # the engine gives every disk its id as the drive's serial
        attached = tuple(
            WorkerDisk(disk_id=source, serial=disk, size_bytes=size) for source, disk, size in disks
        )
        return WorkerVm(vm_id, name, login, attached)

    def delete(self, op: Operation, vm_id: str | None) -> None:
        """The VM (None: it is gone) is down, with all of its own disks plugged and without the worker's disk and NIC,
        which are no more."""
        if vm_id is not None:
            self._vms.stop(op, vm_id)
            self._nics.remove(vm_id, _NIC)
            row = op.ledger.find(ResourceKind.DISK, op.name(_DISK))
            if row is not None and row.cloud_id:
                self._vms.detach(op, vm_id, row.cloud_id)
            for attachment in self._vms.attachments(vm_id):
                if not attachment.active:
                    self._vms.plug(op, vm_id, attachment.disk.id)
        self._workers.delete(op, _CARRIER, ())
        self._disks.remove_named(op, op.name(_DISK))

    def _take_disk(self, op: Operation, carrier: str) -> str:
        attached = self._vms.attachments(carrier)
        if len(attached) != 1:
            reason = f"the template's VM has {len(attached)} disks, where one was to be"
            raise CloudError(cloud=self._client.cloud, action="make a worker's disk", reason=reason)
        disk_id = str(attached[0].disk.id)
        name = op.name(_DISK)
        with op.ledger.creating(ResourceKind.DISK, name) as row:
            self._disks.rename(op, disk_id, name)
            row.created(disk_id)
        self._vms.detach(op, carrier, disk_id)
        return disk_id

    def _hardware_of(self, carrier: str) -> Any:
        """What the worker's system was made for; the firmware above all."""
        vm = self._client.call("read the worker's hardware", self._vms.service(carrier).get)
        cores = vm.cpu.topology
        topology = types.CpuTopology(sockets=cores.sockets, cores=cores.cores, threads=cores.threads)
        hardware = types.Vm(
            memory=vm.memory,
            memory_policy=types.MemoryPolicy(guaranteed=vm.memory, max=default_maximum(vm.memory)),
            cpu=types.Cpu(topology=topology),
            os=types.OperatingSystem(type=vm.os.type),
            bios=types.Bios(type=vm.bios.type),
        )
        if vm.tpm_enabled is not None:
            hardware.tpm_enabled = vm.tpm_enabled
        return hardware
