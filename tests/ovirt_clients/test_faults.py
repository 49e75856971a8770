"""What goes wrong on an engine, as the product's user meets it: a retry or a clear word, a clean ledger, and replicas
that nobody touched."""

import os

import pytest
from ovirtsdk4 import types

from coriolis.engine.service import Engine as Product
from coriolis.model.enums import EventLevel, ExecutionStatus
from coriolis.model.records import Execution
from coriolis_lab.faults import Fault
from tests.conformance.providers.real_ovirt import MIB, Lab, needs_real_disks
from tests.ovirt_clients.test_provider import weather
from tests.ovirt_clients.test_provider_source import Machine
from tests.ovirt_clients.test_whole_way import (
    OWNER,
    ended,
    events,
    lab,
    made,
    ovirt_settings,
    product,
    same,
    transfer,
)

__all__ = ["lab", "made", "ovirt_settings", "product", "transfer"]
pytestmark = needs_real_disks
IMPATIENT = "timeout = 20\n"


def execute(
    product: Product, transfer: str, status: ExecutionStatus = ExecutionStatus.COMPLETED
) -> Execution:
    return ended(product, product.frontdoor.execute_transfer(transfer).id, status)


def deploy(product: Product, transfer: str, *, clone_disks: bool = True) -> Execution:
    """One that fails."""
    begun = product.frontdoor.deploy(transfer, **OWNER, skip_os_morphing=True, clone_disks=clone_disks)
    return ended(product, begun.execution.id, ExecutionStatus.ERROR)


def failures(execution: Execution) -> str:
    return "\n".join(task.exception_details for task in execution.tasks if task.exception_details)


def digests(lab: Lab, product: Product, transfer: str) -> list[str]:
    replicas = product.database.replicas.list(transfer)
    return [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas]


def things(lab: Lab) -> set[str]:
    vms, disks = lab.system.vms_service().list(), lab.system.disks_service().list()
    return {vm.name for vm in vms} | {disk.name for disk in disks}


def test_restarts_and_lost_sessions_are_sat_out(
    lab: Lab, made: Machine, product: Product, transfer: str
) -> None:
    made.fill(0, MIB, os.urandom(MIB))
    with weather(lab):
        done = execute(product, transfer)
    assert same(lab, made, product, transfer)
    assert not [e for task in done.tasks for e in task.events if e.level is EventLevel.ERROR]
    assert not product.frontdoor.leftovers()


def test_a_replica_disk_that_turned_illegal_is_made_anew(
    lab: Lab, made: Machine, product: Product, transfer: str
) -> None:
    made.fill(0, MIB, os.urandom(MIB))
    execute(product, transfer)
    lost = product.database.replicas.list(transfer)[0]
    lab.faults.plant(Fault("disk.look", "error", match=lost.volume_name))
    told = events(execute(product, transfer))
    assert f"{lost.volume_name} is illegal" in told
    assert same(lab, made, product, transfer)
    assert product.database.replicas.list(transfer)[0].volume_id != lost.volume_id
    assert not product.frontdoor.leftovers()


def test_a_disk_that_turns_illegal_while_it_is_made_leaves_nothing(
    lab: Lab, made: Machine, product: Product, transfer: str
) -> None:
    before = things(lab)
    lab.faults.plant(Fault("disk.create", "error"))
    told = failures(execute(product, transfer, ExecutionStatus.ERROR))
    assert "prepare a disk" in told, told
    assert things(lab) == before
    assert not product.frontdoor.leftovers()
    execute(product, transfer)
    assert same(lab, made, product, transfer)


def test_a_domain_that_fills_up_meanwhile(lab: Lab, made: Machine, product: Product, transfer: str) -> None:
    before = things(lab)
    lab.faults.plant(Fault("domain.space", "error", count=99))
    told = failures(execute(product, transfer, ExecutionStatus.ERROR))
    assert "files" in told
    assert "space" in told
    lab.faults.clear()
    assert things(lab) == before
    assert not product.frontdoor.leftovers()
    execute(product, transfer)
    replicas = digests(lab, product, transfer)
    lab.faults.plant(Fault("domain.space", "error", count=99))
    lab.system.vms_service().vm_service(made.instance.id).update(types.Vm(name="moved-aside"))
    assert "space" in failures(deploy(product, transfer))
    lab.faults.clear()
    assert digests(lab, product, transfer) == replicas
    assert not product.frontdoor.leftovers()


@pytest.mark.parametrize("clone_disks", [True, False])
def test_a_name_that_is_taken(
    lab: Lab, made: Machine, product: Product, transfer: str, clone_disks: bool
) -> None:
    """By the source itself, which is on the same engine here."""
    execute(product, transfer)
    before, replicas = things(lab), digests(lab, product, transfer)
    told = failures(deploy(product, transfer, clone_disks=clone_disks))
    assert f"already has a VM named '{made.instance.name}'" in told
    assert things(lab) == before
    assert digests(lab, product, transfer) == replicas
    assert not product.frontdoor.leftovers()


@pytest.mark.parametrize("ovirt_settings", [IMPATIENT])
@pytest.mark.parametrize("clone_disks", [True, False])
def test_a_worker_without_an_address(
    lab: Lab, made: Machine, product: Product, transfer: str, clone_disks: bool
) -> None:
    execute(product, transfer)
    lab.system.vms_service().vm_service(made.instance.id).update(types.Vm(name="moved-aside"))
    before, replicas = things(lab), digests(lab, product, transfer)
    lab.faults.plant(Fault("vm.start", "no_address", count=99))
    told = failures(deploy(product, transfer, clone_disks=clone_disks))
    lab.faults.clear()
    assert "Template 'worker' needs qemu-guest-agent" in told
    assert things(lab) == before
    assert digests(lab, product, transfer) == replicas
    assert not product.frontdoor.leftovers()
    records = product.database.replicas.list(transfer)
    assert {(record.generation, record.dirty) for record in records} == {(1, False)}
