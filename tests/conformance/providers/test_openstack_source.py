"""OpenStack as a source, through openstacksdk, on the embedded cloud: what `test_openstack_contract` does not ask of
every cloud."""

import copy
from typing import Any

import pytest

from coriolis import errors
from coriolis.model.enums import Firmware, OsType, ResourceKind
from coriolis_lab.faults import Fault
from tests.conformance.providers.conftest import GIB, OpenStackLab
from tests.memory_operation import Crash, MemoryOperation


@pytest.fixture(scope="module")
def server(openstack_module: OpenStackLab) -> Any:
    return openstack_module.boot("web")


def options(lab: OpenStackLab, **change: Any) -> dict[str, Any]:
    env = copy.deepcopy(lab.env)
    env["coriolis_backups_options"].update(change)
    return env


def test_the_connection_is_validated(openstack: OpenStackLab) -> None:
    openstack.source().validate_connection()


def test_wrong_credentials(openstack: OpenStackLab) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="'demo'") as raised:
        openstack.source(password="wrong").validate_connection()
    assert "wrong" not in str(raised.value)


def test_an_unreachable_cloud_is_named_with_its_url(openstack: OpenStackLab) -> None:
    with pytest.raises(errors.CloudUnavailable, match=r"http://127\.0\.0\.1:9/v3"):
        openstack.source(auth_url="http://127.0.0.1:9/v3").validate_connection()


def test_an_expired_token_and_a_restarting_proxy_are_sat_out(openstack: OpenStackLab, server: Any) -> None:
    source = openstack.source()
    source.list_instances({})
    openstack.faults.plant(Fault("http", "expire_token"))
    assert source.list_instances({})
    openstack.faults.plant(Fault("http", "503", count=2))
    assert source.list_instances({})


def test_an_instance_is_described(openstack: OpenStackLab, server: Any) -> None:
    instance = openstack.source().get_instance({}, "web")
    assert instance == openstack.source().get_instance({}, server.id)
    assert (instance.name, instance.num_cpu, instance.memory_mb) == ("web", 2, 512)
    assert (instance.os_type, instance.firmware, instance.running) == (OsType.LINUX, Firmware.EFI, True)
    assert [d.size_bytes for d in instance.disks] == [3 * GIB, 4 * GIB]
    assert [d.bootable for d in instance.disks] == [True, False]
    (nic,) = instance.nics
    assert nic.network_name == "private"
    assert nic.mac_address
    assert nic.ip_addresses


def test_listing_is_paged_and_filtered(openstack: OpenStackLab, server: Any) -> None:
    source = openstack.source()
    listed = source.list_instances({}, name="we")
    assert [s.name for s in listed] == ["web"]
    assert (listed[0].num_cpu, listed[0].memory_mb, listed[0].firmware) == (2, 512, Firmware.EFI)
    assert not source.list_instances({}, marker=listed[0].id, name="web")
    assert not source.list_instances({}, name="nothing")


def test_an_ambiguous_name(openstack: OpenStackLab) -> None:
    twins = [openstack.boot("twin", volumes=1) for _ in range(2)]
    with pytest.raises(errors.InstanceAmbiguous, match="2 instances"):
        openstack.source().get_instance({}, "twin")
    assert openstack.source().get_instance({}, twins[0].id).name == "twin"
    for twin in twins:
        openstack.sdk().compute.delete_server(twin.id)


