"""Copies of replica disks through a snapshot of a temporary VM that holds them.

The engine has no snapshot of a disk that belongs to no VM. So the replicas are attached to a VM of the blank template,
all are frozen at one instant, a second VM is cloned from the snapshot, and that one's disks are the copies. Then both
VMs and the snapshot go. It takes longer than copying each disk, and works where the engine refuses that.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.model.enums import ResourceKind
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks
from coriolis.providers.ovirt.snapshots import Snapshots
from coriolis.providers.ovirt.vms import Vms

_HOLDER, _CLONE, _SNAPSHOT = "clone-holder", "clone-vm", "clone-snapshot"


class SnapshotClones:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._disks = Disks(client)
        self._snapshots = Snapshots(client)

    def create(
        self,
        op: Operation,
        cluster_id: str,
        template_id: str,
        replicas: Sequence[ReplicaDisk],
        names: Sequence[str],
    ) -> list[str]:
        """Ids of the copies, which get `names`, in the order of `replicas`. What it needed is gone afterwards.

        The caller has removed what an earlier attempt left.
        """
        op.progress("Taking a snapshot of the replica disks")
        holder = self._create_vm(op, _HOLDER, types.Vm(template=types.Template(id=template_id)), cluster_id)
        for number, replica in enumerate(replicas):
            interface = types.DiskInterface.VIRTIO_SCSI
            self._vms.attach(op, holder, replica.volume_id, interface, bootable=number == 0)
        snapshot = self._snapshots.take(op, holder, op.name(_SNAPSHOT))
        op.progress("Copying the disks of the snapshot")
        cloned = types.Vm(snapshots=[types.Snapshot(id=snapshot)])
        clone = self._create_vm(op, _CLONE, cloned, cluster_id)
        copies = self._take_over(op, holder, clone, replicas, names)
        self.delete(op)
        return copies

    def delete(self, op: Operation) -> None:
        """The VMs and the snapshot, by the ledger; the replicas are free afterwards. Safe to call again."""
        run_all([partial(self._delete_clone, op), partial(self._delete_holder, op)])

    def _delete_clone(self, op: Operation) -> None:
        """With the copies that it still has, which nobody else knows yet."""
        for vm_id in self._ids(op, _CLONE):
            self._vms.remove(op, vm_id, (), clone=True)
        op.ledger.removed(ResourceKind.VM, op.name(_CLONE))

    def _delete_holder(self, op: Operation) -> None:
        """The snapshot first: a disk that is in one cannot be detached. Every disk of this VM is a replica."""
        for vm_id in self._ids(op, _HOLDER):
            self._vms.wait_disks_ok(op, vm_id)
            self._snapshots.remove(op, vm_id, op.name(_SNAPSHOT))
            self._vms.wait_disks_ok(op, vm_id)
            self._vms.remove(op, vm_id, protected=None)
        op.ledger.removed(ResourceKind.SNAPSHOT, op.name(_SNAPSHOT))
        op.ledger.removed(ResourceKind.VM, op.name(_HOLDER))

    def _ids(self, op: Operation, role: str) -> list[str]:
        row = op.ledger.find(ResourceKind.VM, op.name(role))
        if row is None:
            return []
        known = [row.cloud_id] if row.cloud_id else []
        found = [*known, *(vm.id for vm in self._vms.named(op.name(role)))]
        return [vm_id for vm_id in dict.fromkeys(found) if self._vms.get(vm_id) is not None]

    def _create_vm(self, op: Operation, role: str, wanted: Any, cluster_id: str) -> str:
        name = op.name(role)
        wanted.name = name
        wanted.description = "Temporary VM of Coriolis: holds disks that are copied"
        wanted.cluster = types.Cluster(id=cluster_id)
        vm_id = self._vms.create(op, name, wanted)
        self._vms.wait_disks_ok(op, vm_id)
        return vm_id

    def _take_over(
        self, op: Operation, holder: str, clone: str, replicas: Sequence[ReplicaDisk], names: Sequence[str]
    ) -> list[str]:
        """The clone's disks have new ids, and the aliases of those that they are copies of."""
        aliases = {attachment.disk.id: attachment.disk.name for attachment in self._vms.attachments(holder)}
        cloned = {attachment.disk.name: attachment.disk.id for attachment in self._vms.attachments(clone)}
        copies = []
        for replica, name in zip(replicas, names, strict=True):
            copy_id = cloned[aliases[replica.volume_id]]
            with op.ledger.creating(ResourceKind.DISK, name) as row:
                self._disks.rename(op, copy_id, name)
                row.created(copy_id)
            self._vms.detach(op, clone, copy_id)
            copies.append(copy_id)
        return copies
