"""Snapshots of an instance's volumes and the temporary clones that an export reads."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from coriolis.errors import CloudError
from coriolis.model.enums import ResourceKind
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience, create_resource, remove_resource, run_all
from coriolis.providers.openstack.block_storage import Volumes, gib

_FORGOTTEN_SECONDS = 2.0  # between the end of a backup and its snapshot's return to available


class ExportVolumes(Volumes):
    """Named by the disk's place in the instance: `…-snapshot-0`, `…-clone-0`."""

    def wait_for_snapshots(self, op: Operation, ids: Sequence[str]) -> None:
        for number, snapshot_id in enumerate(ids):
            op.progress("Taking snapshots", number, len(ids))
            self.wait(op, f"snapshot {snapshot_id}", partial(self._storage.get_snapshot, snapshot_id))
        op.progress("Taking snapshots", len(ids), len(ids))

    def create_clones(
        self,
        op: Operation,
        disks: Sequence[Disk],
        origins: Sequence[Mapping[str, str]],
        volume_type: str | None,
        patience: Patience,
    ) -> list[str]:
        """`origins` in the order of `disks`: `snapshot_id` or `image_id`, whose data Cinder may have to copy."""
        ids = [
            self.create(op, _clone_name(op, number), gib(disk.size_bytes), volume_type, **origin)
            for number, (disk, origin) in enumerate(zip(disks, origins, strict=True))
        ]
        for number, volume_id in enumerate(ids):
            op.progress("Cloning snapshots", number, len(ids))
            read = partial(self._storage.get_volume, volume_id)
            self.wait(op, f"volume {volume_id}", read, patience=patience)
        op.progress("Cloning snapshots", len(ids), len(ids))
        return ids

    def delete_clones(self, op: Operation, instance: Instance) -> None:
        """Before the snapshots: one with a clone cannot be deleted (Ceph refuses it as busy)."""
        numbers = range(len(instance.disks))
        run_all([partial(self.delete_volume, op, _clone_name(op, number)) for number in numbers])

    def create_snapshot(self, op: Operation, number: int, disk: Disk) -> str:
        """Begins to; its id."""
        name = snapshot_name(op, number)

        def find() -> str | None:
            found = self._client.rows("list snapshots", lambda: self._storage.snapshots(name=name))
            return found[0].id if found else None

        def create() -> str:
            made = self._client.call(
                f"take a snapshot of volume {disk.id}",
                # force: the volume is in use by the running instance
                lambda: self._storage.create_snapshot(volume_id=disk.id, name=name, is_forced=True),
                idempotent=False,
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.SNAPSHOT,
            name,
            find=find,
            create=create,
            discard=lambda id_: self._client.call(
                f"delete snapshot {name}", lambda: self._storage.delete_snapshot(id_)
            ),
        )

    def delete_snapshot(self, op: Operation, name: str) -> None:
        storage = self._storage
        remove_resource(
            op,
            ResourceKind.SNAPSHOT,
            name,
            find=lambda: [
                s.id for s in self._client.rows("list snapshots", lambda: storage.snapshots(name=name))
            ],
            delete=lambda id_: self._client.call(
                f"delete snapshot {name}", lambda: storage.delete_snapshot(id_)
            ),
            exists=partial(self._snapshot_exists, op),
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def _snapshot_exists(self, op: Operation, snapshot_id: str) -> bool:
        """Raises CloudError for one that Cinder will never let go of (see `export.trial`)."""
        read = partial(self._storage.get_snapshot, snapshot_id)
        found = self.found("snapshot", read)
        if self._is_forgotten(found):
            op.sleep(_FORGOTTEN_SECONDS)
            found = self.found("snapshot", read)
        if found is not None and self._is_forgotten(found):
            reason = (
                f"Cinder left snapshot {found.name} in backing-up when no cinder-backup was there, and nothing backs "
                "it up now. Have an administrator reset it (openstack volume snapshot set --state available "
                f"{snapshot_id}) and its volume, if that has no status (openstack volume set --state in-use "
                f"{found.volume_id}), then try the clean-up again"
            )
            raise CloudError(cloud=self._client.cloud, action="delete a snapshot", reason=reason)
        return found is not None

    def _is_forgotten(self, snapshot: Any | None) -> bool:
        if snapshot is None or snapshot.status != "backing-up":
            return False
        backups = partial(self._storage.backups, details=True, volume_id=snapshot.volume_id)
        listed = self._client.rows("list backups", backups)
        return not any(one.snapshot_id == snapshot.id and one.status == "creating" for one in listed)


def snapshot_name(op: Operation, number: int) -> str:
    return op.name("snapshot", str(number))


def _clone_name(op: Operation, number: int) -> str:
    return op.name("clone", str(number))
