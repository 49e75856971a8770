"""OpenStack as a destination, through openstacksdk, on the embedded cloud."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from coriolis import errors
from coriolis.config import OpenStackSection
from coriolis.model.enums import EventLevel, Firmware, OsType, ResourceKind
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ClonedDisk, DetectedOs, ReplicaDisk
from coriolis.providers.keys import new_rsa_key_pair
from coriolis.providers.openstack.destination.options import destination_environment
from coriolis.providers.openstack.destination.placement import COPY_ROLE, MORPHING_ROLE, worker_plan
from coriolis.providers.openstack.windows_password import decrypted
from coriolis.providers.openstack.workers import FloatingIpPool
from coriolis.workers.winrm import WinRmSession
from coriolis_lab.faults import Fault
from coriolis_lab.openstack.compute.passwords import post_password
from coriolis_lab.openstack.releases import MITAKA, QUEENS, Release
from tests.conformance.providers.conftest import GIB, SETTINGS, GuestOperation, OpenStackLab, WindowsGuests
from tests.memory_operation import Crash, MemoryOperation

DEBIAN = DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")
MAC = "52:54:00:00:00:01"
GONE = "00000000-1111-2222-3333-444444444444"


def instance(**change: Any) -> Instance:
    web = Instance(
        id="i1",
        name="web",
        num_cpu=2,
        memory_mb=600,
        os_type=OsType.LINUX,
        firmware=Firmware.BIOS,
        disks=(Disk("d1", 3 * GIB, 0, bootable=True, storage_backend="fast"), Disk("d2", GIB + 512, 1)),
        nics=(Nic("old", MAC, ip_addresses=("10.20.0.77", "fe80::1"), floating_ips=()),),
    )
    return replace(web, **change)


@pytest.fixture(scope="module")
def arranged(openstack_module: OpenStackLab) -> None:
    """What a project may have before anything is migrated into it."""
    front = openstack_module.front
    front.add_volume_type("gold")
    front.add_network("second", "10.21.0.0/24", project_id=openstack_module.project)
    front.add_network("theirs", "10.22.0.0/24")
    front.set_quota(openstack_module.project, volumes=40, snapshots=40)
    front.cloud.compute_zones.append("az2")
    front.cloud.volume_zones.append("storage2")
    sdk = openstack_module.sdk()
    sdk.network.create_security_group(name="http")
    sdk.compute.create_server_group(name="apart", policy="anti-affinity")
    sdk.compute.create_keypair(name="mine")


@pytest.fixture
def cloud(openstack: OpenStackLab, arranged: None) -> Iterator[OpenStackLab]:
    yield openstack
    state, sdk = openstack.front.cloud, openstack.sdk()
    for server_id in list(state.servers):  # what a test left, so that the next one counts from nothing
        sdk.compute.delete_server(server_id)
    until(lambda: not state.servers)
    for ip_id in list(state.floating_ips):
        sdk.network.delete_ip(ip_id)
    for port_id in list(state.ports):
        sdk.network.delete_port(port_id)
    for name in [name for _, name in state.keypairs if name != "mine"]:
        sdk.compute.delete_keypair(name)
    for volume_id in list(state.volumes):
        sdk.block_storage.delete_volume(volume_id)
    until(lambda: not state.volumes)


def held(lab: OpenStackLab) -> list[int]:
    """How many of each, as the lab itself knows."""
    state = lab.front.cloud
    kinds = (
        state.servers,
        state.volumes,
        state.ports,
        state.floating_ips,
        state.keypairs,
        state.security_groups,
    )
    return [len(kind) for kind in kinds]


def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


ENV: dict[str, Any] = {
    "network_map": {"old": "private"},
    "migr_image_map": {"linux": "worker"},
    "migr_flavor_name": "small",
    "migr_network": "private",
    "migr_fip_pool_name": "public",
}


def deployed(
    lab: OpenStackLab, op: MemoryOperation, env: dict[str, Any] = ENV, web: Instance | None = None
) -> tuple[list[ReplicaDisk], Sequence[ClonedDisk]]:
    destination = lab.destination()
    web = web or instance()
    replicas = list(destination.deploy_disks(op, env, web, []))
    return replicas, destination.clone_disks(op, env, web, replicas)


def finalized(
    lab: OpenStackLab, op: MemoryOperation, web: Instance | None = None, **change: Any
) -> tuple[Any, Any]:
    """The deployed instance and its server."""
    env = {**ENV, **change}
    web = web or instance()
    _, clones = deployed(lab, op, env, web)
    result = lab.destination().finalize_instance(op, env, web, clones, DEBIAN)
    return result, lab.sdk().compute.get_server(result.id)


def warnings(op: MemoryOperation) -> list[str]:
    return [text for level, text in op.events if level == EventLevel.WARNING]


# What is there


def test_the_connection_and_the_inventory(cloud: OpenStackLab) -> None:
    destination = cloud.destination()
    destination.validate_connection()
    assert [n.name for n in destination.list_networks({})] == ["private", "public", "second", "theirs"]
    assert {s.name for s in destination.list_storage({})} == {"ceph", "__DEFAULT__", "gold"}
    offers = {o.name: o for o in destination.destination_options({"flavor_name": "tiny"})}
    assert {v.name for v in offers["migr_image_map"].values} >= {"debian", "worker"}
    assert offers["flavor_name"].default == "tiny"
    assert offers["availability_zone"].values == ("az2", "nova")
    assert offers["storage_availability_zone"].values == ("nova", "storage2")
    assert offers["keypair_name"].values == ("mine",)
    assert {v.name for v in offers["security_groups"].values} == {"default", "http"}
    assert [v.name for v in offers["server_group"].values] == ["apart"]
    assert [v.name for v in offers["migr_fip_pool_name"].values] == ["public"]
    assert offers["port_reuse_policy"].values == ("keep_mac", "replace_mac", "reuse_ports")
    assert [o.name for o in destination.destination_options({}, ["disk_bus"])] == ["disk_bus"]


def test_networks_that_no_vm_can_be_put_on_are_listed_on_request(cloud: OpenStackLab) -> None:
    cloud.front.add_network("pool-only", "198.51.100.0/24", external=True, shared=False)
    listed = {n.name for n in cloud.destination().list_networks({})}
    everything = cloud.destination().list_networks({"list_all_destination_networks": True})
    assert {n.name for n in everything} - listed == {"pool-only"}


# Validation


@pytest.mark.parametrize(
    ("env", "change", "error", "text"),
    [
        ({"network_map": {}}, {}, errors.NetworkNotMapped, "old"),
        ({"network_map": {"old": "green"}}, {}, errors.InvalidInput, "no network 'green'"),
        ({}, {"name": "web "}, errors.NameNotAllowed, "white space"),
        ({}, {"name": "x" * 256}, errors.NameNotAllowed, "256 characters"),
        ({}, {"disks": ()}, errors.InvalidInput, "no disks"),
        ({"storage_mappings": {"default": "tin"}}, {}, errors.InvalidInput, "no volume type 'tin'"),
        ({"migr_image_map": {}}, {}, errors.InvalidInput, "migr_image_map.linux or migr_image"),
        ({"migr_image_map": {"linux": "none"}}, {}, errors.InvalidInput, "no image 'none'"),
        ({"migr_flavor_name": "huge"}, {}, errors.InvalidInput, "no flavor 'huge'"),
        ({"migr_fip_pool_name": None}, {}, errors.InvalidInput, "migr_fip_pool_name is needed"),
        ({"migr_fip_pool_name": "private"}, {}, errors.InvalidInput, "not external"),
        ({"migr_fip_pool_name": "public/x"}, {}, errors.InvalidInput, "no subnet of network 'public' 'x'"),
        (
            {"migr_worker_boot_from_volume": True, "migr_worker_volume_size": 1},
            {},
            errors.InvalidInput,
            "needs 2",
        ),
        ({"flavor_name": "huge"}, {}, errors.InvalidInput, "no flavor 'huge'"),
        ({}, {"memory_mb": 1 << 20}, errors.InvalidInput, "no flavor holds the 2 vCPUs and 1048576 MiB"),
        ({"availability_zone": "moon"}, {}, errors.InvalidInput, "it has: az2, nova"),
        ({"storage_availability_zone": "moon"}, {}, errors.InvalidInput, "it has: nova, storage2"),
        ({"server_group": "crowd"}, {}, errors.InvalidInput, "no server group 'crowd'"),
        ({"keypair_name": "yours"}, {}, errors.InvalidInput, "no key pair 'yours'"),
        ({"security_groups": ["ftp"]}, {}, errors.InvalidInput, "no security group 'ftp'"),
        ({"instance_tags": ["a/b"]}, {}, errors.InvalidInput, "'a/b' is no tag"),
        ({"instance_metadata": {"k": "v" * 256}}, {}, errors.InvalidInput, "'k'"),
        ({"use_floating_ip": True}, {}, errors.InvalidInput, "floating_ip_pool is needed"),
        ({"port_reuse_policy": "steal"}, {}, errors.InvalidInput, "port_reuse_policy"),
        ({"hypervisor_type": "xen"}, {}, errors.InvalidInput, "hypervisor_type"),
        (
            {"preserve_fixed_ips": True, "network_map": {"old": "second"}},
            {},
            errors.InvalidInput,
            r"10\.20\.0\.77 .* has 10\.21\.0\.0/24",
        ),
    ],
)
def test_bad_input_is_told_before_anything_is_created(
    cloud: OpenStackLab, env: dict[str, Any], change: dict[str, Any], error: type[Exception], text: str
) -> None:
    before = held(cloud)
    with pytest.raises(error, match=text):
        cloud.destination().validate_destination({**ENV, **env}, instance(**change))
    assert held(cloud) == before


@pytest.mark.parametrize(
    ("release", "env", "text"),
    [
        (QUEENS, {"delete_disks_on_vm_termination": True}, r"delete_disks_on_vm_termination needs .* 2\.85"),
        (MITAKA, {"instance_tags": ["blue"]}, r"instance_tags need .* 2\.26"),
    ],
    ids=["queens", "mitaka"],
)
def test_what_an_older_cloud_lacks_is_told(
    cloud: OpenStackLab, monkeypatch: pytest.MonkeyPatch, release: Release, env: dict[str, Any], text: str
) -> None:
    monkeypatch.setattr(cloud.front.cloud, "release", release)
    destination = cloud.destination(user_domain_name="Default")  # the SDK remembers what a cloud can
    destination.validate_destination(ENV, instance())
    with pytest.raises(errors.NotSupported, match=text):
        destination.validate_destination({**ENV, **env}, instance())


def test_quota_is_checked_before_anything_is_created(cloud: OpenStackLab) -> None:
    quotas = cloud.front.cloud.quota(cloud.project)
    destination = cloud.destination()
    destination.validate_destination(ENV, instance())
    for holder, name, limit, text in (
        (quotas.volume, "volumes", 1, "2 volumes needed, 0 of 1"),
        (quotas.volume, "gigabytes", 4, "5 gigabytes of volumes needed"),
        (quotas.compute, "instances", 0, "1 instances needed"),
        (quotas.compute, "cores", 1, "2 vCPUs needed"),
        (quotas.compute, "ram", 512, "1024 MiB of memory needed"),
        (quotas.network, "port", 0, "1 ports needed"),
        (quotas.network, "floatingip", 0, "1 floating IPs needed"),
        (quotas.network, "security_group", 2, "1 security groups needed"),
    ):
        before, holder[name] = holder[name], limit
        try:
            with pytest.raises(errors.QuotaExceeded, match=text):
                destination.validate_destination(ENV, instance())
        finally:
            holder[name] = before


def test_what_replicas_hold_already_is_not_asked_of_the_quota_again(cloud: OpenStackLab) -> None:
    quotas = cloud.front.cloud.quota(cloud.project).volume
    before, quotas["gigabytes"] = quotas["gigabytes"], 4
    try:
        there = [ReplicaDisk("d1", "v1", "n1", 3 * GIB)]
        cloud.destination().validate_destination(ENV, instance(), there)
    finally:
        quotas["gigabytes"] = before


def test_a_deployment_needs_its_replicas_and_free_addresses(cloud: OpenStackLab, op: MemoryOperation) -> None:
    destination = cloud.destination()
    replicas = destination.deploy_disks(op, ENV, instance(), [])
    destination.validate_deployment(ENV, instance(), replicas)
    lost = replace(replicas[0], volume_id=GONE, volume_name="nameless")
    with pytest.raises(errors.NotFound, match="nameless"):
        destination.validate_deployment(ENV, instance(), [lost, replicas[1]])
    with pytest.raises(errors.InvalidInput, match="without a replica"):
        destination.validate_deployment(ENV, instance(), replicas[:1])
    sdk = cloud.sdk()
    network = sdk.network.find_network("private")
    taken = sdk.network.create_port(network_id=network.id, mac_address=MAC)
    with pytest.raises(errors.Conflict, match=f"MAC address {MAC} .*reuse_ports or replace_mac"):
        destination.validate_deployment(ENV, instance(), replicas)
    destination.validate_deployment({**ENV, "port_reuse_policy": "reuse_ports"}, instance(), replicas)
    sdk.network.update_port(taken, device_id="somebody")
    with pytest.raises(errors.Conflict, match="used by somebody"):
        destination.validate_deployment({**ENV, "port_reuse_policy": "reuse_ports"}, instance(), replicas)
    anew = {**ENV, "port_reuse_policy": "replace_mac"}
    destination.validate_deployment(anew, instance(), replicas)
    subnet = next(iter(sdk.network.subnets(network_id=network.id)))
    sdk.network.update_port(taken, fixed_ips=[{"subnet_id": subnet.id, "ip_address": "10.20.0.77"}])
    with pytest.raises(errors.Conflict, match=r"10\.20\.0\.77 is taken"):
        destination.validate_deployment({**anew, "preserve_fixed_ips": True}, instance(), replicas)


# Replica volumes


def test_replica_volumes_by_type_zone_and_size(cloud: OpenStackLab, op: MemoryOperation) -> None:
    env = {
        **ENV,
        "default_cinder_volume_type": "ceph",
        "storage_availability_zone": "storage2",
        "storage_mappings": {"backend_mappings": [{"source": "fast", "destination": "gold"}]},
    }
    replicas = cloud.destination().deploy_disks(op, env, instance(), [])
    assert [(r.disk_id, r.size_bytes, r.generation, r.dirty) for r in replicas] == [
        ("d1", 3 * GIB, 0, False),
        ("d2", GIB + 512, 0, False),
    ]
    volumes = [cloud.sdk().block_storage.get_volume(r.volume_id) for r in replicas]
    assert [(v.volume_type, v.size, v.availability_zone) for v in volumes] == [
        ("gold", 3, "storage2"),
        ("ceph", 2, "storage2"),
    ]
    assert not op.ledger.owed()
    assert len(op.ledger.kept()) == 2


def test_a_mapping_by_disk_goes_before_the_others(cloud: OpenStackLab, op: MemoryOperation) -> None:
    mappings = {
        "default": "ceph",
        "backend_mappings": [{"source": "fast", "destination": "ceph"}],
        "disk_mappings": [{"disk_id": "d1", "destination": "gold"}],
    }
    replicas = cloud.destination().deploy_disks(op, {**ENV, "storage_mappings": mappings}, instance(), [])
    types = [cloud.sdk().block_storage.get_volume(r.volume_id).volume_type for r in replicas]
    assert types == ["gold", "ceph"]


def test_volumes_that_may_hold_anything_begin_dirty(cloud: OpenStackLab, op: MemoryOperation) -> None:
    env = {**ENV, "volumes_are_zeroed": False}
    replicas = cloud.destination().deploy_disks(op, env, instance(), [])
    assert all(replica.dirty and replica.journal is None for replica in replicas)


def test_replica_volumes_are_kept_grown_replaced_and_deleted(
    cloud: OpenStackLab, op: MemoryOperation
) -> None:
    destination = cloud.destination()
    first = destination.deploy_disks(op, ENV, instance(), [])
    assert destination.deploy_disks(op, ENV, instance(), first) == first
    larger = instance(disks=(Disk("d1", 5 * GIB), Disk("d2", GIB + 1024)))
    later = MemoryOperation(op.settings, job="later", ledger=op.ledger)
    grown = destination.deploy_disks(later, ENV, larger, first)
    assert grown == [
        replace(first[0], size_bytes=5 * GIB),
        replace(first[1], size_bytes=GIB + 1024),  # its volume has 2 GiB already
    ]
    sdk = cloud.sdk()
    assert [sdk.block_storage.get_volume(r.volume_id).size for r in grown] == [5, 2]
    sdk.block_storage.delete_volume(first[1].volume_id)
    anew = destination.deploy_disks(later, ENV, larger, grown)
    assert anew[0] == grown[0]
    assert anew[1].volume_id != first[1].volume_id
    assert "created anew" in warnings(later)[0]
    destination.delete_disks(later, anew)
    destination.delete_disks(later, anew)
    assert cloud.things()["volumes"] == 0
    assert not op.ledger.kept()


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
def test_a_crash_while_replica_volumes_are_made(
    cloud: OpenStackLab, op: MemoryOperation, again: bool
) -> None:
    op.ledger.crash_after = ResourceKind.VOLUME
    with pytest.raises(Crash):
        cloud.destination().deploy_disks(op, ENV, instance(), [])
    if again:
        replicas = cloud.destination().deploy_disks(op, ENV, instance(), [])
        assert cloud.things()["volumes"] == 2
    else:  # the engine tells what its ledger holds and no answer named
        replicas = [ReplicaDisk("", row.cloud_id or "", row.name, 0) for row in op.ledger.rows.values()]
    cloud.destination().delete_disks(op, replicas)
    assert cloud.things()["volumes"] == 0
    assert not op.ledger.owed()


def test_a_volume_that_fails_is_told(cloud: OpenStackLab, op: MemoryOperation) -> None:
    cloud.faults.plant(Fault("volume.create", "error", match="replica"))
    with pytest.raises(errors.CloudError, match="it is in error"):
        cloud.destination().deploy_disks(op, ENV, instance(), [])


# Workers


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"migr_worker_use_fip": False, "migr_fip_pool_name": None},
        {
            "migr_worker_boot_from_volume": True,
            "migr_worker_volume_size": 5,
            "migr_worker_volume_type": "gold",
        },
        {"migr_worker_use_config_drive": True, "migr_image_map": {}, "migr_image": "worker"},
        {"availability_zone": "az2", "migr_network": None},
    ],
    ids=["fip", "fixed", "boot-from-volume", "config-drive", "zone"],
)
def test_a_copy_worker_comes_and_goes_and_the_replicas_stay(
    cloud: OpenStackLab, op: MemoryOperation, change: dict[str, Any]
) -> None:
    env = {**ENV, **change}
    destination = cloud.destination()
    before = cloud.things()
    replicas = destination.deploy_disks(op, env, instance(), [])
    resources = destination.deploy_target_resources(op, env, instance(), replicas)
    worker, sdk = resources.worker, cloud.sdk()
    assert worker.login.private_key is not None
    assert worker.login.address.startswith("10.20." if change.get("migr_worker_use_fip") is False else "127.")
    assert [(d.disk_id, d.serial) for d in worker.disks] == [(r.disk_id, r.volume_id) for r in replicas]
    server = sdk.compute.get_server(worker.id)
    attached = {a["id"] for a in server.attached_volumes}
    assert {r.volume_id for r in replicas} <= attached
    own = [sdk.block_storage.get_volume(v) for v in attached - {r.volume_id for r in replicas}]
    assert [(v.size, v.volume_type) for v in own] == (
        [(5, "gold")] if "migr_worker_boot_from_volume" in change else []
    )
    (group,) = sdk.network.security_groups(name=op.name(COPY_ROLE))
    ranges = {(rule["port_range_min"], rule["port_range_max"]) for rule in group.security_group_rules}
    assert ranges >= {(22, 22), SETTINGS.transfer.agent_ports}
    assert server.has_config_drive == ("True" if "migr_worker_use_config_drive" in change else "")
    assert server.availability_zone == change.get("availability_zone", "nova")
    destination.delete_target_resources(op, env, replicas)
    destination.delete_target_resources(op, env, replicas)
    assert cloud.things() == {**before, "volumes": 2}
    assert {v.status for v in sdk.block_storage.volumes()} == {"available"}
    assert not op.ledger.owed()


def test_a_pool_may_name_a_subnet(cloud: OpenStackLab) -> None:
    """An administrator's: Neutron shows the subnets of an external network to its owner alone."""
    front = cloud.front
    outside = next(n.id for n in front.cloud.networks.values() if n.name == "public")
    subnet = next(s.id for s in front.cloud.subnets.values() if s.network_id == outside)
    login = {"username": "admin", "password": front.admin_password, "project_name": "admin"}
    plan = worker_plan(
        cloud.destination(**login)._client,
        destination_environment({**ENV, "migr_fip_pool_name": f"public/{subnet}"}, OpenStackSection()),
        COPY_ROLE,
    )
    assert plan.pool == FloatingIpPool(outside, subnet)
    assert plan.pool.attributes() == {"floating_network_id": outside, "subnet_id": subnet}


