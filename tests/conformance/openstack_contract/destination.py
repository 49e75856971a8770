"""OpenStack as a destination."""

from dataclasses import replace
from typing import Any

import pytest

from coriolis import errors
from coriolis.model.enums import Firmware, OsType, ResourceKind
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ReplicaDisk
from tests.conformance.openstack_contract.site import GIB, Site
from tests.memory_operation import Crash, MemoryOperation

_MAC = "52:54:00:00:0c:01"
_WEB = Instance(
    id="i1",
    name="contract-web",
    num_cpu=1,
    memory_mb=256,
    os_type=OsType.LINUX,
    firmware=Firmware.BIOS,
    disks=(Disk("d1", GIB, 0, bootable=True), Disk("d2", GIB + 512, 1)),
    nics=(Nic("old", _MAC),),
)


class DestinationContract:
    @pytest.mark.parametrize(
        ("env", "change", "error", "text"),
        [
            ({"network_map": {}}, {}, errors.NetworkNotMapped, "old"),
            ({"network_map": {"old": "green"}}, {}, errors.InvalidInput, "no network 'green'"),
            ({}, {"name": "web "}, errors.NameNotAllowed, "white space"),
            ({"storage_mappings": {"default": "tin"}}, {}, errors.InvalidInput, "no volume type 'tin'"),
            ({"migr_image": "none"}, {}, errors.InvalidInput, "no image 'none'"),
            ({"flavor_name": "huge"}, {}, errors.InvalidInput, "no flavor 'huge'"),
            ({}, {"memory_mb": 1 << 24}, errors.InvalidInput, "no flavor holds the 1 vCPUs"),
            ({"availability_zone": "moon"}, {}, errors.InvalidInput, "no availability zone 'moon'"),
            (
                {"storage_availability_zone": "moon"},
                {},
                errors.InvalidInput,
                "no storage availability zone 'moon'",
            ),
            ({"server_group": "crowd"}, {}, errors.InvalidInput, "no server group 'crowd'"),
            ({"keypair_name": "yours"}, {}, errors.InvalidInput, "no key pair 'yours'"),
            ({"security_groups": ["ftp"]}, {}, errors.InvalidInput, "no security group 'ftp'"),
        ],
    )
    def test_bad_input_is_told_before_anything_is_created(
        self, site: Site, env: dict[str, Any], change: dict[str, Any], error: type[Exception], text: str
    ) -> None:
        before = site.things()
        with pytest.raises(error, match=text):
            site.destination().validate_destination(site.environment(**env), replace(_WEB, **change))
        assert site.things() == before

    def test_replicas_are_made_once_and_grow(self, site: Site) -> None:
        before, op, destination, env = site.things(), site.operation(), site.destination(), site.environment()
        destination.validate_destination(env, _WEB)
        first = destination.deploy_disks(op, env, _WEB, [])
        assert destination.deploy_disks(op, env, _WEB, first) == first
        larger = replace(_WEB, disks=(Disk("d1", 2 * GIB, 0, bootable=True), _WEB.disks[1]))
        grown = destination.deploy_disks(op, env, larger, first)
        assert [r.volume_id for r in grown] == [r.volume_id for r in first]
        storage = site.sdk.block_storage
        assert [storage.get_volume(replica.volume_id).size for replica in grown] == [2, 2]
        assert not op.ledger.owed()
        destination.delete_disks(op, grown)
        destination.delete_disks(op, grown)
        assert site.things() == before
        assert not op.ledger.kept()

    def test_a_copy_worker_comes_and_goes_and_the_replicas_stay(self, site: Site) -> None:
        op, destination, env = site.operation(), site.destination(), site.environment()
        replicas = destination.deploy_disks(op, env, _WEB, [])
        before = site.things()
        worker = destination.deploy_target_resources(op, env, _WEB, replicas).worker
        assert [(d.disk_id, d.serial) for d in worker.disks] == [(r.disk_id, r.volume_id) for r in replicas]
        assert destination.has_worker(worker)
        destination.delete_target_resources(op, env, replicas)
        assert not destination.has_worker(worker)
        destination.delete_target_resources(op, env, replicas)
        assert site.things() == before
        statuses = [site.sdk.block_storage.get_volume(r.volume_id).status for r in replicas]
        assert statuses == ["available", "available"]
        destination.delete_disks(op, replicas)
        assert not op.ledger.owed()

    def test_a_server_from_copies_of_the_replicas(self, site: Site) -> None:
        """Compensated at the end, it leaves the replicas as they were."""
        op, destination = site.operation(), site.destination()
        env = site.environment(
            preserve_fixed_ips=True,
            use_floating_ip=True,
            floating_ip_pool=site.external,
            instance_metadata={"moved": "yes"},
            instance_tags=["blue"],
            custom_boot_volume_image_metadata={"hw_video_model": "virtio"},
        )
        web = replace(_WEB, nics=(Nic("old", _MAC, ip_addresses=(site.address,)),))
        replicas = destination.deploy_disks(op, env, web, [])
        before = site.things()
        destination.validate_deployment(env, web, replicas)
        clones = destination.clone_disks(op, env, web, replicas)
        made = destination.finalize_instance(op, env, web, clones, None)
        server = site.sdk.compute.get_server(made.id)
        assert (server.status, server.metadata["moved"]) == ("ACTIVE", "yes")
        assert list(server.fetch_tags(site.sdk.compute).tags) == ["blue"]
        assert {a["id"] for a in server.attached_volumes} == {c.volume_id for c in clones}
        (port,) = site.sdk.network.ports(device_id=server.id)
        assert (port.mac_address, port.fixed_ips[0]["ip_address"]) == (_MAC, site.address)
        (floating,) = site.sdk.network.ips(port_id=port.id)
        assert made.addresses == (floating.floating_ip_address, site.address)
        boot = site.sdk.block_storage.get_volume(clones[0].volume_id)
        assert boot.is_bootable
        assert boot.volume_image_metadata["hw_video_model"] == "virtio"
        destination.delete_instance(op, env, web)
        destination.delete_cloned_disks(op, env, web)
        assert site.things() == before
        destination.delete_disks(op, replicas)
        assert not op.ledger.owed()

    @pytest.mark.parametrize("kind", [ResourceKind.PORT, ResourceKind.FLOATING_IP, ResourceKind.SERVER])
    def test_a_crash_while_the_server_is_made_leaves_nothing(self, site: Site, kind: ResourceKind) -> None:
        op, destination = site.operation(), site.destination()
        env = site.environment(use_floating_ip=True, floating_ip_pool=site.external)
        replicas = destination.deploy_disks(op, env, _WEB, [])
        before = site.things()
        clones = destination.clone_disks(op, env, _WEB, replicas)
        op.ledger.crash_after = kind
        with pytest.raises(Crash):
            destination.finalize_instance(op, env, _WEB, clones, None)
        site.destination().delete_instance(op, env, _WEB)
        site.destination().delete_cloned_disks(op, env, _WEB)
        assert site.things() == before
        destination.delete_disks(op, replicas)
        assert not op.ledger.owed()

    def test_a_crash_while_replicas_are_made_leaves_nothing(self, site: Site) -> None:
        before, op, env = site.things(), site.operation(), site.environment()
        op.ledger.crash_after = ResourceKind.VOLUME
        with pytest.raises(Crash):
            site.destination().deploy_disks(op, env, _WEB, [])
        replicas = _recorded(op)
        site.destination().delete_disks(op, replicas)
        assert site.things() == before
        assert not op.ledger.owed()


def _recorded(op: MemoryOperation) -> list[ReplicaDisk]:
    """What the engine tells of a ledger whose replicas no answer named."""
    return [ReplicaDisk("", row.cloud_id or "", row.name, 0) for row in op.ledger.rows.values()]