def test_options_are_offered(openstack: OpenStackLab) -> None:
    offers = {o.name: o for o in openstack.source().source_options({})}
    assert {v.name for v in offers["export_image"].values} >= {"worker"}
    assert {v.name for v in offers["export_fip_pool_name"].values} == {"public"}
    mechanisms = ("coriolis_backups", "swift_backups")  # the others need ceph_options
    assert offers["replica_export_mechanism"].values == mechanisms
    only = openstack.source().source_options({}, ["export_network"])
    assert [o.name for o in only] == ["export_network"]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"export_worker_use_fip": False},
        {"export_worker_boot_from_volume": True, "export_worker_volume_size": 5},
        {"export_worker_use_config_drive": True},
    ],
    ids=["fip", "fixed", "boot-from-volume", "config-drive"],
)
def test_export_resources_come_and_go(
    openstack: OpenStackLab, server: Any, op: MemoryOperation, change: dict[str, Any]
) -> None:
    before = openstack.things()
    source = openstack.source()
    env = options(openstack, **change)
    instance = source.get_instance({}, "web")
    source.validate_source(env, instance)
    resources = source.deploy_source_resources(op, env, instance, {})
    login = resources.worker.login
    assert login.private_key is not None
    assert "PRIVATE" not in repr(resources)
    assert login.address.startswith("10.20." if change.get("export_worker_use_fip") is False else "127.")
    assert [d.disk_id for d in resources.worker.disks] == [d.id for d in instance.disks]
    sdk = openstack.sdk()
    for disk in resources.worker.disks:
        volume = sdk.block_storage.get_volume(disk.serial)
        assert volume.status == "in-use"
        assert volume.attachments[0]["server_id"] == resources.worker.id
    worker = sdk.compute.get_server(resources.worker.id)
    assert bool(worker.has_config_drive) == ("export_worker_use_config_drive" in change)
    assert bool(worker.image) == ("export_worker_boot_from_volume" not in change)
    assert sdk.compute.get_keypair(op.name("export-worker")).public_key.startswith("ssh-ed25519")
    source.delete_source_resources(op, env, instance, {})
    assert openstack.things() == before
    assert not op.ledger.owed()
    source.delete_source_resources(op, env, instance, {})


@pytest.mark.parametrize(
    "kind",
    [
        ResourceKind.SNAPSHOT,
        ResourceKind.VOLUME,
        ResourceKind.KEYPAIR,
        ResourceKind.SECURITY_GROUP,
        ResourceKind.PORT,
        ResourceKind.SERVER,
        ResourceKind.FLOATING_IP,
    ],
)
def test_an_export_goes_on_after_a_crash_behind_any_create_call(
    openstack: OpenStackLab, server: Any, op: MemoryOperation, kind: ResourceKind
) -> None:
    before = openstack.things()
    instance = openstack.source().get_instance({}, "web")
    op.ledger.crash_after = kind
    with pytest.raises(Crash):
        openstack.source().deploy_source_resources(op, openstack.env, instance, {})
    resources = openstack.source().deploy_source_resources(op, openstack.env, instance, {})
    assert len(resources.worker.disks) == 2
    openstack.source().delete_source_resources(op, openstack.env, instance, {})
    assert openstack.things() == before
    assert not op.ledger.owed()


@pytest.mark.parametrize("point", ["snapshot.create", "volume.create", "server.create"])
def test_a_cloud_that_fails_is_told_and_cleaned(
    openstack: OpenStackLab, server: Any, op: MemoryOperation, point: str
) -> None:
    before = openstack.things()
    source = openstack.source()
    instance = source.get_instance({}, "web")
    openstack.faults.plant(Fault(point, "error", match="coriolis"))
    with pytest.raises(errors.CloudError, match=r"(?i)error"):
        source.deploy_source_resources(op, openstack.env, instance, {})
    source.delete_source_resources(op, openstack.env, instance, {})
    assert openstack.things() == before
    assert not op.ledger.owed()


def test_an_instance_is_shut_down_once_and_started_again(
    openstack: OpenStackLab, op: MemoryOperation
) -> None:
    made = openstack.boot("stopped", volumes=1)
    source = openstack.source()
    instance = source.get_instance({}, made.id)
    source.shutdown_instance(op, {}, instance)
    source.shutdown_instance(op, {}, instance)
    assert not source.get_instance({}, made.id).running
    source.start_instance(op, {}, instance)
    source.start_instance(op, {}, instance)
    assert source.get_instance({}, made.id).running
    openstack.sdk().compute.delete_server(made.id)


