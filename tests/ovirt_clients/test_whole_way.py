"""From the front door to the engine and back: a VM of an oVirt is replicated to an oVirt, without any worker."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coriolis.config import load_settings
from coriolis.engine.service import Engine as Product
from coriolis.model.enums import ExecutionStatus, Scenario
from coriolis.model.records import Execution
from tests.conformance.providers.real_ovirt import MIB, Lab, needs_real_disks, real_lab
from tests.ovirt_clients.test_provider_source import Machine, machine

pytestmark = needs_real_disks
OWNER = {"user_id": "u", "project_id": "p"}
CONFIGURATION = """
[DEFAULT]
state_dir = {state}
[engine]
retry_seconds = 0.05
[ovirt_migration_provider]
poll_interval = 0.02
auto_enable_incremental_backups = true
data_transfer_mechanism = imageio
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with real_lab(tmp_path) as made:
        yield made


@pytest.fixture
def made(lab: Lab) -> Machine:
    return machine(lab, "web", "blocks")


@pytest.fixture
def ovirt_settings() -> str:
    """More lines of [ovirt_migration_provider]."""
    return ""


@pytest.fixture
def product(tmp_path: Path, ovirt_settings: str) -> Iterator[Product]:
    conf = tmp_path / "coriolis.conf"
    conf.write_text(CONFIGURATION.format(state=tmp_path / "state") + ovirt_settings)
    with Product(load_settings(conf)) as product:
        yield product


@pytest.fixture
def transfer(lab: Lab, made: Machine, product: Product) -> str:
    info = {
        "url": lab.front.url,
        "username": lab.front.username,
        "password": lab.front.password,
        "ca_file": str(lab.front.ca_file),
    }
    ends = [
        product.database.endpoints.create(
            **OWNER, name=name, type="ovirt", connection_info={**info, "allow_untrusted": untrusted}
        )
        for name, untrusted in (("old", False), ("new", True))
    ]
    made_transfer = product.database.transfers.create(
        **OWNER,
        scenario=Scenario.REPLICA,
        instances=[made.instance.name],
        origin_endpoint_id=ends[0].id,
        destination_endpoint_id=ends[1].id,
        destination_environment={**lab.env, "storage_domain": "files"},
        network_map={"blue": "blue"},
    )
    return made_transfer.id


def ended(
    product: Product, execution_id: str, status: ExecutionStatus = ExecutionStatus.COMPLETED
) -> Execution:
    end = time.monotonic() + 600
    while not (found := product.database.executions.get(execution_id)).status.finished:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert found.status is status, [task.exception_details for task in found.tasks]
    return found


def events(execution: Execution) -> str:
    return "\n".join(event.message for task in execution.tasks for event in task.events)


def same(lab: Lab, made: Machine, product: Product, transfer: str) -> bool:
    """Byte by byte, as far as the source's disks go."""
    replicas = product.database.replicas.disks(transfer, made.instance.name)
    by_disk = {replica.disk_id: replica.volume_id for replica in replicas}
    digest = lab.hypervisor.disk_digest
    return all(digest(disk.id) == digest(by_disk[disk.id]) for disk in made.instance.disks)


def test_a_vm_is_replicated_changed_and_replicated_again(
    lab: Lab, made: Machine, product: Product, transfer: str
) -> None:
    data = os.urandom(2 * MIB)
    made.fill(0, MIB, data)
    first = ended(product, product.frontdoor.execute_transfer(transfer, shutdown_instances=False).id)
    assert "Route: none, this conductor reads and writes itself" in events(first)
    assert same(lab, made, product, transfer)
    made.fill(0, 5 * MIB, b"y" * 65536)
    second = ended(product, product.frontdoor.execute_transfer(transfer, shutdown_instances=True).id)
    assert "64.0 KiB read, 64.0 KiB moved" in events(second)
    assert same(lab, made, product, transfer)
    assert len(made.checkpoints()) == 1
    assert not product.frontdoor.leftovers()
    assert "all hold what was copied" in events(ended(product, product.frontdoor.verify(transfer).id))
    left = [entry.kind for entry in product.database.resources.list() if entry.state.value == "kept"]
    assert sorted(left) == ["checkpoint", "disk", "disk"]
    ended(product, product.frontdoor.delete_disks(transfer).id)
    assert made.checkpoints() == set()
    left = [disk.id for disk in lab.system.disks_service().list()]
    assert {disk.id for disk in made.instance.disks} < set(left)
    assert len(left) == 3  # and that of the worker's template
