"""Worker VMs that really boot: the disks are found in the guest by the serial that the provider tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tenacity

from coriolis.config import Settings
from coriolis.errors import WorkerUnreachable
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.worker import WorkerVm
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis.workers.ssh import SshSession
from coriolis_lab.settings import LabSettings
from coriolis_lab.world import World
from tests.memory_operation import MemoryOperation

GIB = 1 << 30
pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(LabSettings(root=tmp_path_factory.mktemp("world")), with_source_server=False)
    made.up()
    yield made
    made.down()


@pytest.fixture
def op() -> MemoryOperation:
    return MemoryOperation(Settings())


# As a step does: cloud-init may restart a stock image's sshd just after it answered for the first time.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(WorkerUnreachable),
    stop=tenacity.stop_after_attempt(5),
    wait=tenacity.wait_fixed(3),
    reraise=True,
)
def sizes_by_serial(worker: WorkerVm) -> dict[str, int]:
    """Bytes of each disk that the guest shows, by the first 20 characters of its serial."""
    script = (
        "for d in /sys/block/[sv]d*; do n=${d##*/}; s=$(cat $d/serial 2>/dev/null || udevadm info -q property"
        " -n /dev/$n | sed -n 's/^ID_SCSI_SERIAL=//p'); echo \"$s $(cat $d/size)\"; done"
    )
    with SshSession(worker.login, worker.name) as session:
        lines = session.run(script, sudo=True).text.splitlines()
    pairs = [line.split() for line in lines if len(line.split()) == 2]
    return {serial[:20]: int(sectors) * 512 for serial, sectors in pairs}


def test_an_export_worker_shows_the_clones(world: World, op: MemoryOperation) -> None:
    lab = world.describe()["openstack"]
    info = {
        "auth_url": lab["auth_url"],
        "username": lab["username"],
        "password": lab["password"],
        "project_name": lab["project"],
    }
    source: Any = OpenStackProvider().connect_source(info, "lab", op.settings)
    sdk = source._client.sdk
    volume = sdk.block_storage.create_volume(name="data", size=1)
    sdk.block_storage.wait_for_status(volume, "available", interval=0.2, wait=60)
    env = {
        "coriolis_backups_options": {
            "export_image": "debian-12-worker",
            "export_flavor_name": "m1.worker",
            "export_network": "old-net",
            "export_fip_pool_name": "public",
        }
    }
    instance = _instance(volume.id)
    source.validate_source(env, instance)
    try:
        worker = source.deploy_source_resources(op, env, instance, {}).worker
        assert sizes_by_serial(worker)[worker.disks[0].serial[:20]] == GIB
    finally:
        source.delete_source_resources(op, env, instance, {})
    assert not op.ledger.owed()
    assert [v.name for v in sdk.block_storage.volumes()] == ["data"]


def test_a_copy_worker_shows_the_replicas(world: World, op: MemoryOperation) -> None:
    lab = world.describe()["ovirt"]
    info = {k: lab[k] for k in ("url", "username", "password")} | {"ca_file": str(Path(lab["ca_file"]))}
    destination = OvirtProvider().connect_destination(info, "lab", op.settings)
    env = {
        "storage_domain": "data",
        "migr_template_map": {"linux": "debian-12-worker"},
        "network_map": {"old-net": "new-net"},
        "data_transfer_mechanism": "ssh",
    }
    instance = _instance("d1")
    destination.validate_destination(env, instance)
    replicas = destination.deploy_disks(op, env, instance, [])
    try:
        worker = destination.deploy_target_resources(op, env, instance, replicas).worker
        assert sizes_by_serial(worker)[worker.disks[0].serial[:20]] == GIB
    finally:
        destination.delete_target_resources(op, env, replicas)
        destination.delete_disks(op, replicas)
    assert not op.ledger.owed()
    destination.close()


def _instance(disk_id: str) -> Instance:
    return Instance(
        id="i",
        name="web",
        num_cpu=1,
        memory_mb=512,
        os_type=OsType.LINUX,
        firmware=Firmware.BIOS,
        disks=(Disk(disk_id, GIB, 0, bootable=True),),
        nics=(Nic("old-net", None),),
    )
