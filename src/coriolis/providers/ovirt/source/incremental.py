"""Disks that record what changes on them."""

from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.providers.base import Operation
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.snapshots import Snapshots
from coriolis.providers.ovirt.source.instances import Instances
from coriolis.providers.ovirt.vms import Vms

SNAPSHOT = "Coriolis: lets raw disks record changes"


class IncrementalDisks:
    """Only a disk in qcow2 can: one snapshot gives every raw disk a layer in that format. It stays as long as changes
    are to be recorded, and whoever owns the VM may delete it afterwards."""

    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._snapshots = Snapshots(client)

    def enable(self, op: Operation, instance: Instance) -> None:
        disks = [a.disk for a in Instances(self._client).attachments(instance.id)]
        missing = [disk for disk in disks if disk.backup != types.DiskBackup.INCREMENTAL]
        if any(disk.format == types.DiskFormat.RAW for disk in missing):
            self._take_snapshot(op, instance)
        for disk in missing:
            self._client.call(f"let disk {disk.name} record changes", partial(self._enable, disk.id))
            self._vms.wait_disks_ok(op, instance.id)

    def _enable(self, disk_id: str) -> Any:
        service = self._client.system.disks_service().disk_service(disk_id)
        return service.update(types.Disk(backup=types.DiskBackup.INCREMENTAL), query=self._client.query)

    def _take_snapshot(self, op: Operation, instance: Instance) -> None:
        """It is the VM's from now on, and kept."""
        name = op.name("incremental")
        self._snapshots.take(op, instance.id, name, f"{SNAPSHOT} ({name})")
        op.ledger.keep(ResourceKind.SNAPSHOT, name, f"raw disks of VM {instance.name} record changes in it")
        text = f"VM {instance.name} has a snapshot now: its raw disks record changes in it."
        op.event(EventLevel.WARNING, text)
