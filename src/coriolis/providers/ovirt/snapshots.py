"""Snapshots of a VM's disks: take, restore, remove. Disks that belong to no VM have none."""

from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudError
from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, remove_resource, wait_until
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.vms import Vms


class Snapshots:
    """Known by their descriptions, which are names of the ledger or have them in it."""

    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)

    def take(self, op: Operation, vm_id: str, name: str, description: str | None = None) -> str:
        """Of all disks of the VM at one instant. `name` is the ledger's; `description`: what people see (None: the
        same). Returns the snapshot's id once it is whole."""
        service, description = self._service(vm_id), description or name
        wanted = types.Snapshot(description=description, persist_memorystate=False)

        def create() -> str:
            made = self._client.call(
                "take a snapshot", lambda: service.add(wanted, query=self._client.query), idempotent=False
            )
            return str(made.id)

        snapshot_id = create_resource(
            op,
            ResourceKind.SNAPSHOT,
            name,
            find=lambda: self.named(vm_id, description),
            create=create,
            discard=partial(self._ask_to_delete, vm_id),
        )
        if not self._settled(op, vm_id, snapshot_id):
            op.ledger.removed(ResourceKind.SNAPSHOT, name)
            raise self._failure("take a snapshot", "the engine gave it up: see its events")
        return snapshot_id

    def restore(self, op: Operation, vm_id: str, snapshot_id: str) -> None:
        """The disks hold what they held when it was taken; it stays. The VM must be down.

        A restoration that failed leaves the disks as they are, and only the engine's log says so: one that came true
        has put a new image on each.
        """
        if not self._settled(op, vm_id, snapshot_id):
            raise self._failure("restore a snapshot", "it is gone")
        before = self._images(vm_id)
        service = self._service(vm_id).snapshot_service(snapshot_id)
        self._client.call(
            "restore a snapshot", lambda: service.restore(query=self._client.query), idempotent=False
        )
        self._vms.wait_status(op, vm_id, types.VmStatus.DOWN)
        self._vms.wait_disks_ok(op, vm_id)
        after = self._images(vm_id)
        stale = [disk for disk in self._frozen(vm_id, snapshot_id) if after.get(disk) == before.get(disk)]
        if stale:
            reason = f"the engine left disk {stale[0]} as it was: its events say why"
            raise self._failure("restore a snapshot", reason)

    def remove(self, op: Operation, vm_id: str, name: str, row_name: str | None = None) -> None:
        """What the ledger holds as `row_name` (None: as `name`). The engine merges it, which takes the longer the more
        was written since."""
        service = self._service(vm_id)

        def exists(snapshot_id: str) -> bool:
            get = service.snapshot_service(snapshot_id).get
            return self._client.optional("read a snapshot", get) is not None

        remove_resource(
            op,
            ResourceKind.SNAPSHOT,
            row_name or name,
            find=lambda: [found] if (found := self.named(vm_id, name)) else [],
            delete=partial(self._ask_to_delete, vm_id),
            exists=exists,
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def named(self, vm_id: str, name: str) -> str | None:
        """Its id. The list cannot be searched."""
        listed = self._client.call("list snapshots", self._service(vm_id).list)
        return next((snapshot.id for snapshot in listed if snapshot.description == name), None)

    def _settled(self, op: Operation, vm_id: str, snapshot_id: str) -> bool:
        """Waits until it and the VM's disks are ok; False where the engine rolled its creation back."""
        get = self._service(vm_id).snapshot_service(snapshot_id).get

        def look() -> bool | None:
            found = self._client.optional("read a snapshot", get)
            if found is None:
                return False
            return True if found.snapshot_status == types.SnapshotStatus.OK else None

        action = "wait for a snapshot to be whole"
        there = wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)
        self._vms.wait_disks_ok(op, vm_id)
        return there

    def _images(self, vm_id: str) -> dict[str, str]:
        return {item.disk.id: item.disk.image_id for item in self._vms.attachments(vm_id)}

    def _frozen(self, vm_id: str, snapshot_id: str) -> list[str]:
        """Ids of its disks."""
        listing = self._service(vm_id).snapshot_service(snapshot_id).disks_service().list
        return [disk.id for disk in self._client.call("list disks of a snapshot", listing)]

    def _ask_to_delete(self, vm_id: str, snapshot_id: str) -> None:
        service = self._service(vm_id).snapshot_service(snapshot_id)
        self._client.call("delete a snapshot", lambda: service.remove(query=self._client.query))

    def _failure(self, action: str, reason: str) -> CloudError:
        return CloudError(cloud=self._client.cloud, action=action, reason=reason)

    def _service(self, vm_id: str) -> Any:
        return self._vms.service(vm_id).snapshots_service()