def test_a_guest_that_does_not_let_go_keeps_no_worker_alive(
    cloud: OpenStackLab, op: MemoryOperation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coriolis.providers.openstack.workers._DETACH_SECONDS", 0.3)
    destination = cloud.destination()
    replicas = destination.deploy_disks(op, ENV, instance(), [])
    worker = destination.deploy_target_resources(op, ENV, instance(), replicas).worker
    cloud.hypervisor.stuck_disks.add(replicas[0].volume_id)
    cloud.front.cloud.servers[worker.id].attachments[0].delete_on_termination = True
    with pytest.raises(errors.DiskStillAttached, match=replicas[0].volume_id):
        destination.delete_target_resources(op, ENV, replicas)
    assert cloud.sdk().compute.get_server(worker.id)
    cloud.front.cloud.servers[worker.id].attachments[0].delete_on_termination = False
    destination.delete_target_resources(op, ENV, replicas)
    cloud.hypervisor.stuck_disks.clear()
    assert cloud.things()["volumes"] == 2
    assert not op.ledger.owed()


@pytest.mark.parametrize(
    "kind",
    [
        ResourceKind.KEYPAIR,
        ResourceKind.SECURITY_GROUP,
        ResourceKind.PORT,
        ResourceKind.SERVER,
        ResourceKind.FLOATING_IP,
    ],
)
def test_a_crash_while_a_worker_is_made(cloud: OpenStackLab, op: MemoryOperation, kind: ResourceKind) -> None:
    replicas = cloud.destination().deploy_disks(op, ENV, instance(), [])
    before = cloud.things()
    op.ledger.crash_after = kind
    with pytest.raises(Crash):
        cloud.destination().deploy_target_resources(op, ENV, instance(), replicas)
    cloud.destination().delete_target_resources(op, ENV, replicas)
    assert cloud.things() == before
    assert not op.ledger.owed()


# Deployment


def test_a_deployment_from_copies_to_server(cloud: OpenStackLab, op: MemoryOperation) -> None:
    destination = cloud.destination()
    replicas, clones = deployed(cloud, op)
    assert destination.clone_disks(op, ENV, instance(), replicas) == clones
    assert not {c.volume_id for c in clones} & {r.volume_id for r in replicas}
    worker = destination.deploy_os_morphing_resources(op, ENV, instance(), clones).worker
    assert [d.serial for d in worker.disks] == [c.volume_id for c in clones]
    destination.delete_os_morphing_resources(op, ENV, clones)
    result = destination.finalize_instance(op, ENV, instance(), clones, DEBIAN)
    assert (result.name, result.powered_on, op.moments) == ("web", True, 1)
    sdk = cloud.sdk()
    server = sdk.compute.get_server(result.id)
    assert server.status == "ACTIVE"
    assert server.flavor.original_name == "small"
    assert any("of 1 that hold 2 vCPUs and 600 MiB it is the nearest" in text for _, text in op.events)
    assert {a["id"]: a["delete_on_termination"] for a in server.attached_volumes} == {
        clone.volume_id: False for clone in clones
    }
    (port,) = sdk.network.ports(device_id=server.id)
    assert port.mac_address == MAC
    assert result.addresses == (port.fixed_ips[0]["ip_address"],)
    spec = cloud.hypervisor.specs[result.id]
    assert [(d.disk_id, d.boot_index) for d in spec.disks] == [
        (clones[0].volume_id, 0),
        (clones[1].volume_id, 1),
    ]
    assert not spec.uefi
    boot = sdk.block_storage.get_volume(clones[0].volume_id)
    assert boot.is_bootable
    assert boot.volume_image_metadata == {
        "os_type": "linux",
        "os_distro": "debian",
        "hw_qemu_guest_agent": "yes",
    }
    assert not op.ledger.owed()
    assert len(op.ledger.kept()) == 2 + 2 + 1 + 1  # replicas, disks, port, server
    destination.delete_cloned_disks(op, ENV, instance())
    assert cloud.things()["volumes"] == 4


def test_every_option_of_the_server_shows_on_it(cloud: OpenStackLab, op: MemoryOperation) -> None:
    _, server = finalized(
        cloud,
        op,
        flavor_name="tiny",
        keypair_name="mine",
        security_groups=["http", "default"],
        availability_zone="az2",
        server_group="apart",
        instance_tags=["blue", "old"],
        instance_metadata={"owner": "me"},
        use_config_drive=True,
        disk_bus="scsi",
        hypervisor_type="qemu",
        delete_disks_on_vm_termination=True,
        custom_boot_volume_image_metadata={"hw_video_model": "virtio"},
    )
    sdk = cloud.sdk()
    assert server.flavor.original_name == "tiny"
    assert any("only 512 of 600 MiB" in text for text in warnings(op))
    assert server.key_name == "mine"
    assert {g["name"] for g in server.security_groups} == {"http", "default"}
    assert server.availability_zone == "az2"
    assert server.server_groups == [next(iter(sdk.compute.server_groups())).id]
    assert server.tags == ["blue", "old"]
    assert server.metadata == {"owner": "me", "coriolis_deployment": op.name("vm")}
    assert server.has_config_drive == "True"
    assert [a["delete_on_termination"] for a in server.attached_volumes] == [True, True]
    boot = sdk.block_storage.get_volume(server.attached_volumes[0]["id"])
    properties = boot.volume_image_metadata
    assert properties["hw_disk_bus"] == "scsi"
    assert properties["hw_scsi_model"] == "virtio-scsi"
    assert properties["img_hv_type"] == "qemu"
    assert properties["hw_video_model"] == "virtio"
    assert {str(d.bus) for d in cloud.hypervisor.specs[server.id].disks} == {"virtio_scsi"}


def test_uefi(cloud: OpenStackLab, op: MemoryOperation) -> None:
    _, server = finalized(cloud, op, instance(firmware=Firmware.EFI, secure_boot=True))
    spec = cloud.hypervisor.specs[server.id]
    assert (spec.uefi, str(spec.machine)) == (True, "q35")
    boot = cloud.sdk().block_storage.get_volume(server.attached_volumes[0]["id"])
    assert boot.volume_image_metadata["os_secure_boot"] == "required"


def test_a_hypervisor_that_the_cloud_lacks(cloud: OpenStackLab, op: MemoryOperation) -> None:
    with pytest.raises(errors.CloudError, match="No valid host"):
        finalized(cloud, op, instance(firmware=Firmware.EFI), hypervisor_type="hyperv")
    boot = next(v for v in cloud.sdk().block_storage.volumes(name=op.name("disk", "0")))
    assert boot.volume_image_metadata["hw_machine_type"] == "hyperv-gen2"
    assert "hw_firmware_type" not in boot.volume_image_metadata


@pytest.mark.parametrize("policy", ["keep_mac", "replace_mac", "reuse_ports"])
def test_port_policies(cloud: OpenStackLab, op: MemoryOperation, policy: str) -> None:
    sdk = cloud.sdk()
    network = sdk.network.find_network("private")
    existing = None
    if policy == "reuse_ports":
        existing = sdk.network.create_port(network_id=network.id, mac_address=MAC)
    _, server = finalized(cloud, op, port_reuse_policy=policy)
    (port,) = sdk.network.ports(device_id=server.id)
    assert (port.mac_address == MAC) == (policy != "replace_mac")
    assert (existing is not None) == (port.id == (existing and existing.id))
    profile = cloud.destination().morphing_profile({**ENV, "port_reuse_policy": policy}, instance())
    assert profile.mac_addresses == (() if policy == "replace_mac" else (MAC,))
    cloud.destination().delete_instance(op, ENV, instance())
    left = list(sdk.network.ports())
    assert [port.id for port in left] == ([existing.id] if existing else [])


def test_addresses_on_a_network_of_somebody_else(cloud: OpenStackLab, op: MemoryOperation) -> None:
    with pytest.raises(errors.PermissionRefused, match=r"'theirs'.*port_reuse_policy to replace_mac"):
        finalized(cloud, op, network_map={"old": "theirs"})
    destination = cloud.destination()
    destination.delete_instance(op, ENV, instance())
    assert not held(cloud)[2]
    later = MemoryOperation(op.settings, job="later", ledger=op.ledger)
    result, _ = finalized(cloud, later, network_map={"old": "theirs"}, port_reuse_policy="replace_mac")
    assert result.addresses[0].startswith("10.22.")


def test_addresses_are_preserved(cloud: OpenStackLab, op: MemoryOperation) -> None:
    sdk = cloud.sdk()
    ours = sdk.network.create_ip(floating_network_id=sdk.network.find_network("public").id)
    web = instance(nics=(replace(instance().nics[0], floating_ips=(ours.floating_ip_address,)),))
    result, _ = finalized(
        cloud,
        op,
        web,
        preserve_fixed_ips=True,
        preserve_floating_ip=True,
        use_floating_ip=True,
        floating_ip_pool="public",
    )
    assert result.addresses == (ours.floating_ip_address, "10.20.0.77")
    assert [ip.id for ip in sdk.network.ips()] == [ours.id]
    destination, env = cloud.destination(), {**ENV, "preserve_floating_ip": True}
    with pytest.raises(errors.Conflict, match=ours.floating_ip_address):
        destination.validate_deployment({**env, "port_reuse_policy": "replace_mac"}, web, [])
    destination.delete_instance(op, ENV, web)
    assert [(ip.id, ip.port_id) for ip in sdk.network.ips()] == [(ours.id, None)]


def test_a_floating_address_that_cannot_be_had_is_told_and_another_is_taken(
    cloud: OpenStackLab, op: MemoryOperation
) -> None:
    web = instance(nics=(replace(instance().nics[0], floating_ips=("127.43.250.250",)),))
    result, _ = finalized(
        cloud, op, web, preserve_floating_ip=True, use_floating_ip=True, floating_ip_pool="public"
    )
    assert result.addresses[0].startswith("127.")
    assert "127.43.250.250 is not preserved" in warnings(op)[0]
    assert (ResourceKind.FLOATING_IP, op.name("address", "0")) in op.ledger.kept()
    cloud.destination().delete_instance(op, ENV, web)
    assert cloud.things()["ips"] == 0


def test_no_dhcp_and_cloud_init_where_it_is_needed(cloud: OpenStackLab) -> None:
    destination = cloud.destination()
    plain = destination.morphing_profile(ENV, instance())
    assert (plain.dhcp, plain.install) == (True, ("guest-agent",))
    assert "virtio_blk" in plain.drivers
    other = destination.morphing_profile({**ENV, "set_dhcp": False, "keypair_name": "mine"}, instance())
    assert (other.dhcp, other.install) == (False, ("guest-agent", "cloud-init"))
    hyperv = destination.morphing_profile({**ENV, "hypervisor_type": "hyperv"}, instance())
    assert hyperv.drivers == ("hv_vmbus", "hv_storvsc", "hv_netvsc")


def test_a_failed_deployment_is_compensated_and_touches_no_replica(
    cloud: OpenStackLab, op: MemoryOperation
) -> None:
    env = {**ENV, "use_floating_ip": True, "floating_ip_pool": "public"}
    replicas, clones = deployed(cloud, op)
    cloud.faults.plant(Fault("server.create", "error", match="web"))
    destination = cloud.destination()
    with pytest.raises(errors.CloudError, match="boot server web"):
        destination.finalize_instance(op, env, instance(), clones, DEBIAN)
    destination.delete_instance(op, env, instance())
    destination.delete_instance(op, env, instance())
    things = cloud.things()
    assert (things["servers"], things["ports"], things["ips"], things["volumes"]) == (0, 0, 0, 4)
    destination.delete_cloned_disks(op, env, instance())
    left = {v.id for v in cloud.sdk().block_storage.volumes()}
    assert left == {r.volume_id for r in replicas}
    assert not op.ledger.owed()


def test_disks_that_nova_forgot_are_freed_and_removed(cloud: OpenStackLab, op: MemoryOperation) -> None:
    """As it does with those of a server that is deleted right after it was made."""
    replicas, clones = deployed(cloud, op)
    cloud.faults.plant(Fault("server.create", "stuck", match="web"))
    cloud.faults.plant(Fault("server.delete", "forget_volumes", match="web"))
    op.ledger.crash_after = ResourceKind.SERVER
    with pytest.raises(Crash):
        cloud.destination().finalize_instance(op, ENV, instance(), clones, DEBIAN)
    destination, storage = cloud.destination(), cloud.sdk().block_storage
    destination.delete_instance(op, ENV, instance())
    assert {storage.get_volume(clone.volume_id).status for clone in clones} == {"reserved"}
    destination.delete_cloned_disks(op, ENV, instance())
    assert {volume.id for volume in storage.volumes()} == {replica.volume_id for replica in replicas}
    assert not op.ledger.owed()


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
@pytest.mark.parametrize(
    "kind", [ResourceKind.VOLUME, ResourceKind.PORT, ResourceKind.FLOATING_IP, ResourceKind.SERVER]
)
def test_a_crash_in_a_deployment_leaves_nothing(
    cloud: OpenStackLab, op: MemoryOperation, kind: ResourceKind, again: bool
) -> None:
    env = {**ENV, "use_floating_ip": True, "floating_ip_pool": "public"}
    replicas = cloud.destination().deploy_disks(op, env, instance(), [])
    op.ledger.crash_after = kind

    clones: list[ClonedDisk] = []

    def deploy() -> None:
        """As the engine does: a step that has ended is not run again."""
        if not clones:
            clones.extend(cloud.destination().clone_disks(op, env, instance(), replicas))
        cloud.destination().finalize_instance(op, env, instance(), clones, DEBIAN)

    with pytest.raises(Crash):
        deploy()
    if again:
        deploy()
        assert (cloud.things()["servers"], cloud.things()["ips"]) == (1, 1)
    cloud.destination().delete_instance(op, env, instance())
    cloud.destination().delete_cloned_disks(op, env, instance())
    things = cloud.things()
    assert (things["servers"], things["ports"], things["ips"]) == (0, 0, 0)
    assert {v.id for v in cloud.sdk().block_storage.volumes()} == {r.volume_id for r in replicas}
    assert not op.ledger.owed()


def test_compensation_never_takes_a_users_server_of_the_same_name(
    cloud: OpenStackLab, op: MemoryOperation
) -> None:
    cloud.boot("web", volumes=1)
    _, server = finalized(cloud, op)
    cloud.destination().delete_instance(op, ENV, instance())
    left = list(cloud.sdk().compute.servers())
    assert [s.name for s in left] == ["web"]
    assert left[0].id != server.id


class WindowsWorker:
    """The OSMorphing worker for the copies of `web`, whose guest has a password of its own making."""

    env = {**ENV, "migr_image_map": {"linux": "worker", "windows": "worker"}}  # noqa: RUF012

    def __init__(self, cloud: OpenStackLab, guests: WindowsGuests, *, told: str = "Pa55-word") -> None:
        """`told`: the password that the guest posts."""
        self.cloud, self.guests, self.told = cloud, guests, told
        self.destination = cloud.destination()
        when = {
            "Waiting for the password of the worker VM": self.post,
            "Waiting for WinRM on the worker VM": self.answer,
        }
        self.op = GuestOperation(SETTINGS, when=when)
        replicas = self.destination.deploy_disks(self.op, self.env, instance(), [])
        self.clones = self.destination.clone_disks(self.op, self.env, instance(), replicas)
        self.before = cloud.things(), self.op.ledger.owed()

    @property
    def server(self) -> Any:
        (server,) = self.cloud.front.cloud.servers.values()
        return server

    def post(self) -> None:
        assert self.server.user_data is None
        post_password(self.server, self.told)

    def answer(self) -> None:
        (address,) = self.cloud.sdk().network.ips()
        self.guests.boot(address.floating_ip_address, "Admin", "Pa55-word")

    def deploy(self) -> Any:
        destination, op = self.destination, self.op
        return destination.deploy_os_morphing_resources(
            op, self.env, instance(), self.clones, "windows"
        ).worker

    def delete(self) -> None:
        self.destination.delete_os_morphing_resources(self.op, self.env, self.clones)
        assert (self.cloud.things(), self.op.ledger.owed()) == self.before


def test_a_windows_worker_answers_to_the_holder_of_its_key_alone(
    cloud: OpenStackLab, windows_guests: WindowsGuests
) -> None:
    windows = WindowsWorker(cloud, windows_guests)
    worker = windows.deploy()
    (guest,) = windows_guests.servers
    assert worker.login == guest.login(certificate=guest.certificate)
    assert (worker.login.username, worker.login.port) == ("Admin", 5986)
    assert "Pa55" not in repr(worker)
    assert [disk.serial for disk in worker.disks] == [clone.volume_id for clone in windows.clones]
    with WinRmSession(worker.login, worker.name) as session:
        assert session.run("ver").returncode == 0
    (group,) = cloud.sdk().network.security_groups(name=windows.op.name(MORPHING_ROLE))
    ingress = [rule for rule in group.security_group_rules if rule["direction"] == "ingress"]
    assert {rule["port_range_min"] for rule in ingress} == {5986}
    with pytest.raises(ValueError, match=r"(?i)decrypt|decode|encryption"):
        decrypted(windows.server.password_data, new_rsa_key_pair().private)
    windows.delete()


def test_a_windows_worker_that_refuses_the_password_leaves_nothing(
    cloud: OpenStackLab, windows_guests: WindowsGuests
) -> None:
    windows = WindowsWorker(cloud, windows_guests, told="another one")
    with pytest.raises(errors.WorkerLoginRefused, match="'Admin'") as raised:
        windows.deploy()
    assert "another one" not in str(raised.value)
    windows.delete()


def test_a_windows_worker_needs_an_image(cloud: OpenStackLab, op: MemoryOperation) -> None:
    with pytest.raises(errors.InvalidInput, match=r"migr_image_map\.windows"):
        cloud.destination().deploy_os_morphing_resources(op, ENV, instance(), [], "windows")
    assert not op.ledger.rows


def test_wrong_credentials_are_told_whatever_is_asked(cloud: OpenStackLab) -> None:
    destination = cloud.destination(password="wrong-one")
    for ask in (
        destination.validate_connection,
        lambda: destination.list_networks({}),
        lambda: destination.destination_options({}, ["security_groups"]),
        lambda: destination.validate_destination(ENV, instance()),
    ):
        with pytest.raises(errors.AuthenticationFailed, match="'demo'") as raised:
            ask()
        assert "wrong-one" not in str(raised.value)
