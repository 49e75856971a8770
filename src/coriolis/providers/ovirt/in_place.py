"""Deployments of the replica disks themselves: no copy is made, and a failed one leaves every byte as it was.

The engine can take a disk back to an earlier state only while the disk is in a snapshot of a VM, and lets no such disk
go to another VM. So the final VM is made first. It gets the replica disks and a snapshot of them, the safe point; in it
the OSMorphing worker's system boots (see `hosted_worker`), and then the guest. Whatever fails until the guest runs, the
safe point is restored. At the end the engine merges it into the disks.
"""

from collections.abc import Sequence

from coriolis.errors import CloudError, CloudUnavailable, Conflict
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs, ReplicaDisk
from coriolis.model.worker import WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.ovirt.checks import Placement
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.final_vm import FinalVm
from coriolis.providers.ovirt.hosted_worker import HostedWorker
from coriolis.providers.ovirt.options import DestinationEnvironment
from coriolis.providers.ovirt.snapshots import Snapshots
from coriolis.providers.ovirt.vms import Vms
from coriolis.providers.ovirt.worker_plans import WorkerPlan

_POINT = "safe-point"
_SPENT = "spent-point"
"""The ledger's second name of a safe point that is only to be removed: restored, or not needed any more. A crash
between the two must not have it restored over a guest that runs, nor missed where it was restored already."""


class InPlace:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._final = FinalVm(client)
        self._snapshots = Snapshots(client)
        self._worker = HostedWorker(client)

    def under_way(self, op: Operation) -> bool:
        """Whether this job deploys in place."""
        return any(op.ledger.find(ResourceKind.SNAPSHOT, op.name(part)) for part in (_POINT, _SPENT))

    def secure(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        replicas: Sequence[ReplicaDisk],
    ) -> list[ClonedDisk]:
        """`replicas` in the order of the instance's disks."""
        ids = [replica.volume_id for replica in replicas]
        vm_id = self._final.begin_in_place(op, environment, where, instance, ids)
        op.progress("Taking a snapshot of the replica disks")
        self._snapshots.take(op, vm_id, op.name(_POINT))
        return [
            ClonedDisk(
                replica.disk_id,
                replica.volume_id,
                replica.volume_name,
                replica.size_bytes,
                bootable=number == 0,
            )
            for number, replica in enumerate(replicas)
        ]

    def start_worker(self, op: Operation, plan: WorkerPlan, disks: Sequence[ClonedDisk]) -> WorkerVm:
        vm_id = self._final.require_vm_id(op)
        self._worker.delete(op, vm_id)
        attached = [(disk.disk_id, disk.volume_id, disk.size_bytes) for disk in disks]
        return self._worker.create(op, vm_id, plan, attached)

    def delete_worker(self, op: Operation) -> None:
        self._worker.delete(op, self._final.vm_id(op))

    def finish(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        *,
        disks: Sequence[ClonedDisk],
        detected: DetectedOs | None,
    ) -> DeployedInstance:
        return self._final.finish_in_place(op, environment, where, instance, disks=disks, detected=detected)

    def stop(self, op: Operation) -> None:
        """The VM stays for `roll_back`: its disks cannot leave it before."""
        vm_id = self._final.vm_id(op)
        if vm_id is not None:
            self._vms.stop(op, vm_id)

    def roll_back(self, op: Operation, instance: Instance) -> None:
        """Raises CloudError where the safe point is gone by itself: then nobody knows what the disks hold."""
        vm_id = self._final.vm_id(op)
        self._worker.delete(op, vm_id)
        if vm_id is not None:
            self._vms.stop(op, vm_id)
            self._vms.wait_disks_ok(op, vm_id)
            self._restore(op, vm_id)
            self._snapshots.remove(op, vm_id, op.name(_POINT), op.name(_SPENT))
            self._vms.wait_disks_ok(op, vm_id)
        op.ledger.removed(ResourceKind.SNAPSHOT, op.name(_SPENT))
        op.ledger.removed(ResourceKind.SNAPSHOT, op.name(_POINT))
        self._final.delete(op, instance)

    def hand_over(self, op: Operation, instance: Instance, disks: Sequence[ClonedDisk]) -> None:
        """A safe point that the engine does not merge slows the VM's disks down and does no other harm: it is told and
        left."""
        for disk in disks:
            op.ledger.keep(ResourceKind.DISK, disk.volume_name, f"disk of deployed VM {instance.name}")
        self._spend(op)
        vm_id = self._final.vm_id(op)
        if vm_id is None:
            op.ledger.removed(ResourceKind.SNAPSHOT, op.name(_SPENT))
            return
        op.progress("Merging the snapshot of the replica disks")
        try:
            self._snapshots.remove(op, vm_id, op.name(_POINT), op.name(_SPENT))
        except CloudUnavailable:
            raise
        except (CloudError, Conflict) as error:
            text = f"Snapshot {op.name(_POINT)} of VM {instance.name} could not be removed: {error.message}"
            op.event(EventLevel.WARNING, f"{text} Remove it by hand.")
            op.ledger.keep(ResourceKind.SNAPSHOT, op.name(_SPENT), text)

    def _restore(self, op: Operation, vm_id: str) -> None:
        row = op.ledger.find(ResourceKind.SNAPSHOT, op.name(_POINT))
        if row is None:
            return  # it was restored by an earlier attempt
        found = self._snapshots.named(vm_id, op.name(_POINT))
        if found is None and row.cloud_id is None:
            return  # it never was, so nothing was changed
        if found is None:
            reason = f"snapshot {op.name(_POINT)} of VM {vm_id} is gone, and with it what they held before"
            raise CloudError(cloud=self._client.cloud, action="roll the replica disks back", reason=reason)
        op.progress("Restoring the replica disks")
        self._snapshots.restore(op, vm_id, found)
        self._spend(op)

    def _spend(self, op: Operation) -> None:
        row = op.ledger.find(ResourceKind.SNAPSHOT, op.name(_POINT))
        if row is None:
            return
        with op.ledger.creating(ResourceKind.SNAPSHOT, op.name(_SPENT)) as spent:
            if row.cloud_id:
                spent.created(row.cloud_id)
        op.ledger.removed(ResourceKind.SNAPSHOT, op.name(_POINT))
