"""The front over the real hypervisor: QEMU processes with empty disks, no operating system."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openstack
import pytest
from openstack.connection import Connection

from coriolis.runner import run
from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.settings import LabSettings
from tests.conformance.openstack.conftest import GIB, QUICK, until_status


@dataclass
class RealLab:
    hypervisor: LocalHypervisor
    cloud: Connection
    image: str
    flavor: str
    private: str


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealLab]:
    settings = LabSettings(root=tmp_path / "lab", cache=tmp_path / "cache", delays=QUICK)
    hypervisor = LocalHypervisor(settings)
    front = OpenStackFront(hypervisor, settings, FaultBook())
    front.add_project("demo", "demo", "secret")
    base = tmp_path / "empty.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", base, str(GIB)])
    hypervisor.register_image("empty", base, "qcow2")
    front.start()
    cloud = openstack.connect(
        auth_url=front.auth_url,
        username="demo",
        password="secret",
        project_name="demo",
        user_domain_name="Default",
        project_domain_name="Default",
        load_yaml_config=False,
        load_envvars=False,
    )
    yield RealLab(
        hypervisor,
        cloud,
        image=front.add_image("empty", "empty", "qcow2", GIB, 1, {}),
        flavor=front.add_flavor("tiny", 1, 64, 1),
        private=front.add_network("private", "10.21.0.0/24"),
    )
    front.stop()
    hypervisor.close()


def test_disks_follow_the_api(real: RealLab) -> None:
    cloud = real.cloud
    made = cloud.compute.create_server(
        name="vm", image_id=real.image, flavor_id=real.flavor, networks=[{"uuid": real.private}]
    )
    data = cloud.block_storage.create_volume(size=1, name="data")
    data = until_status(lambda: cloud.block_storage.get_volume(data.id), "available", 60)
    server = until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE", 60)
    assert real.hypervisor.vm_status(server.id).pid
    cloud.compute.create_volume_attachment(server, volume_id=data.id)
    until_status(lambda: cloud.block_storage.get_volume(data.id), "in-use", 60)
    assert data.id in {disk.disk_id for disk in real.hypervisor.vm_status(server.id).attached}
    snapshot = cloud.block_storage.create_snapshot(volume_id=data.id, is_forced=True)
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available", 60)
    clone = cloud.block_storage.create_volume(size=2, snapshot_id=snapshot.id)
    until_status(lambda: cloud.block_storage.get_volume(clone.id), "available", 60)
    assert real.hypervisor.disk_info(clone.id).virtual_size == 2 * GIB
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, interval=0.1)
    until_status(lambda: cloud.block_storage.get_volume(data.id), "available")
    for thing, remove in ((clone, "volume"), (snapshot, "snapshot"), (data, "volume")):
        getattr(cloud.block_storage, f"delete_{remove}")(thing)
        cloud.block_storage.wait_for_delete(thing, interval=0.1)
