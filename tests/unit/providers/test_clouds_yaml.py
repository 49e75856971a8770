"""clouds.yaml as Horizon and people write it, read as a connection info."""

from typing import Any

import pytest

from coriolis.errors import InvalidInput
from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.login import login_of

HORIZON = """
# from Horizon's "Download OpenStack clouds.yaml File"
clouds:
  openstack:
    auth:
      auth_url: https://cloud.example:5000/v3
      username: "alice"
      project_id: 0123456789abcdef0123456789abcdef
      project_name: "coriolis"
      user_domain_name: "Default"
      password: "Sekr3T"
    region_name: "RegionTwo"
    interface: "internal"
    identity_api_version: 3
"""
TWO = """
clouds:
  old:
    auth_type: v2password
    auth: {auth_url: http://old:5000/v2.0, username: a, password: b, tenant_name: c}
    image_api_version: 1
    endpoint_type: adminURL
    verify: false
  new:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://new:5000/v3
      application_credential_id: abc
      application_credential_secret: def
    cacert: /etc/ssl/new.pem
    compute_region_name: Compute
    block_storage_interface: internal
    volume_api_version: 3
"""


def info(**values: Any) -> OpenStackConnectionInfo:
    return OpenStackConnectionInfo.parse(values, "Connection info")


def test_the_file_that_horizon_gives() -> None:
    found = info(clouds_yaml=HORIZON)
    assert login_of(found).plugin == "v3password"
    assert login_of(found).revealed() == {
        "auth_url": "https://cloud.example:5000/v3",
        "username": "alice",
        "user_domain_name": "Default",
        "password": "Sekr3T",
        "project_id": "0123456789abcdef0123456789abcdef",
    }
    assert (found.region_name, found.interface_name) == ("RegionTwo", "internal")


def test_what_is_given_beside_it_comes_first() -> None:
    assert (
        info(clouds_yaml=HORIZON, region_name="RegionOne", nova_interface_name="admin").region_name
        == "RegionOne"
    )


def test_one_of_several_clouds() -> None:
    old, new = info(clouds_yaml=TWO, cloud_name="old"), info(clouds_yaml=TWO, cloud_name="new")
    assert (old.identity_api_version, old.glance_api_version, old.interface_name) == (2, 1, "admin")
    assert old.allow_untrusted
    assert login_of(old).plugin == "v2password"
    assert login_of(new).plugin == "v3applicationcredential"
    assert new.ca_file == "/etc/ssl/new.pem"
    assert new.service_overrides() == {
        "compute_region_name": "Compute",
        "block_storage_interface": "internal",
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clouds_yaml": TWO}, "cloud_name: choose one of new, old"),
        ({"clouds_yaml": TWO, "cloud_name": "x"}, "has only new, old"),
        ({"clouds_yaml": "clouds: [Sekr3T"}, r"is no YAML \(line 1\)"),
        ({"clouds_yaml": "Sekr3T"}, "the file must be a mapping"),
        ({"clouds_yaml": "clouds: {a: {profile: vexxhost}}"}, "profile is not known here"),
        ({"clouds_yaml": "clouds: {a: {auth: {passcode: Sekr3T}}}"}, "auth.passcode is not known here"),
        ({"clouds_yaml": "clouds: {a: {auth_type: v3oidcpassword}}"}, "auth_type must be one of"),
        ({"clouds_yaml": "clouds: {a: {region_name: [b]}}"}, "region_name must be a text"),
    ],
)
def test_what_cannot_be_carried_over_is_named_but_not_shown(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as raised:
        info(**change)
    assert "Sekr3T" not in str(raised.value)
