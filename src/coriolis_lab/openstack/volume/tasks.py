"""What Cinder's volume service does after the API answered: making, cloning, extending and removing."""

import logging
from collections.abc import Callable

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.records import Snapshot, Volume, now
from coriolis_lab.openstack.web import new_id

LOG = logging.getLogger(__name__)
GIB = 1024**3


def submit_create(cloud: Cloud, volume: Volume, image_id: str | None, fault: str | None) -> None:
    cloud.jobs.submit(
        f"volume/{volume.id}", lambda: create(cloud, volume, image_id, fault), cloud.settings.delays.disk
    )


def create(cloud: Cloud, volume: Volume, image_id: str | None, fault: str | None = None) -> bool:
    """creating (or downloading) → available, or error. True when it became available."""
    if fault == "stuck":
        return False
    if image_id:
        with cloud.lock:
            volume.status = "downloading"
    done = fault != "error" and _try("creation", volume.id, lambda: _make(cloud, volume, image_id))
    _settle(cloud, volume, "available" if done else "error")
    return done


def _make(cloud: Cloud, volume: Volume, image_id: str | None) -> None:
    size = volume.size * GIB
    if image_id:
        cloud.disk_from_image(volume.id, image_id, size)
    elif volume.snapshot_id:
        cloud.hypervisor.disk_from_snapshot(volume.id, volume.snapshot_id, size)
    elif volume.source_volume_id:
        # The source may be attached to a running server: clone what a snapshot froze, as the RBD driver does.
        passing = new_id()
        cloud.hypervisor.snapshot_disks({volume.source_volume_id: passing})
        try:
            cloud.hypervisor.disk_from_snapshot(volume.id, passing, size)
        finally:
            cloud.hypervisor.delete_snapshot(passing)
    else:
        cloud.hypervisor.create_disk(volume.id, size)


def submit_delete(
    cloud: Cloud, volume: Volume, fault: str | None = None, snapshots: list[Snapshot] | None = None
) -> None:
    """Marks it deleting now, removes it (and `snapshots` before it) later."""
    volume.status, volume.updated = "deleting", now()
    for snapshot in snapshots or ():
        submit_snapshot_delete(cloud, snapshot, key=f"volume/{volume.id}")
    cloud.jobs.submit(
        f"volume/{volume.id}", lambda: _delete(cloud, volume, fault), cloud.settings.delays.delete
    )


def _delete(cloud: Cloud, volume: Volume, fault: str | None) -> None:
    if fault == "stuck":
        return
    if fault == "error" or not _try("deletion", volume.id, lambda: _drop_disk(cloud, volume)):
        _settle(cloud, volume, "error_deleting")
        return
    with cloud.lock:
        cloud.volumes.pop(volume.id, None)


def _drop_disk(cloud: Cloud, volume: Volume) -> None:
    """A volume whose creation failed has no disk behind it."""
    try:
        cloud.hypervisor.disk_info(volume.id)
    except HypervisorError:
        return
    cloud.hypervisor.delete_disk(volume.id)


def submit_extend(cloud: Cloud, volume: Volume, size: int) -> None:
    before, volume.status = volume.status, "extending"
    cloud.jobs.submit(
        f"volume/{volume.id}", lambda: _extend(cloud, volume, size, before), cloud.settings.delays.disk
    )


def _extend(cloud: Cloud, volume: Volume, size: int, before: str | None) -> None:
    if _try("extension", volume.id, lambda: cloud.hypervisor.resize_disk(volume.id, size * GIB)):
        with cloud.lock:
            volume.size = size
        _settle(cloud, volume, before)
    else:
        _settle(cloud, volume, "error_extending")


def submit_snapshot_create(cloud: Cloud, snapshot: Snapshot, fault: str | None) -> None:
    def work() -> None:
        if fault == "stuck":
            return
        made = fault != "error" and _try(
            "snapshot",
            snapshot.id,
            lambda: cloud.hypervisor.snapshot_disks({snapshot.volume_id: snapshot.id}),
        )
        with cloud.lock:
            snapshot.status, snapshot.updated = "available" if made else "error", now()
            snapshot.progress = "100%" if made else snapshot.progress

    cloud.jobs.submit(f"volume/{snapshot.volume_id}", work, cloud.settings.delays.snapshot)


def submit_snapshot_delete(
    cloud: Cloud, snapshot: Snapshot, fault: str | None = None, key: str | None = None
) -> None:
    """deleting → gone. With Ceph, a snapshot that volumes were cloned from becomes available again, and
    only a message to the user tells (SnapshotIsBusy; rbd_flatten_volume_from_snapshot is off)."""
    failed = snapshot.status == "error"
    snapshot.status, snapshot.updated = "deleting", now()

    def work() -> None:
        if fault == "stuck":
            return
        with cloud.lock:
            if cloud.rbd and cloud.snapshot_clones(snapshot.id):
                LOG.info("snapshot %s is busy: volumes were cloned from it", snapshot.id)
                snapshot.status = "available"
                return
        gone = fault != "error" and (
            _try("snapshot deletion", snapshot.id, lambda: cloud.hypervisor.delete_snapshot(snapshot.id))
            or failed
        )
        with cloud.lock:
            if gone:
                cloud.snapshots.pop(snapshot.id, None)
            else:
                snapshot.status = "error_deleting"

    cloud.jobs.submit(key or f"volume/{snapshot.volume_id}", work, cloud.settings.delays.delete)


def submit_revert(cloud: Cloud, volume: Volume, snapshot: Snapshot) -> None:
    volume.status, snapshot.status = "reverting", "restoring"

    def work() -> None:
        done = _try("reverting", volume.id, lambda: cloud.hypervisor.revert_disk(volume.id, snapshot.id))
        with cloud.lock:
            snapshot.status = "available"
        _settle(cloud, volume, "available" if done else "error")

    cloud.jobs.submit(f"volume/{volume.id}", work, cloud.settings.delays.snapshot)


def _settle(cloud: Cloud, volume: Volume, status: str | None) -> None:
    with cloud.lock:
        volume.status, volume.updated = status, now()


def _try(what: str, object_id: str, work: Callable[[], None]) -> bool:
    """The real service logs why and shows the user a state."""
    try:
        work()
    except HypervisorError as error:
        LOG.warning("%s of %s failed: %s", what, object_id, error)
        return False
    return True
