"""Cinder: states, sources, snapshots with Ceph's rules, quotas, faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.faults import Fault
from tests.conformance.openstack.conftest import GIB, Lab, make_lab, until, until_status


@pytest.fixture(autouse=True)
def nothing_left(cloud: Connection, lab: Lab) -> Iterator[None]:
    """Each test removes what it made, or this does."""
    yield
    lab.faults.clear()
    admin = lab.admin()
    for volume in cloud.block_storage.volumes():
        admin.block_storage.post(
            f"/volumes/{volume.id}/action", json={"os-reset_status": {"status": "error"}}
        )
        cloud.block_storage.delete(f"/volumes/{volume.id}?cascade=true")
    until(lambda: list(cloud.block_storage.volumes()), lambda left: not left)


def volume(cloud: Connection, **given: object) -> object:
    made = cloud.block_storage.create_volume(**{"size": 1, **given})
    assert made.status == "creating"
    return until_status(lambda: cloud.block_storage.get_volume(made.id), "available")


def test_blank_volume_is_a_disk_named_by_its_id(cloud: Connection, lab: Lab) -> None:
    made = volume(cloud, name="data", size=2, metadata={"a": "b"})
    assert lab.hypervisor.disks[made.id] == 2 * GIB
    assert (made.volume_type, made.metadata, made.is_bootable) == ("ceph", {"a": "b"}, False)
    cloud.block_storage.delete_volume(made)
    cloud.block_storage.wait_for_delete(made, interval=0.05)
    assert made.id not in lab.hypervisor.disks


def test_volume_from_image_carries_the_image_properties(cloud: Connection, lab: Lab) -> None:
    made = volume(cloud, size=3, image_id=lab.image)
    assert made.is_bootable
    assert made.volume_image_metadata["os_type"] == "linux"
    assert made.volume_image_metadata["image_id"] == lab.image
    with pytest.raises(exceptions.BadRequestException) as small:
        cloud.block_storage.create_volume(size=1, image_id=lab.image)
    assert "is larger than volume size 1GB" in str(small.value)


def test_snapshot_clone_and_cephs_rule(cloud: Connection, lab: Lab) -> None:
    origin = volume(cloud, size=2)
    snapshot = cloud.block_storage.create_snapshot(volume_id=origin.id, name="s")
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
    with pytest.raises(exceptions.BadRequestException) as has_snapshots:
        cloud.block_storage.delete_volume(origin, ignore_missing=False)
    assert "must not be migrating, attached, belong to a group, have snapshots" in str(has_snapshots.value)
    with pytest.raises(exceptions.BadRequestException) as small:
        cloud.block_storage.create_volume(size=1, snapshot_id=snapshot.id)
    assert "cannot be smaller than the snapshot size 2GB" in str(small.value)
    clone = volume(cloud, size=2, snapshot_id=snapshot.id)
    cloud.block_storage.delete_snapshot(snapshot)  # accepted, and then it is only available again
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
    cloud.block_storage.delete_volume(clone)
    cloud.block_storage.wait_for_delete(clone, interval=0.05)
    cloud.block_storage.delete_snapshot(snapshot)
    cloud.block_storage.wait_for_delete(snapshot, interval=0.05)


def test_without_ceph_the_snapshot_goes_before_its_clone(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, rbd=False)
    try:
        cloud = lab.connect()
        origin = volume(cloud)
        assert origin.volume_type == "lvm"
        snapshot = cloud.block_storage.create_snapshot(volume_id=origin.id)
        until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
        volume(cloud, snapshot_id=snapshot.id)
        cloud.block_storage.delete_snapshot(snapshot)
        cloud.block_storage.wait_for_delete(snapshot, interval=0.05)
    finally:
        lab.front.stop()


def test_clone_of_a_volume(cloud: Connection) -> None:
    origin = volume(cloud, size=2)
    assert volume(cloud, size=3, source_volid=origin.id).size == 3
    assert list(cloud.block_storage.snapshots()) == []


def test_extend(cloud: Connection, lab: Lab) -> None:
    made = volume(cloud)
    cloud.block_storage.extend_volume(made, 3)
    grown = until_status(lambda: cloud.block_storage.get_volume(made.id), "available")
    assert (grown.size, lab.hypervisor.disks[made.id]) == (3, 3 * GIB)
    with pytest.raises(exceptions.BadRequestException):
        cloud.block_storage.extend_volume(made, 2)


def test_cascade_and_revert(cloud: Connection, lab: Lab) -> None:
    made = volume(cloud)
    snapshot = cloud.block_storage.create_snapshot(volume_id=made.id)
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
    cloud.block_storage.revert_volume_to_snapshot(made, snapshot)
    until_status(lambda: cloud.block_storage.get_volume(made.id), "available")
    cloud.block_storage.delete(f"/volumes/{made.id}?cascade=true")
    cloud.block_storage.wait_for_delete(made, interval=0.05)
    assert lab.hypervisor.snapshots == {}


def test_pages(cloud: Connection) -> None:
    made = {volume(cloud, name=f"v{number}").id for number in range(3)}
    assert {v.id for v in cloud.block_storage.volumes(limit=1)} == made
    assert [v.name for v in cloud.block_storage.volumes(name="v1")] == ["v1"]
    first = cloud.block_storage.get("/volumes?limit=1").json()
    assert first["volumes_links"][0]["rel"] == "next"


def test_quota_is_a_413_with_the_real_words(cloud: Connection, lab: Lab) -> None:
    lab.front.set_quota(lab.project, gigabytes=5, volumes=1)
    try:
        answer = cloud.block_storage.post("/volumes", json={"volume": {"size": 6}})
        assert answer.status_code == 413
        assert answer.headers["Retry-After"] == "0"
        assert answer.json()["overLimit"]["message"] == (
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "
            "Requested 6G, quota is 5G and 0G has been consumed."
        )
        volume(cloud)
        answer = cloud.block_storage.post("/volumes", json={"volume": {"size": 1}})
        assert answer.json()["overLimit"]["message"].startswith(
            "VolumeLimitExceeded: Maximum number of volumes"
        )
        limits = cloud.block_storage.get_limits().absolute
        assert (limits.total_volumes_used, limits.max_total_volumes) == (1, 1)
        assert cloud.block_storage.get_quota_set(lab.project, usage=True).usage["gigabytes"] == 1
    finally:
        lab.front.set_quota(lab.project, gigabytes=1000, volumes=10)


def test_faults(cloud: Connection, lab: Lab) -> None:
    lab.faults.plant(Fault("volume.create", "error", match="bad"))
    bad = cloud.block_storage.create_volume(name="bad", size=1)
    until_status(lambda: cloud.block_storage.get_volume(bad.id), "error")
    lab.faults.plant(Fault("volume.create", "refuse"))
    with pytest.raises(exceptions.ConflictException):
        cloud.block_storage.create_volume(name="refused", size=1)
    good = volume(cloud, name="good")
    lab.faults.plant(Fault("snapshot.create", "error"))
    snapshot = cloud.block_storage.create_snapshot(volume_id=good.id, name="s")
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "error")
    cloud.block_storage.delete_snapshot(snapshot)
    cloud.block_storage.wait_for_delete(snapshot, interval=0.05)
    lab.faults.plant(Fault("volume.delete", "error"))
    cloud.block_storage.delete_volume(good)
    until_status(lambda: cloud.block_storage.get_volume(good.id), "error_deleting")
    with pytest.raises(exceptions.BadRequestException):
        cloud.block_storage.delete_volume(good, ignore_missing=False)
    cloud.block_storage.delete_volume(bad)
    cloud.block_storage.wait_for_delete(bad, interval=0.05)


def test_stuck_volume_stays_creating(cloud: Connection, lab: Lab) -> None:
    lab.faults.plant(Fault("volume.create", "stuck"))
    made = cloud.block_storage.create_volume(name="slow", size=1)
    lab.front.cloud.jobs.submit(f"volume/{made.id}", lambda: None)
    other = volume(cloud, name="other")
    assert other.status == "available"
    assert cloud.block_storage.get_volume(made.id).status == "creating"


@pytest.mark.parametrize(
    ("listed", "kind"), [("volumes", "Volume"), ("snapshots", "Snapshot"), ("backups", "Backup")]
)
def test_a_marker_that_is_gone_is_named_for_what_it_was(cloud: Connection, listed: str, kind: str) -> None:
    answer = cloud.block_storage.get(f"/{listed}/detail", params={"marker": "gone"})
    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["message"] == f"{kind} gone could not be found."
