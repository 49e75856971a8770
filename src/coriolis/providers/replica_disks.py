"""What all destinations do with replica disks: keep those that are there, make the missing, grow the too small."""

from collections.abc import Callable, Sequence
from functools import partial

from coriolis.model.enums import ResourceKind
from coriolis.model.instance import Disk, Instance
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all


def deploy_replicas(
    op: Operation,
    kind: ResourceKind,
    instance: Instance,
    replicas: Sequence[ReplicaDisk],
    *,
    present: Callable[[ReplicaDisk], ReplicaDisk | None],
    create: Callable[[int, Disk], ReplicaDisk],
    grow: Callable[[ReplicaDisk, int], ReplicaDisk],
    wait: Callable[[str], object],
) -> list[ReplicaDisk]:
    """See `DestinationCloud.deploy_disks`. `present`: None for one that has to be made again; `create`: asks for the
    disk with this number; `grow`: to bytes; `wait`: until the one with this id is ready. All are asked for before any
    is waited for, and kept once all are ready.
    """
    known = {replica.disk_id: replica for replica in replicas}
    found: list[ReplicaDisk] = []
    fresh: list[ReplicaDisk] = []
    for number, disk in enumerate(instance.disks):
        recorded = known.get(disk.id)
        replica = present(recorded) if recorded is not None else None
        if replica is None:
            replica = create(number, disk)
            fresh.append(replica)
        elif replica.size_bytes < disk.size_bytes:
            op.progress(f"Growing replica {kind} {replica.volume_name}")
            replica = grow(replica, disk.size_bytes)
        found.append(replica)
    for number, replica in enumerate(fresh):
        op.progress(f"Creating replica {kind}s", number, len(fresh))
        wait(replica.volume_id)
    for replica in fresh:
        reason = f"replica of disk {replica.disk_id} of instance {instance.name}"
        op.ledger.keep(kind, replica.volume_name, reason)
    return found


def delete_replicas(
    op: Operation,
    kind: ResourceKind,
    replicas: Sequence[ReplicaDisk],
    *,
    remove: Callable[[str, str], object],
    remove_named: Callable[[str], object],
) -> None:
    """`remove` takes id and name. One without id is what a crash left of a create call: then the name finds it."""

    def delete(replica: ReplicaDisk) -> None:
        if replica.volume_id:
            remove(replica.volume_id, replica.volume_name)
            op.ledger.removed(kind, replica.volume_name)
        else:
            remove_named(replica.volume_name)

    run_all([partial(delete, replica) for replica in replicas])


def in_order(instance: Instance, replicas: Sequence[ReplicaDisk]) -> list[ReplicaDisk]:
    """Those of the instance's disks, in their order."""
    known = {replica.disk_id: replica for replica in replicas}
    return [known[disk.id] for disk in instance.disks]


def replica_name(op: Operation, number: int) -> str:
    return op.name("replica", str(number))


def clone_name(op: Operation, number: int) -> str:
    return op.name("disk", str(number))
