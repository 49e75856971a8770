"""What goes wrong on real clouds: worker VMs vanish, APIs answer 503, tokens end, quotas are full."""

import time

import pytest
from testbed.openstack.balancer import Balancer

from tests.e2e.product import FINISHED, explain
from tests.openstack_real.clouds import Operator, RealCloud
from tests.openstack_real.conftest import on
from tests.openstack_real.crossing import DATA, MIB, Crossing
from tests.openstack_real.guests import IMAGE_BOOTED, UEFI
from tests.openstack_real.routes import CEPH_SNAPSHOTS, CORIOLIS_BACKUPS, Route

_ROUTE = Route(CORIOLIS_BACKUPS, "rbd", IMAGE_BOOTED)
_SLOW = "4 MiB/s"  # so that a fault finds the copy at work
_OUTAGE_SECONDS = 60


@pytest.fixture
def slow(crossing: Crossing) -> None:
    _limit(crossing, _SLOW)


def _limit(crossing: Crossing, limit: str) -> None:
    body = {"transfer": {"bandwidth_limit": limit}}
    crossing.product.call("PUT", f"transfers/{crossing.transfer}", body)


def _start(crossing: Crossing) -> str:
    return crossing.product.execute(crossing.transfer)


def _finish(crossing: Crossing, execution: str) -> dict[str, object]:
    """Whatever it ends with."""
    _limit(crossing, "default")
    deadline = time.monotonic() + 1800
    while (found := crossing.product.execution(crossing.transfer, execution))["status"] not in FINISHED:
        assert time.monotonic() < deadline, explain(found)
        time.sleep(1)
    return found


@on(_ROUTE)
@pytest.mark.usefixtures("slow")
def test_worker_deleted_in_the_copy(crossing: Crossing, cloud_a: RealCloud) -> None:
    """The execution names it, soon; the next one goes on."""
    execution = _start(crossing)
    crossing.product.wait_moved(crossing.transfer, execution, 8 * MIB)
    workers = [s for s in cloud_a.sdk.compute.servers() if s.name.startswith("coriolis-")]
    assert len(workers) == 1
    cloud_a.sdk.compute.delete_server(workers[0])
    ended = _finish(crossing, execution)
    assert ended["status"] == "ERROR"
    assert workers[0].name in explain(ended)
    crossing.assert_nothing_left()
    crossing.replicate("after a worker VM vanished", shutdown=True)
    crossing.forget()


@on(_ROUTE)
def test_apis_answer_503_for_a_minute(crossing: Crossing, balancer: Balancer) -> None:
    execution = _start(crossing)
    with balancer.out_of_service("nova", "cinder", "neutron", "glance"):
        time.sleep(_OUTAGE_SECONDS)
    crossing.product.wait_execution(crossing.transfer, execution)
    crossing.assert_nothing_left()
    crossing.assert_equal(DATA)
    crossing.forget()


@on(Route(CEPH_SNAPSHOTS, "rbd", UEFI))
@pytest.mark.usefixtures("slow")
def test_token_revoked_in_the_copy(crossing: Crossing, cloud_a: RealCloud, operator: Operator) -> None:
    execution = _start(crossing)
    crossing.product.wait_moved(crossing.transfer, execution, 8 * MIB)
    operator.revoke_tokens(cloud_a.project["username"])
    assert _finish(crossing, execution)["status"] == "COMPLETED"
    crossing.assert_nothing_left()
    crossing.assert_equal(DATA)
    crossing.forget()


@on(Route(CORIOLIS_BACKUPS, "rbd", UEFI))
def test_quota_exceeded(crossing: Crossing, cloud_a: RealCloud, operator: Operator) -> None:
    for limit in ("volumes", "snapshots", "gigabytes"):
        with operator.little_room(cloud_a.project["project"], limit):
            ended = _finish(crossing, _start(crossing))
        assert ended["status"] == "ERROR"
        told = explain(ended)
        assert "quota" in told.lower()
        assert limit in told
        crossing.assert_nothing_left()
        assert crossing.of_ours(cloud_a.left_behind()) == []
