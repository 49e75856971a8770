"""Replica disks: what is known of the copies on the destination cloud."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from coriolis.model.records import ReplicaRecord
from coriolis.model.replica import ContentDigest, ReplicaDisk
from coriolis.store.faults import repeated
from coriolis.store.repository import Repository, Row, born, bury, change, living, new_id, stamps
from coriolis.store.tables import REPLICA_DISK

if TYPE_CHECKING:
    from coriolis.store.database import Fence


class ReplicaRepository(Repository):
    def list(self, transfer_id: str, instance: str | None = None) -> builtins.list[ReplicaRecord]:
        with self._database.read() as connection:
            return replicas_of(connection, transfer_id, instance)

    def disks(self, transfer_id: str, instance: str) -> tuple[ReplicaDisk, ...]:
        return tuple(_disk(record) for record in self.list(transfer_id, instance))

    @repeated
    def save(self, fence: "Fence", transfer_id: str, instance: str, replicas: Sequence[ReplicaDisk]) -> None:
        """Writes what is now known of these replicas; others of the instance stay as they are."""
        with self._database.fenced(fence) as connection:
            known = {record.disk_id: record.id for record in replicas_of(connection, transfer_id, instance)}
            for position, replica in enumerate(replicas):
                values = {
                    "volume_id": replica.volume_id,
                    "volume_name": replica.volume_name,
                    "size_bytes": replica.size_bytes,
                    "generation": replica.generation,
                    "dirty": replica.dirty,
                    "manifest": replica.manifest,
                    "journal": replica.journal,
                    "digest": None if replica.digest is None else str(replica.digest),
                    "source_point": replica.source_point,
                    "position": position,
                }
                if replica.disk_id in known:
                    change(connection, REPLICA_DISK, known[replica.disk_id], values)
                    continue
                place = {"transfer_id": transfer_id, "instance": instance, "disk_id": replica.disk_id}
                connection.execute(sa.insert(REPLICA_DISK).values(id=new_id(), **place, **values, **born()))

    @repeated
    def forget(self, fence: "Fence", transfer_id: str, instance: str, disk_ids: Sequence[str]) -> None:
        """The replicas of these disks are gone."""
        named = sa.and_(
            REPLICA_DISK.c.transfer_id == transfer_id,
            REPLICA_DISK.c.instance == instance,
            REPLICA_DISK.c.disk_id.in_(disk_ids),
        )
        with self._database.fenced(fence) as connection:
            bury(connection, REPLICA_DISK, named)


def replicas_of(
    connection: sa.Connection, transfer_id: str, instance: str | None = None
) -> list[ReplicaRecord]:
    query = living(REPLICA_DISK).where(REPLICA_DISK.c.transfer_id == transfer_id)
    if instance is not None:
        query = query.where(REPLICA_DISK.c.instance == instance)
    query = query.order_by(REPLICA_DISK.c.instance, REPLICA_DISK.c.position)
    return [_record(row) for row in connection.execute(query).mappings()]


def _disk(record: ReplicaRecord) -> ReplicaDisk:
    return ReplicaDisk(
        disk_id=record.disk_id,
        volume_id=record.volume_id,
        volume_name=record.volume_name,
        size_bytes=record.size_bytes,
        generation=record.generation,
        dirty=record.dirty,
        manifest=record.manifest,
        journal=record.journal,
        digest=None if record.digest is None else ContentDigest.parse(record.digest),
        source_point=record.source_point,
    )


def _record(row: Row) -> ReplicaRecord:
    return ReplicaRecord(
        id=row["id"],
        transfer_id=row["transfer_id"],
        instance=row["instance"],
        disk_id=row["disk_id"],
        volume_id=row["volume_id"],
        volume_name=row["volume_name"],
        size_bytes=row["size_bytes"],
        generation=row["generation"],
        dirty=row["dirty"],
        manifest=row["manifest"],
        journal=row["journal"],
        digest=row["digest"],
        source_point=row["source_point"],
        position=row["position"],
        **stamps(row),
    )
