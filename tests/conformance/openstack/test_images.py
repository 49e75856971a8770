"""Nova's createImage: states, what is refused meanwhile, and what becomes of the image."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.faults import Fault
from tests.conformance.openstack.conftest import GIB, Lab, make_lab, until, until_status


@pytest.fixture
def server(cloud: Connection, lab: Lab) -> Iterator[Any]:
    """Booted from an image."""
    networks = [{"uuid": lab.private}]
    made = cloud.compute.create_server(
        name="local", image_id=lab.image, flavor_id=lab.flavor, networks=networks
    )
    yield until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")
    cloud.compute.delete_server(made.id)
    cloud.compute.wait_for_delete(made, interval=0.02, wait=10)


@pytest.fixture
def on_volumes(cloud: Connection, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Booted from a volume, with a second one. The parameter: its image's properties."""
    image = lab.front.add_image("bootable", "base-debian", "raw", GIB, 1, request.param)
    boot = cloud.block_storage.create_volume(size=1, image_id=image)
    data = cloud.block_storage.create_volume(size=2)
    for volume in (boot, data):
        until_status(lambda v=volume: cloud.block_storage.get_volume(v.id), "available")  # type: ignore[misc]
    mapping = [
        {"uuid": v.id, "boot_index": n or 0, "source_type": "volume", "destination_type": "volume"}
        for n, v in enumerate((boot, data))
    ]
    made = cloud.compute.create_server(
        name="database",
        flavor_id=lab.volume_flavor,
        networks=[{"uuid": lab.private}],
        block_device_mapping=mapping,
    )
    lab.hypervisor.doings.clear()
    lab.hypervisor.agents = {"database"}
    yield until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")
    cloud.compute.delete_server(made.id)
    cloud.compute.wait_for_delete(made, interval=0.02, wait=10)
    for volume in (boot, data):
        cloud.block_storage.delete(f"/volumes/{volume.id}?cascade=true")
    until(lambda: list(cloud.block_storage.volumes(details=False)), lambda left: not left)


def test_an_image_of_a_root_disk(cloud: Connection, lab: Lab, server: Any) -> None:
    image_id = server.create_image(cloud.compute, "now", {"why": "a test"})
    image = until_status(lambda: cloud.image.get_image(image_id), "active")
    assert (image.disk_format, image.size, image.virtual_size) == ("raw", 4 * GIB, 4 * GIB)
    assert (image.visibility, image.owner_id, image.min_disk) == ("private", lab.project, 4)
    assert image.properties["base_image_ref"] == lab.image
    assert image.properties["why"] == "a test"
    until(lambda: cloud.compute.get_server(server.id).task_state, lambda state: state is None)
    cloud.image.delete_image(image_id, ignore_missing=False)
    until(lambda: dict(lab.hypervisor.snapshots), lambda left: not left)


def test_while_an_image_is_made(cloud: Connection, lab: Lab, server: Any) -> None:
    lab.faults.plant(Fault("image.create", "stuck"))
    image_id = server.create_image(cloud.compute, "slow")
    queued = cloud.image.get_image(image_id)
    assert (queued.status, queued.size, queued.disk_format) == ("queued", None, None)
    with pytest.raises(exceptions.ConflictException, match="task_state image_snapshot"):
        server.create_image(cloud.compute, "another")
    with pytest.raises(exceptions.BadRequestException, match="is not active"):
        cloud.block_storage.create_volume(size=4, image_id=image_id)
    cloud.image.delete_image(image_id, ignore_missing=False)


def test_an_image_that_volumes_were_cloned_from_stays(cloud: Connection, lab: Lab, server: Any) -> None:
    image_id = server.create_image(cloud.compute, "cloned")
    until_status(lambda: cloud.image.get_image(image_id), "active")
    with pytest.raises(exceptions.BadRequestException, match="image 4GB is larger"):
        cloud.block_storage.create_volume(size=3, image_id=image_id)
    volume = cloud.block_storage.create_volume(size=4, image_id=image_id)
    until_status(lambda: cloud.block_storage.get_volume(volume.id), "available")
    with pytest.raises(exceptions.ConflictException, match="because it is in use"):
        cloud.image.delete_image(image_id, ignore_missing=False)
    cloud.block_storage.delete_volume(volume)
    until(lambda: list(cloud.block_storage.volumes(details=False)), lambda left: not left)
    cloud.image.delete_image(image_id, ignore_missing=False)