def test_volume_types_of_clones_and_of_the_worker(
    openstack: OpenStackLab, server: Any, op: MemoryOperation
) -> None:
    for name in ("interim", "for-workers"):
        openstack.front.add_volume_type(name)
    source = openstack.source()
    instance = source.get_instance({}, "web")
    env = options(
        openstack,
        export_interim_volume_type="interim",
        export_worker_boot_from_volume=True,
        export_worker_volume_type="for-workers",
        export_worker_volume_size=7,
    )
    source.validate_source(env, instance)
    resources = source.deploy_source_resources(op, env, instance, {})
    sdk = openstack.sdk()
    clones = [sdk.block_storage.get_volume(disk.serial) for disk in resources.worker.disks]
    assert {volume.volume_type for volume in clones} == {"interim"}
    attached = {v["id"] for v in sdk.compute.get_server(resources.worker.id).attached_volumes}
    (boot,) = (sdk.block_storage.get_volume(i) for i in attached - {volume.id for volume in clones})
    assert (boot.volume_type, boot.size) == ("for-workers", 7)
    source.delete_source_resources(op, env, instance, {})
    assert not op.ledger.owed()


def test_a_distribution_of_ones_own_has_the_os_type_that_one_says(
    openstack: OpenStackLab, server: Any
) -> None:
    image = openstack.sdk().image.find_image("debian")
    volume = openstack.sdk().block_storage.get_volume(openstack.source().get_instance({}, "web").disks[0].id)
    assert volume.volume_image_metadata["image_id"] == image.id
    told = openstack.front.cloud.volumes[volume.id].image_metadata
    before = dict(told)
    told.update(os_distro="ourdows", os_type="")
    env = {"custom_os_type_map": {"ourdows": "windows"}}
    assert openstack.source().get_instance({}, "web").os_type == OsType.LINUX
    assert openstack.source().get_instance(env, "web").os_type == OsType.WINDOWS
    assert openstack.source().list_instances(env, name="web")[0].os_type == OsType.WINDOWS
    told.update(before)


def test_what_images_do_not_tell_can_be_said(openstack: OpenStackLab, server: Any) -> None:
    found = openstack.source().get_instance(
        {"guest_os_type": "windows", "guest_firmware_type": "BIOS"}, "web"
    )
    assert (found.os_type, found.firmware) == (OsType.WINDOWS, Firmware.BIOS)
    with pytest.raises(errors.InvalidInput, match="guest_firmware_type"):
        openstack.source().get_instance({"guest_firmware_type": "coreboot"}, "web")


def test_the_worker_is_of_the_image_flavor_and_networks_that_are_named(
    openstack: OpenStackLab, server: Any, op: MemoryOperation
) -> None:
    front, project = openstack.front, openstack.project
    image = front.add_image("other-worker", "base-worker", "raw", 2 * GIB, 2, {})
    front.add_flavor("other-flavor", 3, 768, 5)
    front.add_network("other-network", "10.21.0.0/24", project_id=project)
    pool = front.add_network("other-pool", "127.44.0.0/16", external=True)
    env = options(
        openstack,
        export_image=image,
        export_flavor_name="other-flavor",
        export_network="other-network",
        export_fip_pool_name=pool,
    )
    source, sdk = openstack.source(), openstack.sdk()
    instance = source.get_instance({}, "web")
    source.validate_source(env, instance)
    resources = source.deploy_source_resources(op, env, instance, {})
    worker = sdk.compute.get_server(resources.worker.id)
    assert (worker.image.id, worker.flavor.vcpus, worker.flavor.ram) == (image, 3, 768)
    assert set(worker.addresses) == {"other-network"}
    (address,) = sdk.network.ips(floating_ip_address=resources.worker.login.address)
    assert address.floating_network_id == pool
    source.delete_source_resources(op, env, instance, {})
    assert not op.ledger.owed()
