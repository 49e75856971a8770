"""region_name, interface_name and theirs per service: which URL of the catalog is used."""

import pytest

from coriolis import errors
from tests.conformance.openstack_connection.conftest import MakeSite, Site

SERVICES = {"nova": "compute", "neutron": "network", "glance": "image", "cinder": "volume"}
FIRST, SECOND = ("RegionOne", "public"), ("RegionTwo", "public")


@pytest.fixture(scope="module")
def module_site(make_site: MakeSite) -> Site:
    return make_site(second=True)


@pytest.fixture
def site(module_site: Site) -> Site:
    module_site.front.visits.clear()
    return module_site


def doors(site: Site, **change: str) -> dict[str, set[tuple[str, str]]]:
    """By which (region, interface) each service was asked in a validation."""
    site.source(**change).validate_connection()
    visits = list(site.front.visits)
    found = {}
    for ours, path in SERVICES.items():
        site.front.visits.extend(visits)
        found[ours] = site.doors(path)
    return found


def test_without_a_region_the_first_is_taken(site: Site) -> None:
    assert doors(site) == {key: {FIRST} for key in SERVICES}


def test_a_region_for_all(site: Site) -> None:
    assert doors(site, region_name="RegionTwo") == {key: {SECOND} for key in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_a_region_for_one_service(site: Site, service: str) -> None:
    found = doors(site, region_name="RegionOne", **{f"{service}_region_name": "RegionTwo"})
    assert found == {**{key: {FIRST} for key in SERVICES}, service: {SECOND}}


@pytest.mark.parametrize("interface", ["internal", "admin"])
def test_an_interface_for_all(site: Site, interface: str) -> None:
    assert doors(site, interface_name=interface) == {key: {("RegionOne", interface)} for key in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_an_interface_for_one_service(site: Site, service: str) -> None:
    found = doors(site, **{f"{service}_interface_name": "internal"})
    assert found == {**{key: {FIRST} for key in SERVICES}, service: {("RegionOne", "internal")}}


def test_regions_have_their_own_things(site: Site) -> None:
    assert site.second is not None
    site.second.add_network("only-there", "10.99.0.0/24")
    assert "only-there" not in {n.name for n in site.source().list_networks({})}
    assert "only-there" in {n.name for n in site.source(neutron_region_name="RegionTwo").list_networks({})}


def test_a_region_that_is_not_there_is_told_with_those_that_are(site: Site) -> None:
    with pytest.raises(errors.ServicesUnusable) as raised:
        site.source(cinder_region_name="Moon").validate_connection()
    text = str(raised.value)
    assert "Cinder: the catalog has no block-storage endpoint with interface public in region Moon" in text
    assert "public in RegionTwo" in text
    assert "cinder_region_name" in text
    assert "Nova" not in text


@pytest.mark.parametrize(
    ("change", "door"),
    [
        ({"swift_region_name": "RegionTwo"}, ("RegionTwo", "public")),
        ({"swift_interface_name": "admin"}, ("RegionOne", "admin")),
        ({"swift_region_name": "RegionTwo", "swift_interface_name": "internal"}, ("RegionTwo", "internal")),
    ],
)
def test_swift_of_a_region_and_interface(site: Site, change: dict[str, str], door: tuple[str, str]) -> None:
    """Once spoken of, Swift is validated too."""
    site.source(**change).validate_connection()
    assert site.doors("object-store") == {door}
    site.source().validate_connection()
    assert site.doors("object-store") == set()
