"""What validation says of a cloud on which something is wrong: which service, which URL, which permission."""

import pytest

from coriolis import errors
from coriolis.images.ceph import missing_bindings
from coriolis.providers.openstack import validation
from coriolis_lab.faults import Fault
from tests.conformance.openstack_connection.conftest import MakeSite, Site

CEPH = {
    "ceph_conf_file": "[global]\nmon_host = 127.0.0.1:9\n",
    "ceph_username": "cinder",
    "ceph_keyring_file": "[client.cinder]\nkey = AQBvaBdfAAAAABAAUcrOnwH5k/q3Ds4lKYTWQQ==\n",
    "ceph_pool_name": "volumes",
    "ceph_connection_timeout": 1,
}


@pytest.fixture(scope="module")
def module_site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture
def site(module_site: Site) -> Site:
    module_site.faults.clear()
    return module_site


@pytest.mark.parametrize(
    ("path", "service", "rule"),
    [
        ("/compute/v2.1/servers", "Nova", "os_compute_api:servers:index"),
        ("/compute/v2.1/limits", "Nova", "os_compute_api:limits"),
        ("/volumes", "Cinder", "volume:get_all"),
        ("/snapshots", "Cinder", "volume:get_all_snapshots"),
        ("/network/v2.0/networks", "Neutron", "get_network"),
        ("/image/v2/images", "Glance", "get_images"),
    ],
)
def test_a_missing_permission(site: Site, path: str, service: str, rule: str) -> None:
    site.faults.plant(Fault("policy", "refuse", path))
    with pytest.raises(errors.ServicesUnusable) as raised:
        site.source().validate_connection()
    (said,) = raised.value.fields["faults"].splitlines()
    assert said.startswith(f"{service} at http://127.0.0.1:")
    assert f"policy rule {rule})" in said
    assert said.count(" does not allow to ") == 1


def test_all_that_fails_is_told_at_once(site: Site) -> None:
    site.faults.plant(Fault("policy", "refuse", "/compute/v2.1/servers"))
    site.faults.plant(Fault("policy", "refuse", "/network/v2.0/networks"))
    with pytest.raises(errors.ServicesUnusable, match=r"Nova at .*Neutron at .*"):
        site.source().validate_connection()


def test_ceph_is_tried_where_it_can_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = site.source(ceph_options=CEPH)
    if not missing_bindings():
        with pytest.raises(
            errors.ServicesUnusable, match=r"Ceph: failed to read pool 'volumes' .*client\.cinder"
        ):
            source.validate_connection()
    monkeypatch.setattr(validation, "missing_bindings", lambda: "no binding")
    source.validate_connection()
    assert source.remarks() == ["Ceph could not be tried from here: no binding."]


def test_the_files_of_ceph_are_looked_at(site: Site) -> None:
    with pytest.raises(errors.InvalidInput, match="ceph_conf_file"):
        site.source(ceph_options={**CEPH, "ceph_conf_file": "config_file_contents"}).validate_connection()
