"""Where servers and volumes go, and what a Windows guest tells: groups, zones, scheduling, passwords."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.openstack.compute.passwords import post_password
from tests.conformance.openstack.conftest import Lab, until_status


def server(cloud: Connection, lab: Lab, **given: Any) -> Any:
    made = cloud.compute.create_server(
        name="placed",
        **{"image_id": lab.image, "flavor_id": lab.flavor, "networks": [{"uuid": lab.private}], **given},
    )
    return until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")


def test_server_groups(cloud: Connection, lab: Lab) -> None:
    group = cloud.compute.create_server_group(name="apart", policy="anti-affinity")
    made = server(cloud, lab, scheduler_hints={"group": group.id})
    assert made.server_groups == [group.id]
    assert cloud.compute.get_server_group(group.id).member_ids == [made.id]
    with pytest.raises(exceptions.BadRequestException, match="could not be found"):
        server(cloud, lab, scheduler_hints={"group": made.id})
    old = cloud.compute.get("/os-server-groups", microversion="2.1").json()["server_groups"]
    assert old == [
        {
            "id": group.id,
            "name": "apart",
            "members": [made.id],
            "policies": ["anti-affinity"],
            "metadata": {},
        }
    ]
    cloud.compute.delete_server(made)
    cloud.compute.delete_server_group(group)
    with pytest.raises(exceptions.NotFoundException):
        cloud.compute.get_server_group(group.id)


def test_zones(cloud: Connection, lab: Lab) -> None:
    lab.front.cloud.compute_zones.append("far")
    lab.front.cloud.volume_zones.append("far-storage")
    assert [zone.name for zone in cloud.compute.availability_zones()] == ["nova", "far"]
    made = server(cloud, lab, availability_zone="far")
    assert made.availability_zone == "far"
    volume = cloud.block_storage.create_volume(size=1, availability_zone="far-storage")
    assert volume.availability_zone == "far-storage"
    until_status(lambda: cloud.block_storage.get_volume(volume.id), "available")
    clone = cloud.block_storage.create_volume(source_volume_id=volume.id, size=1)
    assert clone.availability_zone == "far-storage"
    for create in (
        lambda: cloud.block_storage.create_volume(
            source_volume_id=volume.id, size=1, availability_zone="nova"
        ),
        lambda: server(cloud, lab, availability_zone="moon"),
        lambda: cloud.block_storage.create_volume(size=1, availability_zone="moon"),
    ):
        with pytest.raises(exceptions.BadRequestException, match="zone"):
            create()
    cloud.compute.delete_server(made)
    lab.front.cloud.compute_zones.remove("far")
    lab.front.cloud.volume_zones.remove("far-storage")


def test_only_bootable_volumes_boot_and_only_on_a_host_that_fits(cloud: Connection, lab: Lab) -> None:
    blank = cloud.block_storage.create_volume(size=1)
    until_status(lambda: cloud.block_storage.get_volume(blank.id), "available")
    device = {
        "boot_index": 0,
        "uuid": blank.id,
        "source_type": "volume",
        "destination_type": "volume",
        "disk_bus": "sata",
    }
    mapping = {"image_id": None, "block_device_mapping": [device], "flavor_id": lab.volume_flavor}
    with pytest.raises(exceptions.BadRequestException, match="is not bootable"):
        server(cloud, lab, **mapping)
    cloud.block_storage.set_volume_bootable_status(blank.id, True)
    made = server(cloud, lab, **mapping)
    assert str(lab.hypervisor.specs[made.id].disks[0].bus) == "sata"
    cloud.compute.delete_server(made)
    until_status(lambda: cloud.block_storage.get_volume(blank.id), "available")
    cloud.block_storage.set_volume_image_metadata(blank.id, img_hv_type="hyperv")
    lost = cloud.compute.create_server(name="lost", networks="none", **mapping)
    failed = until_status(lambda: cloud.compute.get_server(lost.id), "ERROR")
    assert "No valid host" in failed.fault["message"]
    cloud.compute.delete_server(lost)


def test_the_password_of_a_windows_guest(cloud: Connection, lab: Lab) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    cloud.compute.create_keypair(name="windows", public_key=public.decode())
    made = server(cloud, lab, key_name="windows")
    assert cloud.compute.get_server_password(made.id) == ""
    post_password(lab.front.cloud.servers[made.id], "s3cret")
    told = base64.b64decode(cloud.compute.get_server_password(made.id) or "")
    assert key.decrypt(told, padding.PKCS1v15()) == b"s3cret"
    cloud.compute.clear_server_password(made.id)
    assert cloud.compute.get_server_password(made.id) == ""
    cloud.compute.delete_server(made)
