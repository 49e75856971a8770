"""Connection infos and inventories, as tests/conformance/openstack_connection has them on the lab."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coriolis import errors
from coriolis.config import Settings
from coriolis.providers.openstack.plugin import OpenStackProvider
from tests.openstack_real.clouds import RealCloud
from tests.openstack_real.guests import VOLUME_BOOTED, GuestKind, SourceGuest


def connect(info: dict[str, Any], **change: Any) -> Any:
    known = {key: value for key, value in {**info, **change}.items() if value is not None}
    return OpenStackProvider().connect_source(known, "real", Settings())


@pytest.fixture
def info(cloud_a: RealCloud) -> dict[str, Any]:
    return cloud_a.connection_info


def test_a_valid_connection_of_zed_lacks_nothing(info: dict[str, Any]) -> None:
    source = connect(info)
    source.validate_connection()
    assert source.remarks() == []


@pytest.mark.parametrize("interface", ["internal", "admin"])
def test_other_interfaces(info: dict[str, Any], interface: str) -> None:
    connect(info, interface_name=interface).validate_connection()


def test_swift_answers(info: dict[str, Any]) -> None:
    connect(info, swift_region_name=info["region_name"]).validate_connection()


def test_ceph_answers(cloud_a: RealCloud) -> None:
    connect(cloud_a.with_ceph("volumes")).validate_connection()
    with pytest.raises(errors.ServicesUnusable, match="Ceph: failed to read pool 'elsewhere'"):
        connect(cloud_a.with_ceph("elsewhere")).validate_connection()


def test_what_is_not_there_is_told(info: dict[str, Any]) -> None:
    with pytest.raises(errors.ServicesUnusable, match=r"Cinder: .* in region Moon, but .*public in"):
        connect(info, cinder_region_name="Moon").validate_connection()
    with pytest.raises(errors.ServicesUnusable, match="Glance at http"):
        connect(info, glance_api_version=1).validate_connection()
    v2 = info["auth_url"].replace("/v3", "/v2.0")
    with pytest.raises(errors.CloudError, match="has no Identity API version 2"):
        connect(info, identity_api_version=2, auth_url=v2).validate_connection()
    with pytest.raises(errors.AuthenticationFailed):
        connect(info, password="wrong").validate_connection()


@pytest.fixture
def credential(cloud_a: RealCloud, info: dict[str, Any]) -> Iterator[Any]:
    sdk = connect(info)._client.sdk
    made = sdk.identity.create_application_credential(sdk.current_user_id, "coriolis-test")
    yield made
    sdk.identity.delete_application_credential(sdk.current_user_id, made)


def test_an_application_credential(info: dict[str, Any], credential: Any) -> None:
    nobody = {"username": None, "password": None, "project_name": None}
    by_id = {"application_credential_id": credential.id, "application_credential_secret": credential.secret}
    connect(info, **nobody, **by_id).validate_connection()


def test_listing(info: dict[str, Any], source_guest: Callable[[GuestKind], SourceGuest]) -> None:
    source_guest(VOLUME_BOOTED)
    source = connect(info)
    listed = source.list_instances({})
    assert listed
    assert [s.id for s in listed] == sorted(s.id for s in listed)
    first = listed[0]
    assert source.list_instances({}, limit=1) == [first]
    assert source.list_instances({}, marker=first.id) == listed[1:]
    assert first in source.list_instances({}, name=first.name[1:])
    nobody = "00000000-0000-4000-8000-000000000001"
    assert source.list_instances({}, marker=nobody) == [s for s in listed if s.id > nobody]
    instance = source.get_instance({}, first.id)
    assert tuple(disk.size_bytes for disk in instance.disks) == first.disk_sizes_bytes
    assert {nic.network_name for nic in instance.nics} == set(first.network_names)


def test_options(info: dict[str, Any]) -> None:
    offers = {option.name: option for option in connect(info).source_options({})}
    assert offers["replica_export_mechanism"].values == ("coriolis_backups", "swift_backups")
    for name in ("export_image", "export_flavor_name", "export_network", "export_fip_pool_name"):
        assert offers[name].values, name
