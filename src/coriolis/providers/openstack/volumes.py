"""Snapshots of an instance's volumes and the temporary clones that an export reads."""

from collections.abc import Sequence
from functools import partial

from coriolis.model.enums import ResourceKind
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, remove_resource, run_all
from coriolis.providers.openstack.block_storage import Volumes


class ExportVolumes(Volumes):
    """Named by the disk's place in the instance: `…-snapshot-0`, `…-clone-0`."""

    def create_snapshots(self, op: Operation, disks: Sequence[Disk]) -> list[str]:
        """Asked for one right after the other, then waited for together.

        So the disks are as close in time as Cinder permits without consistency groups. Returns the ids in the
        order of `disks`.
        """
        ids = [self._create_snapshot(op, number, disk) for number, disk in enumerate(disks)]
        for number, snapshot_id in enumerate(ids):
            op.progress("Taking snapshots", number, len(ids))
            self.wait(op, f"snapshot {snapshot_id}", partial(self._storage.get_snapshot, snapshot_id))
        op.progress("Taking snapshots", len(ids), len(ids))
        return ids

    def create_clones(
        self, op: Operation, disks: Sequence[Disk], snapshot_ids: Sequence[str], volume_type: str | None
    ) -> list[str]:
        ids = [
            self._create_clone(op, number, disk, snapshot_id, volume_type)
            for number, (disk, snapshot_id) in enumerate(zip(disks, snapshot_ids, strict=True))
        ]
        for number, volume_id in enumerate(ids):
            op.progress("Cloning snapshots", number, len(ids))
            self.wait(op, f"volume {volume_id}", partial(self._storage.get_volume, volume_id))
        op.progress("Cloning snapshots", len(ids), len(ids))
        return ids

    def delete_clones(self, op: Operation, instance: Instance) -> None:
        """Before the snapshots: one with a clone cannot be deleted (Ceph refuses it as busy)."""
        numbers = range(len(instance.disks))
        run_all([partial(self.delete_volume, op, _clone_name(op, number)) for number in numbers])

    def _create_snapshot(self, op: Operation, number: int, disk: Disk) -> str:
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

    def _create_clone(
        self, op: Operation, number: int, disk: Disk, snapshot_id: str, volume_type: str | None
    ) -> str:
        size_gb = disk.size_bytes >> 30
        return self.create(op, _clone_name(op, number), size_gb, volume_type, snapshot_id=snapshot_id)

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
            exists=lambda id_: self.exists("snapshot", lambda: storage.get_snapshot(id_)),
            patience=self._client.patience,
            cloud=self._client.cloud,
        )


def snapshot_name(op: Operation, number: int) -> str:
    return op.name("snapshot", str(number))


def _clone_name(op: Operation, number: int) -> str:
    return op.name("clone", str(number))
