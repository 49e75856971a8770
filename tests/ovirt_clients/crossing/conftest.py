"""One pair of embedded clouds and one Coriolis for all guests that cross to oVirt; emulated guests take minutes."""

from typing import Any

import pytest

from coriolis_lab.hypervisor.network import AGENT_PORTS
from tests.e2e.clouds import Clouds
from tests.e2e.conftest import clouds, directory, endpoints, make_transfer, product, world
from tests.e2e.product import Product
from tests.ovirt_clients.crossing.crossings import Crossing

__all__ = ["clouds", "directory", "endpoints", "make_transfer", "product", "world"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "ovirt_clients/crossing" in str(item.fspath):
            item.add_marker(pytest.mark.timeout(7200), append=False)


@pytest.fixture(scope="session")
def more_settings() -> str:
    """The TLS routes need ports that lead to the workers."""
    return f"[transfer]\nagent_ports = {AGENT_PORTS[0]}-{AGENT_PORTS[-1]}\n"


@pytest.fixture(scope="session")
def begin(product: Product, clouds: Clouds, make_transfer: Any) -> Any:
    """Makes a transfer to oVirt."""

    def crossing(mechanism: str, **changes: Any) -> Crossing:
        environment = {**clouds.destination_environment, "data_transfer_mechanism": mechanism}
        return Crossing(product, clouds, make_transfer(destination_environment=environment, **changes))

    return crossing
