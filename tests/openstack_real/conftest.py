"""One real cloud, one lab oVirt, one Coriolis for all of it. `make test-openstack` brings the real cloud up first.

Nothing here is collected unless its marker is asked for: `pytest -m openstack_real`.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testbed.openstack.balancer import Balancer
from testbed.openstack.enclosure import Enclosure
from testbed.openstack.settings import DEFAULT_ROOT, Testbed

from coriolis_lab.settings import LabSettings
from coriolis_lab.world import World
from tests.e2e.product import Product, served
from tests.openstack_real.clouds import Operator, RealCloud
from tests.openstack_real.crossing import Crossing, Stage
from tests.openstack_real.destinations import CloudB, Destination, LabOvirt
from tests.openstack_real.figures import FigureBook, Meter, Outcome
from tests.openstack_real.guests import GuestKind, SourceGuest
from tests.openstack_real.routes import SECURITY_GROUP, Route
from tests.openstack_real.tour import Tour

MARK = "openstack_real"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("markexpr") == MARK else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/openstack_real" in str(item.fspath):
            item.add_marker(pytest.mark.openstack_real)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def testbed() -> Testbed:
    found = Testbed(Path(os.environ.get("OPENSTACK_ROOT", DEFAULT_ROOT)))
    if Enclosure(found).pid() is None:
        pytest.exit("the real OpenStack is down; bring it up with: make openstack-up", 3)
    return found


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest, testbed: Testbed) -> Iterator[None]:
    """How each scenario ended, for the page in the docs."""
    began, failures = time.monotonic(), request.session.testsfailed
    yield
    seconds, passed = time.monotonic() - began, request.session.testsfailed == failures
    FigureBook(testbed.figures).record(Outcome.now(request.node.name, seconds, passed=passed))


@pytest.fixture(scope="session")
def operator(testbed: Testbed) -> Operator:
    return Operator(testbed)


@pytest.fixture(scope="session")
def balancer(testbed: Testbed) -> Balancer:
    return Balancer(testbed.haproxy_socket)


@pytest.fixture(scope="session")
def cloud_a(testbed: Testbed) -> RealCloud:
    return RealCloud(testbed, 0)


@pytest.fixture(scope="session")
def cloud_b(testbed: Testbed) -> RealCloud:
    return RealCloud(testbed, 1)


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coriolis-openstack-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def world(directory: Path) -> Iterator[World]:
    made = World(LabSettings(root=directory / "lab"), with_openstack=False)
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="session")
def product(directory: Path, world: World) -> Iterator[Product]:
    with served(directory, world.describe()["packages_dir"]) as made:
        yield made


@pytest.fixture(scope="session")
def source_guest(cloud_a: RealCloud) -> Iterator[Callable[[GuestKind], SourceGuest]]:
    """Guests are made when a scenario first needs them, which does not wait for their systems, and stay for the others.
    With OPENSTACK_KEEP_GUESTS they stay for the next run too, which spares who writes a scenario their boots."""
    keep = "OPENSTACK_KEEP_GUESTS" in os.environ
    made: dict[GuestKind, SourceGuest] = {}

    def make(kind: GuestKind) -> SourceGuest:
        if kind not in made:
            made[kind] = SourceGuest(cloud_a.sdk, kind, cloud_a.described)
            if not (keep and made[kind].adopt()):
                made[kind].create()
        return made[kind]

    yield make
    for guest in [] if keep else made.values():
        guest.remove()


@pytest.fixture(scope="session")
def stage(product: Product, cloud_a: RealCloud, balancer: Balancer, testbed: Testbed) -> Stage:
    return Stage(product, cloud_a, Meter(cloud_a.storage, balancer), FigureBook(testbed.figures))


@pytest.fixture(scope="session")
def destinations(world: World, cloud_b: RealCloud, security_group: str) -> dict[str, Destination]:
    """Cloud B has the security group, which transfers ask for from their first step on."""
    assert security_group
    return {"ovirt": LabOvirt(world), "openstack": CloudB(cloud_b), "rbd": CloudB(cloud_b, rbd=True)}


@pytest.fixture(scope="session")
def security_group(cloud_b: RealCloud) -> str:
    """The id of the group that routes ask for."""
    network = cloud_b.sdk.network
    there = network.find_security_group(SECURITY_GROUP)
    return str((there or network.create_security_group(name=SECURITY_GROUP)).id)


@pytest.fixture(scope="session")
def tour(
    request: pytest.FixtureRequest,
    stage: Stage,
    destinations: dict[str, Destination],
    operator: Operator,
    source_guest: Callable[[GuestKind], SourceGuest],
) -> Tour:
    """The source guests of all routes that were asked for boot side by side."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    routes = [known["route"] for known in parameters if isinstance(known.get("route"), Route)]
    for kind in dict.fromkeys(route.guest for route in routes):
        source_guest(kind)

    def cross(route: Route) -> Crossing:
        return Crossing(stage, route, source_guest(route.guest), destinations[route.destination])

    return Tour(cross, operator)


@pytest.fixture
def crossing(
    request: pytest.FixtureRequest,
    stage: Stage,
    destinations: dict[str, Destination],
    operator: Operator,
    source_guest: Callable[[GuestKind], SourceGuest],
) -> Crossing:
    """Parametrized by a Route; of a guest that may be off. For what never comes to a deployment."""
    route: Route = request.param
    if route.mechanism.backups:
        operator.use_backups(route.mechanism.backups)
    guest = source_guest(route.guest)
    guest.with_data()
    return Crossing(stage, route, guest, destinations[route.destination])


def on(*routes: Route) -> pytest.MarkDecorator:
    """The decorator of a test that runs on each of these routes."""
    return pytest.mark.parametrize("crossing", routes, ids=str, indirect=True)
