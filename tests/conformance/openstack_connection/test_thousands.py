"""An inventory of 3,000 servers: requests follow pages, not servers."""

import time
from collections import Counter
from itertools import islice
from uuid import UUID

import pytest

from coriolis import errors
from coriolis_lab.openstack.records import Attachment, Server, Volume
from coriolis_lab.openstack.releases import MITAKA, ZED
from tests.conformance.openstack_connection.conftest import GIB, MakeSite, Site

COUNT = 3000


def populate(site: Site) -> None:
    """Records of servers, every other booted from a volume; the last two have the same name."""
    cloud = site.front.cloud
    user = next(user.id for user in cloud.users.values() if user.name == "demo")
    debian = next(image for image in cloud.images.values() if image.name == "debian")
    flavor = next(iter(cloud.flavors.values()))
    with cloud.lock:
        for number in range(COUNT):
            # ids in another order than that of creation
            server_id = str(UUID(int=(number * 7919) % COUNT << 96 | 0x4 << 76 | 0x8 << 60 | number))
            by_volume = number % 2 == 1
            server = Server(
                id=server_id,
                name=f"vm-{min(number, COUNT - 2):04}",
                project_id=site.project,
                user_id=user,
                flavor=flavor,
                image_id=None if by_volume else debian.id,
                image_properties={},
                vm_state="active" if number % 3 else "stopped",
                task_state=None,
            )
            cloud.servers[server.id] = server
            if not by_volume:
                continue
            volume_id = str(UUID(int=number | 0x4 << 76 | 0x8 << 60 | 1 << 127))
            volume = Volume(
                volume_id, f"root-{number}", site.project, user, 5, "ceph", status="in-use", bootable=True
            )
            volume.image_metadata = {"os_type": "windows", "hw_firmware_type": "uefi"}
            attachment = Attachment(volume_id, volume_id, server.id, volume_id, "/dev/vda", boot_index=0)
            volume.attachments.append(attachment)
            server.attachments.append(attachment)
            cloud.volumes[volume.id] = volume


@pytest.fixture(scope="module")
def zed(make_site: MakeSite) -> Site:
    site = make_site(release=ZED)
    populate(site)
    return site


@pytest.fixture(scope="module")
def mitaka(make_site: MakeSite) -> Site:
    site = make_site(release=MITAKA)
    populate(site)
    return site


def requests(site: Site) -> Counter[str]:
    """By service, without log-in and discovery; forgets all visits."""
    found = Counter(
        visit.path.split("/")[1] for visit in site.front.visits if len(visit.path.strip("/").split("/")) > 2
    )
    site.front.visits.clear()
    found.pop("identity", None)
    return found


@pytest.mark.parametrize("release", ["zed", "mitaka"])
def test_all_of_them(request: pytest.FixtureRequest, release: str) -> None:
    site = request.getfixturevalue(release)
    source = site.source()
    site.front.visits.clear()
    began = time.monotonic()
    found = source.list_instances({})
    print(f"{COUNT} servers in {time.monotonic() - began:.1f} s")
    assert len(found) == COUNT
    assert [s.id for s in found] == sorted(s.id for s in found)
    by_name = {s.name: s for s in found}
    assert (by_name["vm-0001"].os_type, by_name["vm-0001"].disk_sizes_bytes) == ("windows", (5 * GIB,))
    assert (by_name["vm-0000"].os_type, by_name["vm-0000"].disk_sizes_bytes) == ("linux", (4 * GIB,))
    assert (by_name["vm-0000"].running, by_name["vm-0001"].running) == (False, True)
    counted = requests(site)
    assert counted["compute"] <= 6, counted  # three full pages, a look for a fourth, flavors
    assert counted["volume"] <= 3, counted
    assert counted["image"] <= 2, counted


def test_page_by_page(zed: Site) -> None:
    source = zed.source()
    whole = [s.id for s in source.list_instances({})]
    seen: list[str] = []
    for _ in range(3):
        zed.front.visits.clear()
        page = source.list_instances({}, marker=seen[-1] if seen else None, limit=100)
        seen += [s.id for s in page]
        assert requests(zed)["compute"] <= 1
    assert seen == whole[:300]
    assert [s.id for s in source.list_instances({}, limit=2500)] == whole[:2500]
    assert not source.list_instances({}, marker=whole[-1], limit=10)


def test_a_small_page_reads_few_volumes(zed: Site) -> None:
    source = zed.source()
    source.list_instances({}, limit=1)
    zed.front.visits.clear()
    page = source.list_instances({}, limit=10)
    assert len(page) == 10
    assert sum(requests(zed).values()) <= 1 + 5 + 2
    assert {s.os_type for s in page} == {"linux", "windows"}


def test_after_a_marker_whose_server_is_gone(zed: Site) -> None:
    source = zed.source()
    first, second, third = source.list_instances({}, limit=3)
    with zed.front.cloud.lock:
        gone = zed.front.cloud.servers.pop(second.id)
    try:
        assert [s.id for s in source.list_instances({}, marker=second.id, limit=1)] == [third.id]
        assert [s.id for s in source.list_instances({}, marker=first.id, limit=1)] == [third.id]
    finally:
        with zed.front.cloud.lock:
            zed.front.cloud.servers[gone.id] = gone


def test_search_is_nova_s(zed: Site) -> None:
    source = zed.source()
    source.list_instances({}, limit=1)
    zed.front.visits.clear()
    found = source.list_instances({}, name="vm-123")
    assert sorted(s.name for s in found) == [f"vm-123{digit}" for digit in range(10)]
    assert requests(zed)["compute"] == 1
    assert not source.list_instances({}, name="vm.123")  # no regular expression
    assert [s.name for s in source.list_instances({}, name="vm-12", limit=3)] == [
        s.name for s in islice(source.list_instances({}, name="vm-12"), 3)
    ]


def test_one_of_thousands_by_name_or_id(zed: Site) -> None:
    source = zed.source()
    source.get_instance({}, "vm-0100")
    zed.front.visits.clear()
    instance = source.get_instance({}, "vm-0101")
    counted = requests(zed)
    assert sum(counted.values()) <= 6, counted
    assert source.get_instance({}, instance.id) == instance
    with pytest.raises(errors.InstanceNotFound):
        source.get_instance({}, "vm-01")


def test_an_ambiguous_name_is_told_with_the_ids(zed: Site) -> None:
    name = f"vm-{COUNT - 2:04}"
    source = zed.source()
    ids = [s.id for s in source.list_instances({}, name=name)]
    assert len(ids) == 2
    with pytest.raises(errors.InstanceAmbiguous, match=f"2 instances .*{ids[0]}, {ids[1]}"):
        source.get_instance({}, name)
