"""Verification from the front door to the last step, on clouds of files whose lists are real."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coriolis.agent.digests import Method, hasher, root
from coriolis.agent.frames import Geometry
from coriolis.errors import InvalidInput, VerificationFailed
from coriolis.model.enums import EventLevel, ExecutionStatus, ExecutionType, TaskType
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.model.records import Execution
from coriolis.model.replica import ContentDigest
from coriolis.steps import replicate_disks, verification
from coriolis.transfer.algorithm import UnknownDigestKeyError
from coriolis.transfer.audit import Differences
from coriolis.transfer.job import CopyJob, DiskEnd
from coriolis.transfer.manifest import LeafList, ManifestHeader, drafting
from tests.unit.steps.paper_provider import copy_files
from tests.unit.steps.test_whole_way import OWNER, World, assert_names_the_gone, losing_worker, world

__all__ = ["world"]

LEAF = 65536


def copy_with_lists(
    job: CopyJob, *, report: Callable[[DiskProgress], None], check: Callable[[], None], **_: object
) -> tuple[DiskResult, ...]:
    results = copy_files(job, report=report, check=check)
    roots = []
    for copy in job.copies:
        copy.manifest.unlink()
        content = (Path(copy.destination.login.address) / copy.destination.disk.serial).read_bytes()
        geometry = Geometry(len(content), LEAF)
        with drafting(copy.manifest, Method(geometry, "sha256"), None) as draft:
            draft.put(0, hasher("sha256")(content))
            place = (copy.disk_id, copy.destination.disk.disk_id, job.scope, copy.generation)
            header = ManifestHeader(*place, *geometry, "sha256", draft.root(), "now")
            draft.publish(header, job.signing_keys)
            roots.append(header.root)
    return tuple(
        replace(result, root_digest=root, algorithm="sha256")
        for result, root in zip(results, roots, strict=True)
    )


def verify_root(end: DiskEnd, digest: ContentDigest, **_: Any) -> None:
    login, disk = end.login, end.disk
    found = hasher("sha256")((Path(login.address) / disk.serial).read_bytes())
    if root(Geometry(digest.size, digest.leaf), digest.algorithm, found) != digest.root:
        raise VerificationFailed(disk=disk.disk_id, offset=0, length=digest.size, reason="root")


def verify_file(end: DiskEnd, manifest: Path, **_: Any) -> str:
    login, disk = end.login, end.disk
    with LeafList(manifest) as leaves:
        content = (Path(login.address) / disk.serial).read_bytes()
        differences = Differences(leaves.header.geometry, leaves.digests)
        differences.compare(0, hasher("sha256")(content))
        differences.raise_if_any(disk.disk_id)
        return leaves.header.root


@pytest.fixture
def copied(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(replicate_disks, "run_copy_job", copy_with_lists)
    monkeypatch.setattr(verification, "verify_disk", verify_file)
    monkeypatch.setattr(verification, "verify_content", verify_root)
    assert world.execute().status is ExecutionStatus.COMPLETED
    return world


def verify(of: World) -> Execution:
    return of.ended(of.engine.frontdoor.verify(of.transfer_id).id)


def deploy(of: World) -> Execution:
    return of.deploy().execution


def said(execution: Execution, level: EventLevel) -> list[str]:
    tasks = [task for task in execution.tasks if task.task_type is TaskType.VERIFY_DISKS]
    return [event.message for task in tasks for event in task.events if event.level is level]


def replica_files(of: World) -> dict[str, Path]:
    replicas = of.engine.database.replicas.list(of.transfer_id)
    return {replica.disk_id: of.destination / f"volume-{replica.volume_id}" for replica in replicas}


def dirty(of: World) -> list[bool]:
    return [replica.dirty for replica in of.engine.database.replicas.list(of.transfer_id)]


def test_good_replicas(copied: World) -> None:
    execution = verify(copied)
    assert (execution.status, execution.type) == (ExecutionStatus.COMPLETED, ExecutionType.TRANSFER_VERIFY)
    found = said(execution, EventLevel.INFO)
    assert found[:2] == [f"Disk {disk} holds what was copied to it." for disk in ("vda", "vdb")]
    assert found[2].startswith("Verified 2 disk(s), 8 B re-read in")
    assert "verify" not in "".join(copied.log(copied.source))
    assert not any("copy" in name for name in copied.resources(copied.destination))


def test_a_bad_replica_is_named_marked_and_mended(copied: World) -> None:
    replica_files(copied)["vdb"].write_bytes(b"evil")
    execution = verify(copied)
    assert execution.status is ExecutionStatus.ERROR
    assert "Disk 'vdb': bytes 0 to 0+4 differ" in said(execution, EventLevel.ERROR)[0]
    assert said(execution, EventLevel.INFO) == ["Disk vda holds what was copied to it."]
    assert dirty(copied) == [False, True]
    with pytest.raises(InvalidInput, match="found to differ"):
        copied.engine.frontdoor.deploy(copied.transfer_id, **OWNER)
    assert copied.execute().status is ExecutionStatus.COMPLETED
    assert dirty(copied) == [False, False]
    assert verify(copied).status is ExecutionStatus.COMPLETED


def test_a_deployment_of_a_bad_replica_fails_before_morphing(copied: World) -> None:
    replica_files(copied)["vda"].write_bytes(b"evil")
    deployment = copied.deploy()
    assert deployment.execution.status is ExecutionStatus.ERROR
    failed = next(t for t in deployment.execution.tasks if t.task_type is TaskType.VERIFY_DISKS)
    assert "Disk 'vda': bytes 0 to 0+4 differ" in (failed.exception_details or "")
    assert not any("clone" in name or "morph" in name for name in copied.resources(copied.destination))
    assert dirty(copied) == [True, False]
    assert copied.execute().status is ExecutionStatus.COMPLETED
    assert copied.deploy().execution.status is ExecutionStatus.COMPLETED


def test_the_cost_of_verifying_is_told(copied: World) -> None:
    deployment = copied.deploy()
    assert said(deployment.execution, EventLevel.INFO)[-1].startswith("Verified 2 disk(s), 8 B re-read in")


def test_without_its_list_a_disk_is_verified_by_its_root(copied: World) -> None:
    for path in copied.manifests():
        path.unlink()
    assert verify(copied).status is ExecutionStatus.COMPLETED
    replica_files(copied)["vda"].write_bytes(b"evil")
    execution = verify(copied)
    assert execution.status is ExecutionStatus.ERROR
    assert dirty(copied) == [True, False]


def test_what_cannot_be_verified_is_no_hindrance_but_a_warning(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicate_disks, "run_copy_job", copy_files)
    assert copied.execute().status is ExecutionStatus.COMPLETED
    deployment = copied.deploy()
    assert deployment.execution.status is ExecutionStatus.COMPLETED
    assert "Disk vda is not verified" in said(deployment.execution, EventLevel.WARNING)[0]


def test_digests_whose_key_was_rotated_out_are_no_hindrance_but_a_warning(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known_method(*_: object) -> Method:
        raise UnknownDigestKeyError("its key is gone")

    monkeypatch.setattr(verification, "known_method", known_method)
    deployment = copied.deploy()
    assert deployment.execution.status is ExecutionStatus.COMPLETED
    warning = said(deployment.execution, EventLevel.WARNING)[0]
    assert "Disk vda is not verified: its leaf list is not usable on this host: its key is gone" in warning


def test_the_list_of_another_disk_proves_nothing(copied: World) -> None:
    vda, vdb = copied.manifests()
    vda.write_bytes(vdb.read_bytes())
    (copied.destination / replica_files(copied)["vda"].name).write_bytes(b"evil")
    execution = verify(copied)
    assert "Disk 'vda': bytes 0 to 0+4 differ" in said(execution, EventLevel.ERROR)[0]
    assert dirty(copied) == [True, False]


@pytest.mark.parametrize(("what", "role"), [(verify, "copy"), (deploy, "morph")])
def test_a_worker_that_vanished_is_named_at_once(
    copied: World, monkeypatch: pytest.MonkeyPatch, what: Callable[[World], Execution], role: str
) -> None:
    """Once for each of the two disks, which are read side by side."""
    lose_worker, tries = losing_worker(copied.destination)
    with monkeypatch.context() as patched:
        patched.setattr(verification, "verify_disk", lose_worker)
        assert_names_the_gone(what(copied), TaskType.VERIFY_DISKS, role)
    assert len(tries) == 2
    assert dirty(copied) == [False, False]
    assert what(copied).status is ExecutionStatus.COMPLETED


def test_nothing_to_verify(world: World) -> None:
    with pytest.raises(InvalidInput, match="no replica that was copied"):
        world.engine.frontdoor.verify(world.transfer_id)


def test_the_first_differing_range_is_named() -> None:
    geometry = Geometry(10 * LEAF + 7, LEAF)
    good = bytes(geometry.list_bytes)
    bad = bytearray(good)
    for leaf in (3, 4, 10):
        bad[leaf * 16] = 1
    differences = Differences(geometry, memoryview(good))
    differences.compare(0, bytes(bad[:64]))
    differences.compare(64, bytes(bad[64:]))
    with pytest.raises(VerificationFailed) as caught:
        differences.raise_if_any("d")
    assert (caught.value.fields["offset"], caught.value.fields["length"]) == (3 * LEAF, 2 * LEAF)
    assert "3 of 11 leaves" in str(caught.value)
