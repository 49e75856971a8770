"""Real guests of a real OpenStack cross, over each route of the table, and boot on the other side.

Each step takes all routes on, every other one in reverse: Cinder's backup service then changes its place seldom.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.openstack_real.clouds import RealCloud
from tests.openstack_real.crossing import MIB, Crossing
from tests.openstack_real.guests import UEFI
from tests.openstack_real.routes import ROUTES, Route
from tests.openstack_real.tour import CHANGED_MIB, Step, Tour

_NOISE = 64 * MIB  # the guest writes a little by itself: journals, logs, superblocks, 64 KiB a leaf


def over(routes: Sequence[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=str)


@over(ROUTES)
def test_full(tour: Tour, route: Route) -> None:
    with tour.step(route, Step.FULL) as crossing:
        crossing.replicate("full")
        _assert_quiesced(crossing)


@over(ROUTES[::-1])
def test_a_file_changed(tour: Tour, route: Route) -> None:
    """What the cloud tells of the changes is used: nothing else is read, where it tells, and nothing else moved."""
    with tour.step(route, Step.FILE_CHANGED) as crossing:
        changed = crossing.replicate("a file changed")
        assert CHANGED_MIB * MIB <= changed.moved <= CHANGED_MIB * MIB + _NOISE
        if reads := route.mechanism.reads:
            assert getattr(changed, reads) < getattr(crossing.figures[0], reads) / 2
        _assert_quiesced(crossing)


@over(ROUTES)
def test_a_file_deleted_a_disk_grown_and_shut_down(tour: Tour, route: Route) -> None:
    with tour.step(route, Step.SHUT_DOWN) as crossing:
        last = crossing.replicate("a file deleted, a disk grown, source off", shutdown=True)
        assert last.moved <= _NOISE


@over(ROUTES[::-1])
def test_boots_and_leaves_nothing(
    tour: Tour, route: Route, cloud_a: RealCloud, cloud_b: RealCloud, security_group: str
) -> None:
    with (
        tour.step(route, Step.DEPLOYED) as crossing,
        crossing.deployed(skip_os_morphing=not route.morphed) as guest,
    ):
        if route.guest is UEFI:
            assert guest.run("test -d /sys/firmware/efi && echo UEFI") == "UEFI"
        if route.more_destination:
            _assert_as_it_was(cloud_a, cloud_b, crossing.guest.server, security_group)
        if (
            route.destination == "rbd"
        ):  # what is written and what is only read, the conductor does in Ceph itself
            assert len(crossing.workers_on_the_destination()) == int(route.morphed)
        crossing.assert_nothing_left()
        crossing.forget()


def _assert_quiesced(crossing: Crossing) -> None:
    if crossing.route.more_source.get("guest_quiesce"):
        assert any("the guest was quiesced by its agent" in event for event in crossing.events), (
            crossing.events
        )


def _assert_as_it_was(cloud_a: RealCloud, cloud_b: RealCloud, source: Any, group: str) -> None:
    """The MAC and the fixed address of the source, the groups that were asked for, and the flavor that fits best."""
    compute, network = cloud_b.sdk.compute, cloud_b.sdk.network
    there = compute.find_server(source.name, ignore_missing=False)
    assert _ports(cloud_b, there) == _ports(cloud_a, source)
    groups = {id_ for port in network.ports(device_id=there.id) for id_ in port.security_group_ids}
    assert group in groups
    assert len(groups) == 2
    # the source has 512 MiB and one processor, and no other flavor is as near
    assert compute.get_server(there).flavor.name == "t.small"
    assert compute.get_server(there).metadata["moved"] == "yes"  # besides the mark by which a job knows it


def _ports(cloud: RealCloud, server: Any) -> list[tuple[str, str]]:
    ports = cloud.sdk.network.ports(device_id=server.id)
    return sorted((port.mac_address, port.fixed_ips[0]["ip_address"]) for port in ports)
