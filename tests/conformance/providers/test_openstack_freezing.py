"""Instances at one point in time: root disks that are Nova's own, and guests that are quiesced."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from coriolis import errors
from coriolis.config import OpenStackSection, Settings
from coriolis.images.ceph import missing_bindings
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.providers import lifecycle
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis_lab.faults import Fault
from tests.conformance.openstack.conftest import until
from tests.conformance.providers.conftest import GIB, OpenStackLab
from tests.memory_operation import Crash, MemoryOperation


@contextmanager
def nothing_left(lab: OpenStackLab, op: MemoryOperation) -> Iterator[None]:
    before = lab.things()
    yield
    assert lab.things() == before
    assert not op.ledger.owed()


def messages(op: MemoryOperation, level: EventLevel = EventLevel.INFO) -> str:
    return " ".join(text for found, text in op.events if found == level)


@pytest.fixture(scope="module")
def local(openstack_module: OpenStackLab) -> Any:
    return openstack_module.boot_from_image("local", volumes=1)


@pytest.fixture(scope="module")
def agent(openstack_module: OpenStackLab) -> Any:
    openstack_module.hypervisor.agents.add("agent")
    return openstack_module.boot("agent", image="with-agent")


def test_a_local_root_disk_is_exported_with_the_volumes_besides(
    openstack: OpenStackLab, local: Any, op: MemoryOperation
) -> None:
    source = openstack.source()
    instance = source.get_instance({}, "local")
    assert [disk.size_bytes for disk in instance.disks] == [4 * GIB, GIB]
    with nothing_left(openstack, op):
        source.validate_source(openstack.env, instance)
        openstack.hypervisor.doings.clear()
        resources = source.deploy_source_resources(op, openstack.env, instance, {})
        assert [d.disk_id for d in resources.worker.disks] == [d.id for d in instance.disks]
        root, volume = (openstack.sdk().block_storage.get_volume(d.serial) for d in resources.worker.disks)
        image_id = resources.extra[f"image/{instance.disks[0].id}"]
        assert (root.size, root.volume_image_metadata["image_id"]) == (4, image_id)
        assert volume.snapshot_id == resources.extra[f"snapshot/{instance.disks[1].id}"]
        frozen = [what for what in openstack.hypervisor.doings if what[0] == "snapshot"]
        assert frozen == [("snapshot", f"{local.id}_disk"), ("snapshot", instance.disks[1].id)]
        assert "after that of the local root disk" in messages(op)
        source.delete_source_resources(op, openstack.env, instance, {})
    source.delete_source_resources(op, openstack.env, instance, {})


def test_a_snapshot_waits_for_the_one_that_runs_already(
    openstack: OpenStackLab, local: Any, op: MemoryOperation
) -> None:
    sdk = openstack.sdk()
    source = openstack.source()
    instance = source.get_instance({}, "local")
    other = sdk.compute.get_server(local.id).create_image(sdk.compute, "of somebody else")
    source.deploy_source_resources(op, openstack.env, instance, {})
    source.delete_source_resources(op, openstack.env, instance, {})
    assert not op.ledger.owed()
    sdk.image.delete_image(other)


def test_an_image_that_takes_too_long_is_given_up(openstack: OpenStackLab, op: MemoryOperation) -> None:
    made = openstack.boot_from_image("slow")
    section = OpenStackSection(timeout=10, poll_interval=0.02, image_timeout=0.3)
    settings = Settings(openstack_migration_provider=section)
    source = OpenStackProvider().connect_source(openstack.info(), "lab-openstack", settings)
    instance = source.get_instance({}, "slow")
    openstack.faults.plant(Fault("image.create", "stuck"))
    with nothing_left(openstack, op):
        with pytest.raises(errors.CloudTimeout, match=r"not done after 0\.3 s"):
            source.deploy_source_resources(op, openstack.env, instance, {})
        source.delete_source_resources(op, openstack.env, instance, {})
    openstack.remove(made)


@pytest.mark.parametrize(
    ("kind", "again"),
    [(ResourceKind.IMAGE, False), (ResourceKind.IMAGE, True), (ResourceKind.SNAPSHOT, False)],
)
def test_a_crash_in_the_middle_leaves_nothing(
    openstack: OpenStackLab, local: Any, op: MemoryOperation, kind: ResourceKind, again: bool
) -> None:
    instance = openstack.source().get_instance({}, "local")
    with nothing_left(openstack, op):
        op.ledger.crash_after = kind
        with pytest.raises(Crash):
            openstack.source().deploy_source_resources(op, openstack.env, instance, {})
        if again:
            resources = openstack.source().deploy_source_resources(op, openstack.env, instance, {})
            assert len(resources.worker.disks) == 2
        openstack.source().delete_source_resources(op, openstack.env, instance, {})


def test_an_image_that_nova_gives_up_is_told(
    openstack: OpenStackLab, local: Any, op: MemoryOperation
) -> None:
    source = openstack.source()
    instance = source.get_instance({}, "local")
    openstack.faults.plant(Fault("image.create", "error", match="root-image"))
    with nothing_left(openstack, op):
        with pytest.raises(errors.CloudError, match="Nova could not take the snapshot"):
            source.deploy_source_resources(op, openstack.env, instance, {})
        source.delete_source_resources(op, openstack.env, instance, {})


CEPH_OPTIONS = {
    "ceph_conf_file": "[global]\nmon_host = 127.0.0.1",
    "ceph_username": "admin",
    "ceph_keyring_file": "[client.admin]\nkey = AQBvbG5nZW5vdWdoQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
    "ceph_pool_name": "volumes",
}
with_ceph = pytest.mark.skipif(bool(missing_bindings()), reason=missing_bindings())


@pytest.mark.parametrize(
    "mechanism",
    [
        "swift_backups",
        pytest.param("ceph_snapshots", marks=with_ceph),
        pytest.param("ceph_backups", marks=with_ceph),
    ],
)
def test_other_mechanisms_say_that_they_cannot_read_local_disks(
    openstack: OpenStackLab, local: Any, mechanism: str
) -> None:
    source = openstack.source(ceph_options=CEPH_OPTIONS)
    instance = source.get_instance({}, "local")
    with pytest.raises(errors.NotSupported, match=f"{mechanism} reads .*mechanism=coriolis_backups"):
        source.validate_source({"replica_export_mechanism": mechanism}, instance)


@with_ceph
def test_backups_of_volumes_cannot_be_of_a_quiesced_guest(openstack: OpenStackLab, agent: Any) -> None:
    source = openstack.source(ceph_options=CEPH_OPTIONS)
    env = {"replica_export_mechanism": "ceph_backups", "guest_quiesce": "required"}
    with pytest.raises(errors.NotSupported, match=r"ceph_backups backs the disks .* up one after the other"):
        source.validate_source(env, source.get_instance({}, "agent"))


def test_an_instance_whose_root_disk_cannot_be_imaged_is_told(openstack: OpenStackLab) -> None:
    made = openstack.boot_from_image("broken")
    source = openstack.source()
    instance = source.get_instance({}, "broken")
    openstack.front.cloud.servers[made.id].vm_state = "error"
    with pytest.raises(errors.InvalidInput, match="is ERROR, and Nova makes an image"):
        source.validate_source(openstack.env, instance)
    openstack.remove(made)


def test_what_no_transfer_brings_over_is_told(openstack: OpenStackLab) -> None:
    made = openstack.boot("leaving", volumes=1, flavor="local", config_drive=True)
    instance = openstack.source().get_instance({}, "leaving")
    ephemeral, swap, drive = instance.left_behind
    assert "ephemeral disk of 20 GiB" in ephemeral
    assert "swap disk of 512 MiB" in swap
    assert "config drive" in drive
    openstack.remove(made)


def test_a_guest_with_an_agent_is_held_while_all_disks_are_frozen(
    openstack: OpenStackLab, agent: Any, op: MemoryOperation
) -> None:
    source = openstack.source()
    instance = source.get_instance({}, "agent")
    with nothing_left(openstack, op):
        openstack.hypervisor.doings.clear()
        resources = source.deploy_source_resources(op, openstack.env, instance, {})
        done = until(lambda: list(openstack.hypervisor.doings), lambda found: ("thaw", agent.id) in found)
        assert done[0] == ("freeze", agent.id)
        assert sorted(done[1:3]) == sorted(("snapshot", disk.id) for disk in instance.disks)
        assert done[3] == ("thaw", agent.id)
        sdk = openstack.sdk()
        for number, disk in enumerate(instance.disks):
            snapshot = sdk.block_storage.get_snapshot(resources.extra[f"snapshot/{disk.id}"])
            assert (snapshot.volume_id, snapshot.name) == (disk.id, op.name("snapshot", str(number)))
        assert not list(sdk.image.images(name=op.name("frozen")))
        assert "os_require_quiesce=yes on the image for that" in messages(op)
        source.delete_source_resources(op, openstack.env, instance, {})


def test_quiescing_can_be_off(openstack: OpenStackLab, agent: Any, op: MemoryOperation) -> None:
    source = openstack.source()
    instance = source.get_instance({}, "agent")
    openstack.hypervisor.doings.clear()
    source.deploy_source_resources(op, {**openstack.env, "guest_quiesce": "off"}, instance, {})
    assert ("freeze", agent.id) not in openstack.hypervisor.doings
    assert "the guest was not quiesced" in messages(op)
    source.delete_source_resources(op, openstack.env, instance, {})
    assert not op.ledger.owed()


@pytest.mark.parametrize("kind", [ResourceKind.IMAGE, ResourceKind.SNAPSHOT])
def test_a_crash_while_the_guest_is_held_leaves_nothing(
    openstack: OpenStackLab, agent: Any, op: MemoryOperation, kind: ResourceKind
) -> None:
    instance = openstack.source().get_instance({}, "agent")
    with nothing_left(openstack, op):
        op.ledger.crash_after = kind
        with pytest.raises(Crash):
            openstack.source().deploy_source_resources(op, openstack.env, instance, {})
        openstack.source().delete_source_resources(op, openstack.env, instance, {})


def test_an_agent_that_is_silent_costs_only_the_quiescing_unless_it_is_required(
    openstack: OpenStackLab, op: MemoryOperation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nova fails createImage since the image insists; before the first run nobody can know that no agent answers."""
    monkeypatch.setattr(lifecycle, "LOOK_AGAIN_AFTER", 0.01)
    made = openstack.boot("silent", image="insisting")
    source = openstack.source()
    instance = source.get_instance({}, "silent")
    required = {**openstack.env, "guest_quiesce": "required"}
    source.validate_source(required, instance)
    with nothing_left(openstack, op):
        with pytest.raises(errors.CloudError, match="Unexpected API Error"):
            source.deploy_source_resources(op, required, instance, {})
        source.delete_source_resources(op, required, instance, {})
        source.deploy_source_resources(op, openstack.env, instance, {})
        assert "could not be quiesced" in messages(op, EventLevel.WARNING)
        assert "the guest was not quiesced" in messages(op)
        source.delete_source_resources(op, openstack.env, instance, {})
    openstack.hypervisor.agents.add("silent")
    source.deploy_source_resources(op, required, instance, {})
    assert "was quiesced by its agent" in messages(op)
    source.delete_source_resources(op, required, instance, {})
    assert not op.ledger.owed()
    openstack.remove(made)


