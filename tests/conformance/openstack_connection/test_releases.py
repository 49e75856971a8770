"""glance_api_version, and clouds whose services are older."""

from typing import Any

import pytest

from coriolis import errors
from coriolis.model.enums import Firmware, OsType
from coriolis.providers.openstack.images import Images
from coriolis.providers.openstack.lookup import Lookup
from coriolis_lab.openstack.records import Flavor, Server
from coriolis_lab.openstack.releases import MITAKA, QUEENS, USSURI, ZED, Release
from tests.conformance.openstack_connection.conftest import DEBIAN, MakeSite, Site

SERVER = "00000000-0000-4000-8000-000000000001"


def add_server(site: Site, *, flavor: Flavor | None = None) -> None:
    """A record; no guest is asked for."""
    cloud = site.front.cloud
    image = next(image for image in cloud.images.values() if image.name == "debian")
    made = Server(
        id=SERVER,
        name="web",
        project_id=site.project,
        user_id=next(user.id for user in cloud.users.values() if user.name == "demo"),
        flavor=flavor or next(iter(cloud.flavors.values())),
        image_id=image.id,
        image_properties=dict(image.properties),
        vm_state="active",
        task_state=None,
    )
    with cloud.lock:
        cloud.servers[made.id] = made


@pytest.fixture(scope="module")
def sites(make_site: MakeSite) -> dict[str, Site]:
    made = {release.name: make_site(release=release) for release in (MITAKA, QUEENS, USSURI, ZED)}
    for site in made.values():
        add_server(site)
    return made


@pytest.mark.parametrize("release", [MITAKA, QUEENS, USSURI, ZED], ids=lambda release: release.name)
def test_an_instance_is_the_same_on_every_release(sites: dict[str, Site], release: Release) -> None:
    source = sites[release.name].source()
    source.validate_connection()
    (summary,) = source.list_instances({})
    instance = source.get_instance({}, "web")
    for found in (summary, instance):
        assert (found.id, found.num_cpu, found.memory_mb, found.flavor_name) == (SERVER, 2, 1024, "small")
        assert (found.os_type, found.firmware) == (OsType.LINUX, Firmware.EFI)


def test_what_a_cloud_lacks_is_remarked(sites: dict[str, Site]) -> None:
    assert sites["Zed"].source().remarks() == sites["Ussuri"].source().remarks() == []
    queens = sites["Queens"].source().remarks()
    assert [remark.partition(";")[0] for remark in queens] == ["Nova speaks microversions up to 2.60 only"]
    mitaka = " ".join(sites["Mitaka"].source().remarks())
    assert "Nova speaks microversions up to 2.25 only; without 2.26 instance_tags cannot be set." in mitaka
    assert "Cinder speaks microversions up to 3.0 only" in mitaka


def test_a_deleted_flavor_of_an_old_nova(make_site: MakeSite) -> None:
    site = make_site(release=MITAKA)
    add_server(site, flavor=Flavor("gone", "gone", 1, 1, 1))
    source = site.source()
    (summary,) = source.list_instances({})
    assert (summary.num_cpu, summary.flavor_name) == (0, "gone")
    with pytest.raises(errors.NotFound, match="flavor of instance 'web', which was deleted"):
        source.get_instance({}, "web")


@pytest.fixture(params=[1, 2])
def glance(request: pytest.FixtureRequest, sites: dict[str, Site]) -> tuple[Site, Any]:
    site = sites["Mitaka"]
    site.front.visits.clear()
    return site, site.source(glance_api_version=request.param)._client


def glance_versions(site: Site) -> set[str]:
    return {v.path.split("/")[2] for v in site.front.visits if v.path.startswith("/image/v")}


def test_images_are_the_same_by_both_versions(glance: tuple[Site, Any]) -> None:
    site, client = glance
    images = Images(client)
    (debian,) = images.named("debian")
    assert (debian.name, debian.status, debian.min_disk_gb) == ("debian", "active", 3)
    assert {key: debian.properties[key] for key in DEBIAN} == DEBIAN
    again = images.get(debian.id)
    assert again is not None
    assert (again.id, again.name, again.min_disk_gb) == (debian.id, "debian", 3)
    assert {key: again.properties[key] for key in DEBIAN} == DEBIAN
    nobody = "00000000-1111-4222-8333-444444444444"
    assert images.get(nobody) is None
    assert set(images.by_id([debian.id, nobody])) == {debian.id}
    assert {image.name for image in images.active()} == {"debian", "windows"}
    assert Lookup(client).image(debian.id).name == "debian"
    assert glance_versions(site) == {f"v{client.info.glance_api_version}"}


def test_more_images_than_glance_gives_in_one_answer(glance: tuple[Site, Any]) -> None:
    site, client = glance
    before = len(Images(client).active())
    made = [site.front.add_image(f"i{n}", "base-debian", "raw", 1 << 30, 1, {}) for n in range(60)]
    try:
        assert len(Images(client).active()) == before + 60
        assert set(Images(client).by_id(made)) == set(made)
    finally:
        for image_id in made:
            del site.front.cloud.images[image_id]


def test_an_instance_through_glance_v1(glance: tuple[Site, Any]) -> None:
    site, client = glance
    source = site.source(glance_api_version=client.info.glance_api_version)
    source.validate_connection()
    instance = source.get_instance({}, "web")
    assert (instance.os_type, instance.firmware, instance.secure_boot) == (OsType.LINUX, Firmware.EFI, True)
    assert [(disk.size_bytes >> 30, disk.bootable) for disk in instance.disks] == [(4, True)]


def test_a_cloud_without_glance_v1_says_so(sites: dict[str, Site]) -> None:
    with pytest.raises(errors.ServicesUnusable, match="Glance at http"):
        sites["Zed"].source(glance_api_version=1).validate_connection()
