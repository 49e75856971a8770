"""Deployments of the replica disks themselves, from the front door to the last step, on clouds of files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import Settings
from coriolis.errors import InvalidInput
from coriolis.model.enums import ExecutionStatus, ResourceKind, ResourceState, TaskType
from coriolis.model.instance import Instance
from coriolis.model.records import Deployment
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis.providers.base import DestinationCloud, Environment, InPlaceDestination, Operation, Provider
from tests.unit.steps.paper_provider import PaperDestination, PaperProvider
from tests.unit.steps.test_whole_way import OWNER, World, digest, world

__all__ = ["world"]


class InPlacePaper(PaperDestination, InPlaceDestination):
    """The safe point is a file with the volumes' bytes, one after the other."""

    def validate_in_place(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self.does("validate-in-place")

    def secure_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        for replica in replicas:
            content = self.path(ResourceKind.VOLUME, replica.volume_id).read_bytes()
            self.create(op, ResourceKind.SNAPSHOT, op.name("point", replica.volume_id), content)
        self.does("secure")
        return [
            ClonedDisk(r.disk_id, r.volume_id, r.volume_name, r.size_bytes, number == 0)
            for number, r in enumerate(replicas)
        ]

    def _points(self, op: Operation) -> dict[str, str]:
        """Name of the snapshot to name of the volume."""
        prefix = f"{ResourceKind.SNAPSHOT}-{op.name('point')}-"
        found = [p.name for p in self.directory.iterdir() if p.name.startswith(prefix)]
        return {name.removeprefix(f"{ResourceKind.SNAPSHOT}-"): name.removeprefix(prefix) for name in found}

    def roll_back_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        self.does("roll-back")
        for point, volume in self._points(op).items():
            kept = self.path(ResourceKind.SNAPSHOT, point)
            self.path(ResourceKind.VOLUME, volume).write_bytes(kept.read_bytes())
            self.remove(op, ResourceKind.SNAPSHOT, point)

    def hand_over_disks(
        self, op: Operation, env: Environment, instance: Instance, disks: Sequence[ClonedDisk]
    ) -> None:
        self.does("hand-over")
        for point in self._points(op):
            self.remove(op, ResourceKind.SNAPSHOT, point)


class InPlaceProvider(PaperProvider):
    deploys_in_place = True

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return InPlacePaper(Path(connection_info["directory"]), connection_info["password"])


@pytest.fixture
def platform() -> Provider:
    return InPlaceProvider()


def volumes(world: World) -> dict[str, str]:
    found = [name for name in world.resources(world.destination) if name.startswith("volume")]
    return {name: digest(world.destination / name) for name in found}


def told(deployment: Deployment) -> str:
    return "\n".join(event.message for task in deployment.execution.tasks for event in task.events)


def test_the_replicas_become_the_vms(world: World) -> None:
    world.execute()
    before = volumes(world)
    deployment = world.deploy(clone_disks=False)
    assert deployment.execution.status is ExecutionStatus.COMPLETED
    assert not deployment.clone_disks
    assert [task.task_type for task in deployment.execution.tasks] == [
        TaskType.VALIDATE_DEPLOYMENT_INPUTS,
        TaskType.CREATE_TRANSFER_DISK_SNAPSHOTS,
        TaskType.DEPLOY_OS_MORPHING_RESOURCES,
        TaskType.VERIFY_DISKS,
        TaskType.DEPLOY_INSTANCE_RESOURCES,
        TaskType.OS_MORPHING,
        TaskType.DELETE_OS_MORPHING_RESOURCES,
        TaskType.FINALIZE_INSTANCE_DEPLOYMENT,
        TaskType.DELETE_TRANSFER_TARGET_DISK_SNAPSHOTS,
    ]
    after = volumes(world)
    assert set(after) == set(before)  # no copies
    assert after != before
    assert len(world.resources(world.destination)) == 3
    assert world.states() == {ResourceState.REMOVED, ResourceState.KEPT}
    assert "next execution of the transfer makes new ones" in told(deployment)
    assert world.engine.database.replicas.list(world.transfer_id) == []
    assert world.manifests() == []


def test_afterwards_the_transfer_begins_anew(world: World) -> None:
    world.execute()
    world.deploy(clone_disks=False)
    deployed = volumes(world)
    with pytest.raises(InvalidInput, match=r"has no replica\. Execute the transfer"):
        world.engine.frontdoor.deploy(world.transfer_id, **OWNER)
    with pytest.raises(InvalidInput, match="no replica disks"):
        world.engine.frontdoor.delete_disks(world.transfer_id)
    assert world.execute().status is ExecutionStatus.COMPLETED
    replicas = world.engine.database.replicas.list(world.transfer_id)
    assert [(r.generation, r.dirty) for r in replicas] == [(1, False), (1, False)]
    assert {name: now for name, now in volumes(world).items() if name in deployed} == deployed
    assert world.deploy().execution.status is ExecutionStatus.COMPLETED


@pytest.mark.parametrize(
    "verb", ["validate-in-place", "secure", "deploy-morphing", "morph", "delete-morphing", "finalize"]
)
def test_a_failed_one_is_rolled_back(world: World, verb: str) -> None:
    world.execute()
    before, records = volumes(world), world.engine.database.replicas.disks(world.transfer_id, "web")
    rule = world.fail(world.destination, verb)
    deployment = world.deploy(clone_disks=False)
    assert deployment.execution.status is ExecutionStatus.ERROR
    assert volumes(world) == before
    assert world.engine.database.replicas.disks(world.transfer_id, "web") == records
    rule.unlink()
    assert world.execute().status is ExecutionStatus.COMPLETED


def test_replicas_that_cannot_be_rolled_back_are_suspect(world: World) -> None:
    world.execute()
    world.fail(world.destination, "roll-back")
    world.fail(world.destination, "morph")
    assert world.deploy(clone_disks=False).execution.status is ExecutionStatus.ERROR
    replicas = world.engine.database.replicas.list(world.transfer_id)
    assert {(r.dirty, r.journal) for r in replicas} == {(True, None)}
    assert {entry.kind for entry in world.engine.frontdoor.leftovers()} == {ResourceKind.SNAPSHOT}
    with pytest.raises(InvalidInput, match="is not whole"):
        world.engine.frontdoor.deploy(world.transfer_id, **OWNER)
    assert world.execute().status is ExecutionStatus.COMPLETED
    assert all(" True False" in path.read_text() for path in world.manifests())  # compared


def test_the_transfers_wish_counts_unless_the_deployment_has_one(world: World) -> None:
    world.execute()
    world.engine.database.transfers.update(world.transfer_id, clone_disks=False)
    assert world.deploy(clone_disks=True).clone_disks
    assert not world.deploy().clone_disks


def test_what_is_handed_over_is_never_taken_back(world: World) -> None:
    """A safe point that will not go must not cost the VM that runs by then."""
    world.execute()
    world.fail(world.destination, "hand-over")
    deployment = world.deploy(clone_disks=False)
    assert deployment.execution.status is ExecutionStatus.ERROR
    assert "roll-back" not in world.log(world.destination)
    assert "delete-instance" not in world.log(world.destination)
    assert {entry.kind for entry in world.engine.frontdoor.leftovers()} == {ResourceKind.SNAPSHOT}
    assert any(name.startswith("vm-") for name in world.resources(world.destination))