def test_a_required_quiescing_that_cannot_be_had_is_told_before_the_run(
    openstack: OpenStackLab, agent: Any, local: Any, op: MemoryOperation
) -> None:
    required = {**openstack.env, "guest_quiesce": "required"}
    source = openstack.source()
    with pytest.raises(errors.InvalidInput, match="not booted with os_require_quiesce=yes"):
        source.validate_source(required, source.get_instance({}, "agent"))
    instance = source.get_instance({}, "local")
    with pytest.raises(errors.NotSupported, match="was booted from an image"):
        source.validate_source(required, instance)
    made = openstack.boot("plain", volumes=1)
    plain = source.get_instance({}, "plain")
    with pytest.raises(errors.InvalidInput, match="hw_qemu_guest_agent=yes and os_require_quiesce=yes"):
        source.validate_source(required, plain)
    with pytest.raises(errors.InvalidInput, match="guest_quiesce=required"):
        source.deploy_source_resources(op, required, plain, {})
    source.shutdown_instance(op, {}, plain)
    off = source.get_instance({}, "plain")
    source.validate_source(required, off)
    source.deploy_source_resources(op, required, off, {})
    assert "is SHUTOFF and writes nothing" in messages(op)
    source.delete_source_resources(op, required, off, {})
    openstack.remove(made)


def test_what_nova_keeps_of_the_instance_counts_and_not_what_its_volume_says_now(
    openstack: OpenStackLab, op: MemoryOperation
) -> None:
    openstack.hypervisor.agents.add("later")
    made = openstack.boot("later", volumes=1)
    source = openstack.source()
    instance = source.get_instance({}, "later")
    told = openstack.front.cloud.volumes[instance.disks[0].id].image_metadata
    told |= {"hw_qemu_guest_agent": "yes", "os_require_quiesce": "yes"}
    source.validate_source({**openstack.env, "guest_quiesce": "required"}, instance)
    with nothing_left(openstack, op):
        with pytest.raises(errors.InvalidInput, match="was not booted with hw_qemu_guest_agent=yes"):
            source.deploy_source_resources(op, {**openstack.env, "guest_quiesce": "required"}, instance, {})
        source.delete_source_resources(op, openstack.env, instance, {})
        source.deploy_source_resources(op, openstack.env, instance, {})
        assert "the guest was not quiesced: when the instance was created" in messages(op)
        source.delete_source_resources(op, openstack.env, instance, {})
    openstack.remove(made)
