"""One pair of clouds and one Coriolis for all end-to-end tests: a guest's boot costs a minute under TCG."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coriolis_lab.settings import LabSettings
from coriolis_lab.world import World
from tests.e2e.clouds import Clouds
from tests.e2e.product import Product, served


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.fspath):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(2400))


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coriolis-e2e-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def world(directory: Path) -> Iterator[World]:
    made = World(LabSettings(root=directory / "lab"))
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="session")
def clouds(world: World) -> Clouds:
    made = Clouds(world)
    made.wait_for_source()
    return made


@pytest.fixture(scope="session")
def more_settings() -> str:
    """Sections of coriolis.conf that a module wants besides."""
    return ""


@pytest.fixture(scope="session")
def product(directory: Path, clouds: Clouds, more_settings: str) -> Iterator[Product]:
    with served(directory, clouds.lab["packages_dir"], more_settings) as made:
        yield made


@pytest.fixture(scope="session")
def endpoints(product: Product, clouds: Clouds) -> tuple[str, str]:
    """Ids of the source and the destination endpoint."""
    return (
        product.endpoint("old", "openstack", clouds.openstack_connection),
        product.endpoint("new", "ovirt", clouds.ovirt_connection),
    )


@pytest.fixture(scope="session")
def make_transfer(product: Product, clouds: Clouds, endpoints: tuple[str, str]) -> Any:
    def make(**changes: Any) -> str:
        body: dict[str, Any] = {
            "scenario": "replica",
            "origin_endpoint_id": endpoints[0],
            "destination_endpoint_id": endpoints[1],
            "instances": [clouds.source_name],
            "source_environment": clouds.source_environment,
            "destination_environment": clouds.destination_environment,
            "network_map": clouds.network_map,
            "storage_mappings": {},
            "notes": "e2e",
            "user_scripts": {"global": {}, "instances": {}},
        }
        return str(product.call("POST", "transfers", {"transfer": {**body, **changes}})["transfer"]["id"])

    return make


@pytest.fixture(scope="session")
def transfer(make_transfer: Any) -> str:
    """The replica that the tests of a whole crossing share, in the order of the file."""
    return str(make_transfer())
