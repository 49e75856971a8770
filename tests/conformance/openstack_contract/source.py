"""OpenStack as a source. `site.server` has two volumes and boots from the first."""

from dataclasses import replace
from typing import Any

import pytest

from coriolis import errors
from coriolis.model.enums import ResourceKind
from tests.conformance.openstack_contract.site import Site
from tests.memory_operation import Crash

_NOBODY = "00000000-1111-2222-3333-444444444444"


class SourceContract:
    def test_an_instance_by_name_and_by_id(self, site: Site) -> None:
        source = site.source()
        found = source.get_instance({}, site.server)
        assert found == source.get_instance({}, found.id)
        assert [disk.bootable for disk in found.disks] == [True, False]
        (nic,) = found.nics
        assert nic.network_name == site.network
        assert nic.mac_address
        assert nic.ip_addresses
        (listed,) = source.list_instances({}, name=site.server)
        assert (listed.id, listed.firmware, listed.num_cpu) == (found.id, found.firmware, found.num_cpu)
        assert not source.list_instances({}, marker=listed.id, name=site.server)

    @pytest.mark.parametrize("name", ["nobody", _NOBODY])
    def test_an_unknown_instance(self, site: Site, name: str) -> None:
        with pytest.raises(errors.InstanceNotFound, match=name):
            site.source().get_instance({}, name)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"export_image": "nothing"}, "no image 'nothing'"),
            ({"export_flavor_name": "huge"}, "no flavor 'huge'"),
            ({"export_network": "x"}, "no network 'x'"),
            ({"export_image": None}, "export_image is needed"),
            ({"export_interim_volume_type": "tin"}, "no volume type 'tin'"),
        ],
    )
    def test_bad_options_are_named_before_anything_is_created(
        self, site: Site, change: dict[str, Any], text: str
    ) -> None:
        before, source = site.things(), site.source()
        instance = source.get_instance({}, site.server)
        with pytest.raises(errors.InvalidInput, match=text):
            source.validate_source(site.export_environment(**change), instance)
        assert site.things() == before

    def test_a_network_that_is_not_external_is_no_pool(self, site: Site) -> None:
        source = site.source()
        env = site.export_environment(export_fip_pool_name=site.network)
        with pytest.raises(errors.InvalidInput, match="not external"):
            source.validate_source(env, source.get_instance({}, site.server))

    @pytest.mark.parametrize("limit", ["volumes", "snapshots", "gigabytes"])
    def test_quotas_are_checked_before_anything_is_created(self, site: Site, limit: str) -> None:
        source = site.source()
        instance = source.get_instance({}, site.server)
        source.validate_source(site.export_environment(), instance)
        with site.little_room(limit), pytest.raises(errors.QuotaExceeded, match=f"{limit}.* are used"):
            source.validate_source(site.export_environment(), instance)

    def test_a_volume_that_is_gone_is_named(self, site: Site) -> None:
        source = site.source()
        instance = source.get_instance({}, site.server)
        lost = replace(instance.disks[1], id=_NOBODY)
        with pytest.raises(errors.InvalidInput, match=lost.id):
            source.validate_source(
                site.export_environment(), replace(instance, disks=(instance.disks[0], lost))
            )

    def test_an_export_worker_comes_and_goes(self, site: Site) -> None:
        before, op, source, env = site.things(), site.operation(), site.source(), site.export_environment()
        instance = source.get_instance({}, site.server)
        worker = source.deploy_source_resources(op, env, instance, {}).worker
        assert [disk.disk_id for disk in worker.disks] == [disk.id for disk in instance.disks]
        for disk in worker.disks:
            volume = site.sdk.block_storage.get_volume(disk.serial)
            assert volume.status == "in-use"
            assert volume.attachments[0]["server_id"] == worker.id
        assert source.has_worker(worker)
        source.delete_source_resources(op, env, instance, {})
        assert not source.has_worker(worker)
        assert site.things() == before
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
    def test_a_crash_after_a_create_call_leaves_nothing(self, site: Site, kind: ResourceKind) -> None:
        before, op, env = site.things(), site.operation(), site.export_environment()
        instance = site.source().get_instance({}, site.server)
        op.ledger.crash_after = kind
        with pytest.raises(Crash):
            site.source().deploy_source_resources(op, env, instance, {})
        assert site.things() != before
        site.source().delete_source_resources(op, env, instance, {})
        assert site.things() == before
        assert not op.ledger.owed()
