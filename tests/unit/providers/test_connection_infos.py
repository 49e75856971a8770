import json
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import Settings
from coriolis.errors import InvalidInput
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis.providers.ovirt.connection import OvirtConnectionInfo
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis.providers.registry import provider

SEED: dict[str, Any] = {
    "identity_api_version": 3,
    "auth_url": "http://openstack.awesome.our:5000/v3",
    "username": "my username",
    "password": "Sekr3T",
    "project_name": "coriolis",
    "user_domain_name": "domain",
    "project_domain_name": "domain",
    "glance_api_version": 2,
    "allow_untrusted": True,
    "allow_untrusted_swift": True,
    "region_name": "RegionOne",
    "nova_region_name": "RegionOne",
    "neutron_region_name": "RegionOne",
    "glance_region_name": "RegionOne",
    "cinder_region_name": "RegionOne",
    "swift_region_name": "RegionOne",
    "interface_name": "public",
    "nova_interface_name": "public",
    "neutron_interface_name": "public",
    "glance_interface_name": "public",
    "cinder_interface_name": "public",
    "swift_interface_name": "admin",
    "ceph_options": {
        "ceph_conf_file": "config_file_contents",
        "ceph_username": "admin",
        "ceph_keyring_file": "keyring_file_path",
        "ceph_pool_name": "coriolis",
        "ceph_cluster_name": "coriolis_cluster",
        "ceph_connection_timeout": 30,
    },
}
"""The example of the OpenStack plugin's public documentation."""


def test_the_documented_example_is_accepted() -> None:
    OpenStackProvider().check_connection_info(SEED)
    OpenStackProvider().check_connection_info({**SEED, "ceph_options": None, "region_name": None})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"auth_url": "openstack:5000"}, "auth_url"),
        ({"identity_api_version": 4}, "identity_api_version"),
        ({"username": ""}, "username"),
        ({"interface_name": "pubic"}, "interface_name"),
        ({"pasword": "x"}, "pasword"),
        ({"ceph_options": {"ceph_pool": "x"}}, "ceph_options.ceph_pool"),
        ({"identity_api_version": 2}, "auth_url ends in /v3, but identity_api_version is 2"),
        ({"password": None}, "password is needed"),
        ({"project_name": None}, "project_name is needed"),
        ({"username": None}, "username is needed"),
        ({"application_credential_id": "x"}, "application_credential_secret is needed"),
        ({"clouds_yaml": "clouds: {}"}, "has no clouds"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        OpenStackProvider().check_connection_info({**SEED, **change})


def test_an_error_shows_no_value() -> None:
    with pytest.raises(InvalidInput) as raised:
        OpenStackProvider().check_connection_info({**SEED, "auth_url": "Sekr3T", "password": ["Sekr3T"]})
    assert "Sekr3T" not in str(raised.value)


def test_old_api_versions_are_taken() -> None:
    old = {"identity_api_version": 2, "auth_url": "http://old:5000/v2.0", "glance_api_version": 1}
    OpenStackProvider().connect_source({**SEED, **old}, "old", Settings()).close()


def test_an_unknown_platform_is_said() -> None:
    with pytest.raises(InvalidInput, match="openstack, ovirt"):
        provider("vmware")


@pytest.mark.parametrize("plugin", [OpenStackProvider(), OvirtProvider()])
def test_schemas_are_json_with_titles_help_and_password_fields(
    plugin: OpenStackProvider | OvirtProvider,
) -> None:
    schema = plugin.connection_schema()
    json.dumps(schema)
    assert "password" in schema["passwordFields"]
    for name, member in schema["properties"].items():
        assert member["title"], name
        assert member["description"], name
    environment = plugin.source_environment_schema() or plugin.destination_environment_schema()
    assert environment
    json.dumps(environment)


def test_the_password_map_of_the_workers_is_a_password_field() -> None:
    schema = OvirtProvider().destination_environment_schema()
    assert schema is not None
    assert schema["passwordFields"] == ["migr_template_password_map"]


def ovirt(**change: Any) -> OvirtConnectionInfo:
    info = {"url": "https://e.example/ovirt-engine/api", "username": "admin", "password": "x", **change}
    return OvirtConnectionInfo.parse(info, "Connection info")


def test_a_user_without_profile_is_taken_as_internal() -> None:
    assert ovirt().login == "admin@internal"
    assert ovirt(username="admin@ovirt@internalsso").login == "admin@ovirt@internalsso"


@pytest.mark.parametrize(
    "url", ["https://e.example", "https://e.example/", "https://e.example/ovirt-engine/api/"]
)
def test_the_url_is_normalised(url: str) -> None:
    assert ovirt(url=url).url == "https://e.example/ovirt-engine/api"


def test_a_ca_file_is_always_named(tmp_path: Path) -> None:
    assert ovirt().trusted_ca_file
    given = tmp_path / "x.pem"
    with pytest.raises(InvalidInput, match=r"x\.pem.*cannot be read.*pki-resource"):
        assert ovirt(ca_file=str(given)).trusted_ca_file
    given.touch()
    assert ovirt(ca_file=str(given)).trusted_ca_file == str(given)
