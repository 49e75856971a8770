"""Replica disks as Cinder volumes, and their copies for one deployment."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Disk, Instance
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all
from coriolis.providers.openstack.block_storage import Volumes, gib
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.replica_disks import (
    clone_name,
    delete_replicas,
    deploy_replicas,
    in_order,
    replica_name,
)

_USABLE = frozenset({"available", "in-use"})
"""In use: an earlier run's worker still has it, and is removed before the next one is made."""


class ReplicaVolumes:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._volumes = Volumes(client)

    def deploy(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        volume_types: Sequence[str | None],
        instance: Instance,
        replicas: Sequence[ReplicaDisk],
    ) -> list[ReplicaDisk]:
        """See `DestinationCloud.deploy_disks`. Where new volumes are not known to be zeroed, their replicas begin
        dirty: the first run then compares, and writes zeros too."""

        def create(number: int, disk: Disk) -> ReplicaDisk:
            name = replica_name(op, number)
            volume_id = self._create(op, environment, name, instance, disk, volume_types[number])
            dirty = not environment.volumes_are_zeroed
            return ReplicaDisk(disk.id, volume_id, name, disk.size_bytes, dirty=dirty)

        def grow(replica: ReplicaDisk, size_bytes: int) -> ReplicaDisk:
            self._volumes.grow(op, replica.volume_id, gib(size_bytes))
            dirty = replica.dirty or not environment.volumes_are_zeroed
            return replace(replica, size_bytes=size_bytes, dirty=dirty)

        return deploy_replicas(
            op,
            ResourceKind.VOLUME,
            instance,
            replicas,
            present=partial(self._present, op),
            create=create,
            grow=grow,
            wait=partial(self._volumes.wait_available, op),
        )

    def delete(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        delete_replicas(
            op,
            ResourceKind.VOLUME,
            replicas,
            remove=partial(self._volumes.remove, op),
            remove_named=partial(self._volumes.delete_volume, op),
        )

    def clone(self, op: Operation, instance: Instance, replicas: Sequence[ReplicaDisk]) -> list[ClonedDisk]:
        """Volumes from volumes, of the same type and in the same zone: storage that can shares the blocks, and no
        snapshot stays behind that would keep the replica from being deleted."""
        clones = []
        for number, replica in enumerate(in_order(instance, replicas)):
            op.progress("Copying replica volumes", number, len(instance.disks))
            name = clone_name(op, number)
            size = self._size_gb(replica)
            clone_id = self._volumes.create(op, name, size, source_volume_id=replica.volume_id)
            clones.append(
                ClonedDisk(replica.disk_id, clone_id, name, replica.size_bytes, bootable=number == 0)
            )
        for clone in clones:
            self._volumes.wait_available(op, clone.volume_id)
        op.progress("Copying replica volumes", len(clones), len(clones))
        return clones

    def delete_clones(self, op: Operation, instance: Instance, owned: Collection[str]) -> None:
        """All but those that a VM owns."""

        def delete(name: str) -> None:
            row = op.ledger.find(ResourceKind.VOLUME, name)
            if row is not None and row.cloud_id not in owned:
                self._volumes.delete_volume(op, name)

        names = [clone_name(op, number) for number in range(len(instance.disks))]
        run_all([partial(delete, name) for name in names])

    def _create(  # noqa: PLR0917 - all of them make up one volume
        self,
        op: Operation,
        environment: DestinationEnvironment,
        name: str,
        instance: Instance,
        disk: Disk,
        volume_type: str | None,
    ) -> str:
        description = f"Replica of disk {disk.id} of instance {instance.name}, kept by Coriolis"[:255]
        attributes: dict[str, Any] = {"description": description, **_zone(environment)}
        return self._volumes.create(op, name, gib(disk.size_bytes), volume_type, **attributes)

    def _size_gb(self, replica: ReplicaDisk) -> int:
        """The volume may be larger than what the replica needs of it, and no copy can be smaller than it."""
        volume = self._volumes.get(replica.volume_id)
        return max(gib(replica.size_bytes), volume.size if volume is not None else 0)

    def _present(self, op: Operation, replica: ReplicaDisk) -> ReplicaDisk | None:
        """None for one that somebody deleted or that Cinder gave up: it has to be made and filled again."""
        volume = self._volumes.wait_settled(op, replica.volume_id)
        if volume is not None and volume.status in _USABLE:
            return replica
        state = f"gone from {self._client.cloud}" if volume is None else f"in {volume.status}"
        op.event(
            EventLevel.WARNING,
            f"Replica volume {replica.volume_name} is {state}: it is created anew.",
        )
        if volume is not None:
            self._volumes.remove(op, replica.volume_id, replica.volume_name)
        op.ledger.removed(ResourceKind.VOLUME, replica.volume_name)
        return None


def _zone(environment: DestinationEnvironment) -> dict[str, str]:
    zone = environment.storage_availability_zone
    return {"availability_zone": zone} if zone else {}
