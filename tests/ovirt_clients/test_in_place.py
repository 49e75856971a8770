"""A deployment of the replica disks themselves (clone_disks=false) whose OSMorphing fails is rolled back, byte by byte.

On one engine, whose worker template is the guest too: the worst case for a worker that has the guest's disks.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from coriolis.config import load_settings
from coriolis.engine.service import Engine as Product
from coriolis.model.enums import ExecutionStatus, Scenario
from coriolis.model.records import Deployment
from coriolis_lab.settings import LabSettings
from coriolis_lab.world import CLUSTER, NEW_NETWORK, STORAGE_DOMAIN, WORKER, World

OWNER = {"user_id": "u", "project_id": "p"}
NAME = "web"
SECONDS = 3000  # emulated guests on a machine that has other work
pytestmark = pytest.mark.timeout(2 * SECONDS)
CONFIGURATION = """
[DEFAULT]
state_dir = {state}
[osmorphing]
offline_packages_dir = {packages}
[ovirt_migration_provider]
data_transfer_mechanism = imageio
"""


@dataclass
class Story:
    world: World
    product: Product
    system: Any
    transfer: str

    def digests(self) -> list[str]:
        replicas = self.product.database.replicas.list(self.transfer)
        return [self.world.ovirt_hypervisor.disk_digest(replica.volume_id) for replica in replicas]

    def things(self) -> set[str]:
        listed = [*self.system.vms_service().list(), *self.system.disks_service().list()]
        return {item.name for item in listed}

    def wait(self, execution_id: str) -> ExecutionStatus:
        deadline = time.monotonic() + SECONDS
        while not (found := self.product.database.executions.get(execution_id)).status.finished:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        return found.status

    def deploy(self, **wishes: Any) -> Deployment:
        begun = self.product.frontdoor.deploy(self.transfer, **OWNER, clone_disks=False, **wishes)
        self.wait(begun.execution.id)
        assert not self.product.frontdoor.leftovers()
        return self.product.database.deployments.get(begun.id)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coriolis-in-place-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def world(directory: Path) -> Iterator[World]:
    made = World(LabSettings(root=directory / "lab"), with_openstack=False)
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="module")
def story(world: World, directory: Path) -> Iterator[Story]:
    """A VM of the worker's template, off, was replicated; and is renamed, since its name is needed."""
    lab = world.describe()
    conf = directory / "coriolis.conf"
    conf.write_text(CONFIGURATION.format(state=directory / "state", packages=lab["packages_dir"]))
    login = {name: lab["ovirt"][name] for name in ("url", "username", "password", "ca_file")}
    connection = ovirtsdk4.Connection(**login)
    source = make_source(connection.system_service())
    with Product(load_settings(conf)) as product:
        ends = [
            product.database.endpoints.create(
                **OWNER, name=name, type="ovirt", connection_info={**login, "allow_untrusted": untrusted}
            )
            for name, untrusted in (("old", False), ("new", True))
        ]
        made = product.database.transfers.create(
            **OWNER,
            scenario=Scenario.REPLICA,
            instances=[NAME],
            origin_endpoint_id=ends[0].id,
            destination_endpoint_id=ends[1].id,
            destination_environment={
                "storage_domain": STORAGE_DOMAIN,
                "migr_template_map": {"linux": WORKER},
            },
            network_map={NEW_NETWORK: NEW_NETWORK},
        )
        story = Story(world, product, connection.system_service(), made.id)
        run = product.frontdoor.execute_transfer(made.id, shutdown_instances=False)
        assert story.wait(run.id) is ExecutionStatus.COMPLETED
        source.update(types.Vm(name="web-before"))
        yield story
    connection.close()


def make_source(system: Any) -> Any:
    wanted = types.Vm(name=NAME, cluster=types.Cluster(name=CLUSTER), template=types.Template(name=WORKER))
    service = system.vms_service().vm_service(system.vms_service().add(wanted, clone=True).id)
    while service.get().status != types.VmStatus.DOWN:
        time.sleep(0.5)
    service.nics_service().add(types.Nic(name="nic1", vnic_profile=profile(system)))
    return service


def profile(system: Any) -> Any:
    found = system.vnic_profiles_service().list()
    centre = system.data_centers_service().list(search="name=Default")[0].id
    networks = {
        n.id for n in system.networks_service().list() if n.name == NEW_NETWORK and n.data_center.id == centre
    }
    return types.VnicProfile(id=next(p.id for p in found if p.network.id in networks))


def test_a_failing_osmorphing_is_rolled_back(story: Story) -> None:
    before, things = story.digests(), story.things()
    script = "#!/bin/sh\necho this morph must fail\nexit 7\n"
    failed = story.deploy(user_scripts={"global": {"linux": script}, "instances": {}})
    assert failed.execution.status is ExecutionStatus.ERROR
    told = [task.exception_details for task in failed.execution.tasks if task.exception_details]
    assert any("this morph must fail" in text for text in told), told
    assert story.digests() == before
    assert story.things() == things
    records = story.product.database.replicas.list(story.transfer)
    assert [(record.generation, record.dirty) for record in records] == [(1, False)]
