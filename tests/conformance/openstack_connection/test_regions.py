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


def test_swift_of_a_region_and_interface(site: Site) -> None:
    """Of a service of somebody else's in the catalog only the URL is looked at here."""
    url = "http://127.0.0.1:{}/v1/AUTH_{{project_id}}"
    places = {("RegionOne", "public"): 1, ("RegionTwo", "public"): 2, ("RegionTwo", "internal"): 3}
    for (region, interface), port in places.items():
        site.front.add_service(
            "object-store", "swift", url.format(port), region=region, interfaces=(interface,)
        )
    wanted = {1: {}, 2: {"swift_region_name": "RegionTwo"}}
    wanted[3] = {"swift_region_name": "RegionTwo", "swift_interface_name": "internal"}
    for port, change in wanted.items():
        swift = site.source(**change)._client.object_store
        assert swift.get_endpoint() == url.format(port).format(project_id=site.project)
    with pytest.raises(
        errors.ServicesUnusable, match=r"Swift at http://127.0.0.1:3/v1/AUTH_\w+ failed to read"
    ):
        site.source(**wanted[3]).validate_connection()