def test_an_image_that_fails_is_gone(cloud: Connection, lab: Lab, server: Any) -> None:
    lab.faults.plant(Fault("image.create", "error"))
    server.create_image(cloud.compute, "never")
    until(lambda: [i.id for i in cloud.image.images(name="never")], lambda found: not found)
    until(lambda: cloud.compute.get_server(server.id).task_state, lambda state: state is None)


def test_without_ceph_an_image_is_copied_and_saved(tmp_path_factory: pytest.TempPathFactory) -> None:
    lab = make_lab(tmp_path_factory.mktemp("files"), rbd=False)
    cloud = lab.connect()
    made = cloud.compute.create_server(
        name="local", image_id=lab.image, flavor_id=lab.flavor, networks=[{"uuid": lab.private}]
    )
    server = until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")
    image_id = server.create_image(cloud.compute, "copied")
    image = until_status(lambda: cloud.image.get_image(image_id), "active")
    assert (image.disk_format, image.virtual_size) == ("qcow2", None)
    cloud.close()
    lab.front.stop()


@pytest.mark.parametrize("on_volumes", [{"hw_qemu_guest_agent": "yes"}], indirect=True)
def test_snapshots_of_all_volumes_of_a_guest_that_is_held(
    cloud: Connection, lab: Lab, on_volumes: Any
) -> None:
    image = cloud.image.get_image(on_volumes.create_image(cloud.compute, "now"))
    assert (image.status, image.size) == ("active", 0)
    mapping = json.loads(image.properties["block_device_mapping"])
    snapshots = [cloud.block_storage.get_snapshot(entry["snapshot_id"]) for entry in mapping]
    assert [snapshot.name for snapshot in snapshots] == ["snapshot for now"] * 2
    assert [snapshot.size for snapshot in snapshots] == [1, 2]
    done = until(lambda: list(lab.hypervisor.doings), lambda found: len(found) == 4)
    assert [what for what, _ in done] == ["freeze", "snapshot", "snapshot", "thaw"]
    cloud.image.delete_image(image, ignore_missing=False)
    assert len(list(cloud.block_storage.snapshots())) == 2


@pytest.mark.parametrize(
    ("on_volumes", "refusal"),
    [
        ({"os_require_quiesce": "yes"}, (400, "QEMU guest agent is not enabled")),
        ({"os_require_quiesce": "yes", "hw_qemu_guest_agent": "yes"}, (500, "InternalError_Remote")),
    ],
    indirect=["on_volumes"],
)
def test_images_that_insist_on_quiescing(
    cloud: Connection, lab: Lab, on_volumes: Any, refusal: tuple[int, str]
) -> None:
    lab.hypervisor.agents.clear()
    answer = cloud.compute.post(f"/servers/{on_volumes.id}/action", json={"createImage": {"name": "now"}})
    assert answer.status_code == refusal[0]
    assert refusal[1] in answer.text
    assert not list(cloud.block_storage.snapshots())


@pytest.mark.parametrize("on_volumes", [{"hw_qemu_guest_agent": "yes"}], indirect=True)
def test_a_failure_lets_the_guest_go_and_leaves_what_there_is(
    cloud: Connection, lab: Lab, on_volumes: Any
) -> None:
    lab.front.set_quota(lab.project, snapshots=1)
    with pytest.raises(exceptions.ForbiddenException, match="Quota exceeded for resources: snapshots"):
        on_volumes.create_image(cloud.compute, "too many")
    lab.front.set_quota(lab.project, snapshots=10)
    lab.faults.plant(Fault("image.create", "error"))
    with pytest.raises(exceptions.HttpException):
        on_volumes.create_image(cloud.compute, "torn")
    until(lambda: [what for what, _ in lab.hypervisor.doings], lambda done: done[-1:] == ["thaw"])
    assert {snapshot.name for snapshot in cloud.block_storage.snapshots()} == {"snapshot for torn"}
    assert not list(cloud.image.images(name="torn"))
