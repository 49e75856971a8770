"""From the front door through flows and steps to the clouds and back, on clouds of files."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from coriolis.config import load_settings
from coriolis.engine.service import Engine
from coriolis.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotSupported,
    WorkerUnreachable,
)
from coriolis.model.enums import (
    ExecutionStatus,
    Firmware,
    OsType,
    ResourceKind,
    ResourceState,
    Scenario,
    TaskStatus,
    TaskType,
)
from coriolis.model.instance import Instance
from coriolis.model.progress import DiskResult
from coriolis.model.records import Deployment, Execution
from coriolis.providers.base import Provider
from coriolis.steps import morph_os, replicate_disks
from coriolis.steps.morph_os import refuse_unmorphable, scripts_for
from coriolis.transfer.job import CopyJob
from tests.unit.steps.paper_provider import OPEN_SESSIONS, PASSWORD, copy_files, morph_files

OWNER = {"user_id": "u", "project_id": "p"}


@dataclass
class World:
    engine: Engine
    source: Path
    destination: Path
    transfer_id: str

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def execute(self, *, shutdown: bool = False) -> Execution:
        return self.ended(
            self.engine.frontdoor.execute_transfer(self.transfer_id, shutdown_instances=shutdown).id
        )

    def ended(self, execution_id: str) -> Execution:
        executions = self.engine.database.executions
        self.until(lambda: executions.get(execution_id).status.finished)
        return executions.get(execution_id)

    def deploy(self, **wishes: bool) -> Deployment:
        deployment = self.engine.frontdoor.deploy(self.transfer_id, **OWNER, **wishes)
        self.ended(deployment.execution.id)
        return self.engine.database.deployments.get(deployment.id)

    def fail(self, side: Path, verb: str) -> Path:
        path = side / "fail" / verb
        path.touch()
        return path

    def log(self, side: Path) -> list[str]:
        return (side / "log").read_text().split() if (side / "log").exists() else []

    def resources(self, side: Path) -> list[str]:
        return sorted(p.name for p in side.iterdir() if p.is_file() and p.name != "log")

    def states(self) -> set[ResourceState]:
        return {entry.state for entry in self.engine.database.resources.list()}

    def manifests(self) -> list[Path]:
        return [p for p in self.state_dir.glob("manifests/**/*") if p.is_file()]

    @property
    def state_dir(self) -> Path:
        return self.source.parent / "state"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Provider) -> Iterator[World]:
    monkeypatch.setattr(replicate_disks, "run_copy_job", copy_files)
    monkeypatch.setattr(morph_os, "run_morph_job", morph_files)
    conf = tmp_path / "coriolis.conf"
    conf.write_text(f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n[engine]\nretry_seconds = 0.01\n")
    sides = [tmp_path / "source", tmp_path / "destination"]
    for side in sides:
        (side / "fail").mkdir(parents=True)
    (sides[0] / "vm" / "web/vda").parent.mkdir(parents=True)
    for disk, content in (("vda", b"boot"), ("vdb", b"data")):
        (sides[0] / "vm" / "web" / disk).write_bytes(content)
    with Engine(load_settings(conf), find_provider=lambda _: platform) as engine:
        ends = [
            engine.database.endpoints.create(
                **OWNER,
                name=side.name,
                type="paper",
                connection_info={"directory": str(side), "password": PASSWORD},
            )
            for side in sides
        ]
        transfer = engine.database.transfers.create(
            **OWNER,
            scenario=Scenario.REPLICA,
            instances=["web"],
            origin_endpoint_id=ends[0].id,
            destination_endpoint_id=ends[1].id,
            network_map={"net": "n1"},
            user_scripts={"global": {"linux": "echo all"}, "instances": {}},
        )
        yield World(engine, sides[0], sides[1], transfer.id)
    assert OPEN_SESSIONS == []


def test_a_replica_is_kept_up_to_date_and_deployed(world: World) -> None:
    first = world.execute()
    assert first.status is ExecutionStatus.COMPLETED
    assert {task.status for task in first.tasks} == {TaskStatus.COMPLETED}
    assert next(task.task_type for task in first.tasks) is TaskType.GET_INSTANCE_INFO
    copy = next(task for task in first.tasks if task.task_type is TaskType.REPLICATE_DISKS)
    assert [(p.disk_id, p.done, p.total) for p in copy.progress_updates] == [("vda", 4, 4), ("vdb", 4, 4)]
    assert "2 disk(s), 8 B: 0 B read, 8 B moved" in copy.events[-1].message
    replicas = world.engine.database.replicas.list(world.transfer_id)
    assert [(r.disk_id, r.generation, r.dirty) for r in replicas] == [("vda", 1, False), ("vdb", 1, False)]
    assert world.states() == {ResourceState.REMOVED, ResourceState.KEPT}
    assert len(world.resources(world.destination)) == 2
    assert world.resources(world.source) == []
    assert [p.read_text() for p in world.manifests()] == ["1 None False True"] * 2

    (world.source / "vm/web/vdb").write_bytes(b"more")
    assert world.execute().status is ExecutionStatus.COMPLETED
    (vdb,) = [p for p in world.manifests() if "vdb" in str(p)]
    assert vdb.name.split(".")[0] == "2"
    assert re.search(r"/vdb/1\.\d+ False False$", vdb.read_text())

    deployment = world.deploy()
    assert deployment.execution.status is ExecutionStatus.COMPLETED
    assert deployment.transfer_result is not None
    assert deployment.transfer_result["web"]["addresses"] == ["10.0.0.1"]
    vm = next(p for p in world.destination.iterdir() if p.name.startswith("vm-"))
    assert "Debian GNU/Linux 12" in vm.read_text()
    assert len(world.resources(world.destination)) == 5  # two replicas, two disks, one VM
    assert world.states() == {ResourceState.REMOVED, ResourceState.KEPT}
    assert not any(PASSWORD.encode() in p.read_bytes() for p in world.state_dir.iterdir() if p.is_file())


def test_shutdown_happens_only_when_asked_and_before_the_snapshots(world: World) -> None:
    world.execute()
    assert "shutdown" not in world.log(world.source)
    world.execute(shutdown=True)
    log = world.log(world.source)
    assert log.index("shutdown") == len(log) - 1 - log[::-1].index("deploy-source") - 1


@pytest.mark.parametrize("verb", ["validate-source", "validate-destination"])
def test_what_cannot_work_fails_before_anything_is_created(world: World, verb: str) -> None:
    world.fail(world.source, verb)
    world.fail(world.destination, verb)
    assert world.execute().status is ExecutionStatus.ERROR
    assert world.engine.database.resources.list() == []


def test_an_unknown_instance_says_so(world: World) -> None:
    (world.source / "vm/web").rename(world.source / "vm/other")
    execution = world.execute()
    assert "Instance 'web' was not found" in (execution.tasks[0].exception_details or "")
    assert "coriolis endpoint instance list" in (execution.tasks[0].exception_details or "")


@pytest.mark.parametrize("verb", ["deploy-disks", "deploy-target", "deploy-source"])
def test_a_first_run_that_copied_nothing_leaves_nothing(world: World, verb: str) -> None:
    world.fail(world.source, verb)
    world.fail(world.destination, verb)
    assert world.execute().status is ExecutionStatus.ERROR
    assert world.resources(world.source) == world.resources(world.destination) == []
    assert world.states() == {ResourceState.REMOVED}
    assert world.engine.database.replicas.list(world.transfer_id) == []


def test_new_disks_that_may_hold_anything_are_compared_and_removed_if_nothing_was_copied(
    world: World,
) -> None:
    world.fail(world.destination, "not-zeroed")
    rule = world.fail(world.destination, "deploy-target")
    assert world.execute().status is ExecutionStatus.ERROR
    assert world.resources(world.destination) == []
    assert world.engine.database.replicas.list(world.transfer_id) == []
    rule.unlink()
    assert world.execute().status is ExecutionStatus.COMPLETED
    assert all(
        p.read_text().endswith(" True False") for p in world.manifests()
    )  # compared, not taken for zeroed


def test_a_broken_off_copy_leaves_dirty_replicas_that_the_next_run_compares(world: World) -> None:
    world.execute()
    rule = world.fail(world.destination, "copy")
    assert world.execute().status is ExecutionStatus.ERROR
    replicas = world.engine.database.replicas.list(world.transfer_id)
    assert [(r.generation, r.dirty) for r in replicas] == [(1, True), (1, True)]
    assert {p.name.split(".")[0] for p in world.manifests()} == {"1"}
    assert len(world.resources(world.destination)) == 2
    assert world.resources(world.source) == []
    with pytest.raises(InvalidInput, match="its last run broke off"):
        world.engine.frontdoor.deploy(world.transfer_id, **OWNER)
    rule.unlink()
    assert world.execute().status is ExecutionStatus.COMPLETED
    assert all(re.search(r"^2 .*/1\.\d+ True False$", p.read_text()) for p in world.manifests())


def losing_worker(side: Path) -> tuple[Callable[..., NoReturn], list[object]]:
    """What finds the worker gone in the middle of its work, and with what it was called."""
    tries: list[object] = []

    def lose_worker(subject: object, *_: object, **given: object) -> NoReturn:
        tries.append(subject)
        for worker in side.glob(f"{ResourceKind.SERVER}-*"):
            worker.unlink(missing_ok=True)
        raise WorkerUnreachable(worker="10.0.0.7", reason="no route")

    return lose_worker, tries


def assert_names_the_gone(failed: Execution, task_type: TaskType, role: str) -> None:
    assert failed.status is ExecutionStatus.ERROR
    task = next(task for task in failed.tasks if task.task_type is task_type)
    assert re.search(f"Worker VM '.*{role}.*' was deleted or switched off", task.exception_details or "")


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_worker_that_vanished_is_named_at_once_and_the_next_run_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    lose_worker, tries = losing_worker(getattr(world, side))
    with monkeypatch.context() as patched:
        patched.setattr(replicate_disks, "run_copy_job", lose_worker)
        failed = world.execute()
    assert_names_the_gone(failed, TaskType.REPLICATE_DISKS, "export" if side == "source" else "copy")
    assert len(tries) == 1
    assert not [name for name in world.resources(world.source) if name.startswith(ResourceKind.SERVER)]
    assert world.execute().status is ExecutionStatus.COMPLETED


def test_a_morphing_worker_that_vanished_is_named_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.execute()
    replicas = world.resources(world.destination)
    lose_worker, tries = losing_worker(world.destination)
    with monkeypatch.context() as patched:
        patched.setattr(morph_os, "run_morph_job", lose_worker)
        failed = world.deploy()
    assert_names_the_gone(failed.execution, TaskType.OS_MORPHING, "morph")
    assert len(tries) == 1
    assert world.resources(world.destination) == replicas
    assert world.deploy().execution.status is ExecutionStatus.COMPLETED


def test_a_worker_that_is_there_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def break_once(job: CopyJob, **given: Any) -> tuple[DiskResult, ...]:
        tries.append(job)
        if len(tries) == 1:
            raise WorkerUnreachable(worker="10.0.0.7", reason="no route")
        return copy_files(job, **given)

    monkeypatch.setattr(replicate_disks, "run_copy_job", break_once)
    assert world.execute().status is ExecutionStatus.COMPLETED
    assert len(tries) == 2


@pytest.mark.parametrize("verb", ["clone-disks", "deploy-morphing", "morph", "delete-morphing", "finalize"])
def test_a_failed_deployment_leaves_the_replicas_as_they_were(world: World, verb: str) -> None:
    world.execute()
    before = {name: digest(world.destination / name) for name in world.resources(world.destination)}
    world.fail(world.destination, verb)
    deployment = world.deploy()
    assert deployment.execution.status is ExecutionStatus.ERROR
    left = {name for name in world.resources(world.destination) if name not in before}
    expected = {name for name in left if "morph" in name} if verb == "delete-morphing" else set()
    assert left == expected
    assert {name: digest(world.destination / name) for name in before} == before
    reported = {entry.name for entry in world.engine.frontdoor.leftovers()}
    assert {f"server-{name}" for name in reported} == expected


def test_a_leftover_is_removed_when_asked_again(world: World) -> None:
    world.execute()
    rule = world.fail(world.destination, "delete-morphing")
    world.deploy()
    (left,) = world.engine.frontdoor.leftovers()
    rule.unlink()
    assert [entry.name for entry in world.engine.frontdoor.retry_cleanup(left.job_id)] == [left.name]
    world.until(lambda: not world.engine.frontdoor.leftovers())
    assert not any("morph" in name for name in world.resources(world.destination))
    world.until(lambda: world.engine.database.jobs.get(left.job_id).state.finished)
    with pytest.raises(NotFound):
        world.engine.frontdoor.retry_cleanup(left.job_id)


def test_a_deployment_without_morphing_verifies_all_the_same(world: World) -> None:
    world.execute()
    deployment = world.deploy(skip_os_morphing=True)
    assert [task.task_type for task in deployment.execution.tasks] == [
        TaskType.VALIDATE_DEPLOYMENT_INPUTS,
        TaskType.CREATE_TRANSFER_DISK_SNAPSHOTS,
        TaskType.DEPLOY_OS_MORPHING_RESOURCES,
        TaskType.VERIFY_DISKS,
        TaskType.DELETE_OS_MORPHING_RESOURCES,
        TaskType.FINALIZE_INSTANCE_DEPLOYMENT,
    ]
    assert deployment.execution.status is ExecutionStatus.COMPLETED


def test_what_a_deployment_needs_is_refused_at_once(world: World) -> None:
    frontdoor = world.engine.frontdoor
    with pytest.raises(InvalidInput, match="no execution has completed"):
        frontdoor.deploy(world.transfer_id, **OWNER)
    with pytest.raises(InvalidInput, match="was never replicated"):
        frontdoor.deploy(world.transfer_id, **OWNER, force=True)
    with pytest.raises(NotSupported, match=r"'paper' .* clone_disks=false"):
        frontdoor.deploy(world.transfer_id, **OWNER, clone_disks=False)
    with pytest.raises(InvalidInput, match="no replica disks"):
        frontdoor.delete_disks(world.transfer_id)
    with pytest.raises(NotFound):
        frontdoor.deploy("nowhere", **OWNER)


def test_one_thing_at_a_time_happens_to_a_transfer(world: World) -> None:
    world.execute()
    world.engine.conductor.stop()
    deployment = world.engine.frontdoor.deploy(world.transfer_id, **OWNER)
    for call in (world.engine.frontdoor.execute_transfer, world.engine.frontdoor.delete_disks):
        with pytest.raises(Conflict, match=deployment.execution.id):
            call(world.transfer_id)
    world.engine.frontdoor.cancel_deployment(deployment.id)
    world.engine.frontdoor.delete_disks(world.transfer_id)
    with pytest.raises(Conflict):
        world.engine.frontdoor.execute_transfer(world.transfer_id)


def test_replicas_and_their_lists_can_be_deleted(world: World) -> None:
    world.execute()
    world.ended(world.engine.frontdoor.delete_disks(world.transfer_id).id)
    assert world.resources(world.destination) == []
    assert world.manifests() == []
    assert world.states() == {ResourceState.REMOVED}
    assert world.execute().status is ExecutionStatus.COMPLETED


def test_a_disk_that_left_the_instance_is_told_and_not_deployed(world: World) -> None:
    world.execute()
    (world.source / "vm/web/vdb").unlink()
    execution = world.execute()
    assert execution.status is ExecutionStatus.COMPLETED
    assert any("vdb left the instance" in event.message for task in execution.tasks for event in task.events)
    world.deploy(skip_os_morphing=True)
    assert len([name for name in world.resources(world.destination) if "clone" in name]) == 1


def test_inventory_goes_through_the_front_door(world: World) -> None:
    frontdoor, database = world.engine.frontdoor, world.engine.database
    endpoint = next(e for e in database.endpoints.list("p") if e.name == "source")
    frontdoor.validate_endpoint(endpoint.id)
    assert [i.name for i in frontdoor.list_instances(endpoint.id, {})] == ["web"]
    assert len(frontdoor.get_instance(endpoint.id, {}, "web").disks) == 2
    assert frontdoor.list_networks(endpoint.id, {})[0].name == "net"
    assert frontdoor.list_storage(endpoint.id, {})[0].name == "store"
    assert frontdoor.source_options(endpoint.id, {})[0].name == "o"
    assert frontdoor.destination_options(endpoint.id, {}) == []
    assert frontdoor.schemas("paper", 16) == {"connection_info_schema": {"title": "connection"}}
    for number in (8, 64, 3):
        with pytest.raises(NotSupported):
            frontdoor.schemas("paper", number)
    database.endpoints.update(endpoint.id, connection_info={"directory": "/", "password": "wrong"})
    with pytest.raises(AuthenticationFailed):
        frontdoor.validate_endpoint(endpoint.id)
    database.endpoints.update(endpoint.id, connection_info={})
    with pytest.raises(InvalidInput, match="directory"):
        frontdoor.validate_endpoint(endpoint.id)


def test_a_guest_that_osmorphing_does_not_know_is_refused_at_once() -> None:
    guest = Instance("i", "dc1", 1, 64, OsType.LINUX, Firmware.BIOS, (), ())
    refuse_unmorphable(guest)
    with pytest.raises(NotSupported, match=r"'dc1' runs Windows.*skip_os_morphing"):
        refuse_unmorphable(replace(guest, os_type=OsType.WINDOWS))


def test_scripts_for_a_guest_come_from_both_places() -> None:
    scripts = {
        "global": {"linux": "all", "windows": "not this"},
        "instances": {"web": [{"phase": "osmorphing_pre_os_mount", "payload": "one"}, {"payload": "two"}]},
    }
    assert scripts_for(scripts, "web", OsType.LINUX) == (
        ("osmorphing_post_os_mount", "all"),
        ("osmorphing_pre_os_mount", "one"),
        ("osmorphing_post_os_mount", "two"),
    )
    assert scripts_for({}, "web", OsType.LINUX) == ()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
