"""The source options of a cloud, by environment and names."""

from typing import Any

import pytest

from tests.conformance.openstack_connection.conftest import MakeSite, Site
from tests.conformance.openstack_connection.test_faults import CEPH


@pytest.fixture(scope="module")
def site(make_site: MakeSite) -> Site:
    return make_site()


def offers(site: Site, env: dict[str, Any], names: tuple[str, ...] = (), **change: Any) -> dict[str, Any]:
    return {option.name: option for option in site.source(**change).source_options(env, names)}


def test_the_mechanisms_that_the_connection_allows(site: Site) -> None:
    only = ("replica_export_mechanism",)
    (mechanisms,) = offers(site, {}, only).values()
    assert mechanisms.values == ("coriolis_backups", "swift_backups")
    (mechanisms,) = offers(site, {}, only, ceph_options=CEPH).values()
    assert mechanisms.values == ("coriolis_backups", "swift_backups", "ceph_backups", "ceph_snapshots")
    (mechanisms,) = offers(site, {}, only, swift_region_name="Nowhere").values()
    assert mechanisms.values == ("coriolis_backups",)


def test_a_mechanism_of_the_environment_narrows_the_options(site: Site) -> None:
    assert set(offers(site, {"replica_export_mechanism": "swift_backups"})) == {
        "replica_export_mechanism",
        "volume_backups_container",
    }
    assert set(offers(site, {"replica_export_mechanism": "ceph_snapshots"})) == {"replica_export_mechanism"}
    worker = offers(site, {"replica_export_mechanism": "coriolis_backups"})
    assert "export_image" in worker
    assert "volume_backups_container" not in worker


def test_what_the_environment_says_is_the_default(site: Site) -> None:
    env = {"coriolis_backups_options": {"export_image": "debian"}}
    found = offers(site, env, ("export_image", "export_network"))
    assert (found["export_image"].default, found["export_network"].default) == ("debian", None)
    assert [value.name for value in found["export_image"].values] == ["debian", "windows"]
    assert found["export_image"].values[0].id


def test_only_what_is_asked_for_is_looked_up(site: Site) -> None:
    site.front.visits.clear()
    assert set(offers(site, {}, ("export_network",))) == {"export_network"}
    paths = {visit.path for visit in site.front.visits}
    assert "/network/v2.0/networks" in paths
    assert not [path for path in paths if path.startswith(("/compute/", "/volume/", "/image/"))]
