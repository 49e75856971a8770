"""Replica disks on oVirt that are written without a worker: engine, image I/O daemon and disks are real processes and
files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.certificates import make_certificates
from tests.conformance.providers.conftest import SETTINGS
from tests.conformance.providers.real_ovirt import (
    INSTANCE,
    MIB,
    Lab,
    needs_real_disks,
    read,
    real_lab,
    write,
)
from tests.memory_operation import Crash, MemoryOperation

pytestmark = needs_real_disks


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with real_lab(tmp_path_factory.mktemp("images")) as lab:
        yield lab


@pytest.fixture
def lab(module_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Where a worker is asked for, the test ends with that: its template has nothing to boot."""

    def no_worker(*_: object, **__: object) -> None:
        raise Crash("a worker is made")

    monkeypatch.setattr(module_lab.destination._workers, "create", no_worker)
    yield module_lab
    module_lab.faults.clear()


@pytest.fixture
def op() -> MemoryOperation:
    return MemoryOperation(SETTINGS)


@pytest.mark.parametrize("domain", ["files", "blocks"])
def test_disks_are_written_without_a_worker(lab: Lab, op: MemoryOperation, domain: str) -> None:
    replicas = lab.replicas(op, storage_domain=domain)
    resources = lab.open(op, replicas)
    assert resources.worker is None
    assert [(i.disk_id, i.size_bytes) for i in resources.images] == [("d1", 8 * MIB), ("d2", 4 * MIB)]
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.LOCKED}
    data = os.urandom(2 * MIB)
    write(resources.images[0], MIB, data)
    lab.close(op, replicas)
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    assert "images/" not in repr(resources)
    again = MemoryOperation(SETTINGS, job="again", ledger=op.ledger)
    resources = lab.open(again, replicas, data_transfer_mechanism="imageio")
    wanted = bytes(MIB) + data + bytes(5 * MIB)
    assert read(resources.images[0]) == wanted
    lab.close(again, replicas)
    assert not [*op.events, *again.events]
    (copy, _) = lab.destination.clone_disks(again, lab.env, INSTANCE, replicas)  # they are free at once
    assert lab.hypervisor.disk_digest(copy.volume_id) == lab.hypervisor.disk_digest(replicas[0].volume_id)
    lab.destination.delete_cloned_disks(again, lab.env, INSTANCE)
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("mechanism", ["ssh", "HTTPS", "auto", "imageio"])
def test_managed_block_storage_and_other_mechanisms_take_a_worker(
    lab: Lab, op: MemoryOperation, mechanism: str
) -> None:
    domain = "managed" if mechanism in {"auto", "imageio"} else "files"
    replicas = lab.replicas(op, storage_domain=domain)
    assert {replica.dirty for replica in replicas} == {domain == "managed"}
    with pytest.raises(Crash):
        lab.open(op, replicas, data_transfer_mechanism=mechanism)
    assert [level for level, _ in op.events] == ([EventLevel.INFO] if domain == "managed" else [])
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("mechanism", ["auto", "imageio"])
@pytest.mark.parametrize("trouble", ["refused", "unreachable"])
def test_what_cannot_be_opened_is_told_and_survives(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mechanism: str,
    trouble: str,
) -> None:
    """The engine deletes the disk of an upload that is cancelled: ours never is."""
    op = MemoryOperation(SETTINGS)
    replicas = lab.replicas(op)
    if trouble == "refused":
        lab.faults.plant(Fault("transfer.create", "error"))
        words = r"paused_system.*a host of the data centre"
    else:
        monkeypatch.setitem(
            lab.destination._client.__dict__, "image_ca", make_certificates(tmp_path).ca.read_text()
        )
        words = r"54322 of the hosts and 54323"
    expected: type[BaseException] = errors.CloudError if mechanism == "imageio" else Crash
    with pytest.raises(expected) as raised:
        lab.open(op, replicas, data_transfer_mechanism=mechanism)
    told = str(raised.value) if mechanism == "imageio" else op.events[-1][1]
    assert re.search(words, told), told
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    lab.destination.delete_disks(op, replicas)


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
def test_a_crash_while_disks_are_opened(lab: Lab, op: MemoryOperation, again: bool) -> None:
    replicas = lab.replicas(op)
    op.ledger.crash_after = ResourceKind.IMAGE_TRANSFER
    with pytest.raises(Crash):
        lab.open(op, replicas)
    if again:
        write(lab.open(op, replicas).images[0], 0, b"x" * 512)
    lab.close(op, replicas)
    assert lab.phases() <= {"finished_success"}
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    assert not op.ledger.owed()
    lab.destination.delete_disks(op, replicas)


def test_a_transfer_that_was_paused_is_ended_and_its_disk_survives(lab: Lab, op: MemoryOperation) -> None:
    replicas = lab.replicas(op)
    images = lab.open(op, replicas).images
    for transfer in lab.system.image_transfers_service().list():
        if transfer.phase == types.ImageTransferPhase.TRANSFERRING:
            lab.system.image_transfers_service().image_transfer_service(transfer.id).pause()
    del images
    lab.close(op, replicas)
    assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
    lab.destination.delete_disks(op, replicas)


def test_a_disk_that_turns_illegal_is_told_and_made_anew(lab: Lab, op: MemoryOperation) -> None:
    replicas = lab.replicas(op)
    lab.open(op, replicas)
    lab.faults.plant(Fault("transfer.finalize", "error"))
    with pytest.raises(errors.CloudError, match="makes it anew"):
        lab.close(op, replicas)
    assert not op.ledger.owed()
    later = MemoryOperation(SETTINGS, job="later", ledger=op.ledger)
    with pytest.raises(errors.CoriolisError, match=r"illegal|was not found"):
        lab.destination.validate_deployment(lab.env, INSTANCE, replicas)
    anew = lab.destination.deploy_disks(later, lab.env, INSTANCE, replicas)
    assert {replica.volume_id for replica in anew} != {replica.volume_id for replica in replicas}
    assert {lab.disk(replica).status for replica in anew} == {types.DiskStatus.OK}
    lab.destination.delete_disks(later, anew)
