"""Floating disks: create, grow, copy, delete."""

from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudError
from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, delete_and_wait, remove_resource, wait_until
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Domain

MIB = 1 << 20


class Disks:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client

    @property
    def _service(self) -> Any:
        return self._client.system.disks_service()

    def get(self, disk_id: str) -> Any | None:
        """None where it is gone."""
        return self._client.optional(f"read disk {disk_id}", self._service.disk_service(disk_id).get)

    def settled(self, op: Operation, disk_id: str) -> Any | None:
        """The disk once no task holds it any more; None where it is gone, or goes while we wait: the engine
        answers a removal at once and lists the disk, locked, until it is done."""

        def look() -> tuple[Any | None] | None:
            disk = self.get(disk_id)
            return None if disk is not None and disk.status == types.DiskStatus.LOCKED else (disk,)

        action = f"wait for the task that holds disk {disk_id}"
        (disk,) = wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)
        return disk

    def create(self, op: Operation, name: str, size: int, domain: Domain, *, thin: bool) -> str:
        """Begins to create an empty disk of at least `size` bytes; wait with `wait_ok`. Returns its id."""
        disk = _new_disk(name, size, domain, thin=thin)

        def create() -> str:
            add = self._service.add
            made = self._client.call(
                f"create disk {name}", lambda: add(disk, query=self._client.query), idempotent=False
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.DISK,
            name,
            find=lambda: next(iter(self.ids_by_name(name)), None),
            create=create,
            discard=self._delete,
        )

    def copy(self, op: Operation, source_id: str, name: str) -> str:
        """Begins to copy a detached disk within its storage domain; wait for both. Returns the copy's id.

        The engine's answer does not name the copy: it is found by its alias, which is unique to this job.
        """
        source = self._client.call(f"read disk {source_id}", self._service.disk_service(source_id).get)

        def create() -> str:
            service = self._service.disk_service(source_id)
            self._client.call(
                f"copy disk {source.name}",
                lambda: service.copy(
                    disk=types.Disk(name=name),
                    storage_domain=types.StorageDomain(id=source.storage_domains[0].id),
                    query=self._client.query,
                ),
                idempotent=False,
            )
            action = f"find the copy of disk {source.name}"
            return wait_until(
                op,
                lambda: next(iter(self.ids_by_name(name)), None),
                self._client.patience,
                cloud=self._client.cloud,
                action=action,
            )

        return create_resource(
            op,
            ResourceKind.DISK,
            name,
            find=lambda: next(iter(self.ids_by_name(name)), None),
            create=create,
            discard=self._delete,
        )

    def grow(self, op: Operation, disk_id: str, size: int) -> None:
        service = self._service.disk_service(disk_id)
        larger = types.Disk(provisioned_size=_rounded(size))
        self._client.call(f"grow disk {disk_id}", lambda: service.update(larger, query=self._client.query))
        self.wait_ok(op, disk_id)

    def rename(self, op: Operation, disk_id: str, name: str) -> None:
        service = self._service.disk_service(disk_id)
        named = types.Disk(name=name)
        self._client.call(f"rename disk {disk_id}", lambda: service.update(named, query=self._client.query))
        self.wait_ok(op, disk_id)

    def wait_ok(self, op: Operation, disk_id: str) -> Any:
        """Returns the disk. Raises CloudError when it turned illegal or vanished (a rolled back creation)."""

        def look() -> Any | None:
            disk = self.get(disk_id)
            if disk is None or disk.status == types.DiskStatus.ILLEGAL:
                state = "vanished" if disk is None else "is illegal"
                reason = f"the engine gave up: disk {disk_id} {state}"
                raise CloudError(cloud=self._client.cloud, action="prepare a disk", reason=reason)
            return disk if disk.status == types.DiskStatus.OK else None

        action = f"wait for disk {disk_id} to be ok"
        return wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def ids_by_name(self, name: str) -> list[str]:
        """Aliases are not unique to the engine, and its search knows no case."""
        listed = self._client.call(
            "list disks", lambda: self._service.list(search=f'name="{name}"', case_sensitive=True)
        )
        return [disk.id for disk in listed if disk.name == name]

    def remove_named(self, op: Operation, name: str) -> None:
        """What this job's ledger holds under `name`, whatever state it is in."""
        remove_resource(
            op,
            ResourceKind.DISK,
            name,
            find=lambda: self.ids_by_name(name),
            delete=self._delete,
            exists=lambda disk_id: self.get(disk_id) is not None,
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def remove(self, op: Operation, disk_id: str, name: str) -> None:
        """A disk that an earlier job made; its ledger row is the caller's."""
        delete_and_wait(
            op,
            disk_id,
            delete=self._delete,
            exists=lambda id_: self.get(id_) is not None,
            patience=self._client.patience,
            cloud=self._client.cloud,
            what=f"disk {name}",
        )

    def _delete(self, disk_id: str) -> None:
        service = self._service.disk_service(disk_id)
        self._client.call(f"delete disk {disk_id}", lambda: service.remove(query=self._client.query))


def reads_as_zeros(domain: Domain, *, thin: bool) -> bool:
    """Whether a new disk does. The engine does not wipe the volumes of preallocated disks on block storage, which may
    show what a deleted disk held; on managed block storage nobody knows."""
    return not domain.managed and (thin or not domain.block)


def _new_disk(name: str, size: int, domain: Domain, *, thin: bool) -> Any:
    """Thin is raw and sparse on file storage and qcow2 on block storage, where raw and sparse is refused; on
    managed block storage it is the backend's matter."""
    cow = thin and domain.block
    disk = types.Disk(
        name=name,
        format=types.DiskFormat.COW if cow else types.DiskFormat.RAW,
        sparse=thin and not domain.managed,
        provisioned_size=_rounded(size),
        content_type=types.DiskContentType.DATA,
        storage_domains=[types.StorageDomain(id=domain.id)],
    )
    if domain.managed:
        disk.storage_type = types.DiskStorageType.MANAGED_BLOCK_STORAGE
    return disk


def _rounded(size: int) -> int:
    """Up to whole MiB, the finest step that every kind of storage takes."""
    return -(-size // MIB) * MIB
