"""The provider against engines of each age, and against one that keeps failing for a moment."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.model.enums import EventLevel
from coriolis.model.replica import ReplicaDisk
from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.look import LOOKS
from tests.conformance.providers.conftest import SETTINGS
from tests.conformance.providers.real_ovirt import INSTANCE, MIB, Lab, needs_real_disks, real_lab, write
from tests.memory_operation import MemoryOperation

pytestmark = needs_real_disks
Answer = TypeVar("Answer")
ENV = {**Lab.env, "leave_migrated_vms_off": True}


def again(call: Callable[..., Answer], *arguments: Any) -> Answer:
    """As the conductor does with a step that met a passing fault."""
    for _ in range(9):
        try:
            return call(*arguments)
        except errors.CloudUnavailable:
            time.sleep(0.2)
    return call(*arguments)


def whole_way(lab: Lab, op: MemoryOperation, mechanism: str, data: bytes) -> str:
    """From nothing to a VM; the id of the VM's first disk. The replicas are as they were, and then deleted."""
    env = {**ENV, "disk_clone_mechanism": mechanism}
    cloud = lab.destination
    again(cloud.validate_destination, env, INSTANCE)
    replicas: list[ReplicaDisk] = list(again(cloud.deploy_disks, op, env, INSTANCE, []))
    images = again(cloud.deploy_target_resources, op, env, INSTANCE, replicas).images
    write(images[0], MIB, data)
    again(cloud.delete_target_resources, op, env, replicas)
    before = [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas]
    again(cloud.validate_deployment, env, INSTANCE, replicas)
    clones = again(cloud.clone_disks, op, env, INSTANCE, replicas)
    again(cloud.finalize_instance, op, env, INSTANCE, clones, None)
    again(cloud.delete_cloned_disks, op, env, INSTANCE)
    assert [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas] == before
    assert [lab.hypervisor.disk_digest(clone.volume_id) for clone in clones] == before
    again(cloud.delete_disks, op, replicas)
    assert not op.ledger.owed()
    return clones[0].volume_id


def in_place(lab: Lab, domain: str = "files") -> None:
    """The replicas themselves: rolled back with their bytes, and then a VM's."""
    op = MemoryOperation(SETTINGS, job=f"in-place-{domain}")
    cloud, env = lab.destination, {**ENV, "storage_domain": domain}
    replicas: list[ReplicaDisk] = list(again(cloud.deploy_disks, op, env, INSTANCE, []))
    before = [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas]
    again(cloud.validate_in_place, env, INSTANCE, replicas)
    again(cloud.secure_disks, op, env, INSTANCE, replicas)
    again(cloud.roll_back_disks, op, env, INSTANCE)
    assert [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas] == before
    disks = again(cloud.secure_disks, op, env, INSTANCE, replicas)
    again(cloud.finalize_instance, op, env, INSTANCE, disks, None)
    again(cloud.hand_over_disks, op, env, INSTANCE, disks)
    assert [lab.hypervisor.disk_digest(replica.volume_id) for replica in replicas] == before
    assert not op.ledger.owed()
    again(cloud.delete_instance, op, env, INSTANCE)
    again(cloud.delete_disks, op, replicas)


def clean(lab: Lab, op: MemoryOperation) -> None:
    """Removes the VM that a way left, as a failed deployment would."""
    again(lab.destination.delete_instance, op, ENV, INSTANCE)
    again(lab.destination.delete_cloned_disks, op, ENV, INSTANCE)
    assert [vm.name for vm in lab.system.vms_service().list()] == []
    assert [disk.name for disk in lab.system.disks_service().list()] == ["worker_Disk1"]


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_engines_of_each_age(tmp_path: Path, look: str) -> None:
    with real_lab(tmp_path, look) as lab:
        lab.destination.validate_connection()
        for mechanism in ("copy", "snapshot"):
            op = MemoryOperation(SETTINGS, job=mechanism)
            whole_way(lab, op, mechanism, os.urandom(MIB))
            clean(lab, op)
        for domain in ("files", "blocks", "managed"):
            in_place(lab, domain)
        if look == "4.3":
            made = MemoryOperation(SETTINGS, job="source")
            whole_way(lab, made, "copy", b"x" * MIB)
            with pytest.raises(errors.InvalidInput, match=r"version 4\.3"):
                lab.source.validate_source({}, lab.source.get_instance({}, INSTANCE.name))
            clean(lab, made)


@contextmanager
def weather(lab: Lab) -> Iterator[None]:
    """The engine restarts, forgets sessions and drops connections, in turns, each as soon as the last one struck."""
    over = threading.Event()

    def plant() -> None:
        kinds = ("503", "expire_token", "drop", "503")
        number = 0
        while not over.wait(0.4):
            if not any(fault["count"] for fault in lab.faults.as_json()):
                lab.faults.clear()
                lab.faults.plant(Fault("http", kinds[number % len(kinds)], count=1 + number % 2))
                number += 1

    thread = threading.Thread(target=plant)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        lab.faults.clear()


@pytest.mark.parametrize("mechanism", ["copy", "snapshot"])
def test_an_engine_that_keeps_failing_for_a_moment(tmp_path: Path, mechanism: str) -> None:
    with real_lab(tmp_path) as lab:
        op = MemoryOperation(SETTINGS, job="storm")
        with weather(lab):
            in_place(lab)
            whole_way(lab, op, mechanism, os.urandom(MIB))
        clean(lab, op)


def test_a_full_domain(tmp_path: Path) -> None:
    """Known beforehand; and where it fills up in the meantime, the engine's word is passed on and nothing stays."""
    with real_lab(tmp_path) as lab:
        lab.front.add_storage_domain("tiny", "Default", "iscsi", capacity_bytes=512 * MIB)
        op = MemoryOperation(SETTINGS)
        env = {**ENV, "storage_domain": "tiny", "use_thin_disk_allocation": False}
        large = replace(INSTANCE, disks=tuple(replace(disk, size_bytes=512 * MIB) for disk in INSTANCE.disks))
        with pytest.raises(errors.StorageTooSmall, match="tiny"):
            lab.destination.validate_destination(env, large)
        with pytest.raises(errors.Conflict, match="tiny"):
            lab.destination.deploy_disks(op, env, large, [])
        left = [ReplicaDisk("", row.cloud_id or "", row.name, 0) for row in op.ledger.rows.values()]
        lab.destination.delete_disks(op, left)
        assert not op.ledger.owed()
        assert [disk.name for disk in lab.system.disks_service().list()] == ["worker_Disk1"]


def test_a_name_that_was_taken_meanwhile(tmp_path: Path) -> None:
    with real_lab(tmp_path) as lab:
        op = MemoryOperation(SETTINGS)
        replicas = lab.replicas(op)
        clones = lab.destination.clone_disks(op, ENV, INSTANCE, replicas)
        theirs = types.Vm(
            name=INSTANCE.name, cluster=types.Cluster(name="Default"), template=types.Template(name="Blank")
        )
        lab.system.vms_service().add(theirs)
        with pytest.raises(errors.Conflict, match="already in use"):
            lab.destination.finalize_instance(op, ENV, INSTANCE, clones, None)
        lab.destination.delete_instance(op, ENV, INSTANCE)
        lab.destination.delete_cloned_disks(op, ENV, INSTANCE)
        assert not op.ledger.owed()
        assert [vm.name for vm in lab.system.vms_service().list()] == [INSTANCE.name]
        assert {lab.disk(replica).status for replica in replicas} == {types.DiskStatus.OK}
        assert not [level for level, _ in op.events if level == EventLevel.ERROR]
