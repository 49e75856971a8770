"""A guest that crosses from the embedded OpenStack to the embedded oVirt without a worker there, and boots from the
replica itself. (By workers: tests/e2e.)

Emulated guests take minutes.
"""

from typing import Any

import pytest

from tests.e2e.clouds import Clouds
from tests.e2e.conftest import clouds, directory, endpoints, make_transfer, product, world
from tests.e2e.product import Product, RefusedError
from tests.ovirt_clients.crossings import (
    LEDGER,
    Crossing,
    disks_of,
    log_in,
    names_on_ovirt,
    write,
)

__all__ = ["clouds", "directory", "endpoints", "make_transfer", "product", "world"]
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def ledger(clouds: Clouds) -> str:
    """Data of the source, written before anything crosses."""
    return write(clouds.guest, 8)


def test_the_replica_itself_boots(product: Product, clouds: Clouds, make_transfer: Any, ledger: str) -> None:
    environment = {**clouds.destination_environment, "data_transfer_mechanism": "imageio"}
    in_place = Crossing(product, clouds, make_transfer(destination_environment=environment))
    in_place.execute(shutdown=True)
    assert not in_place.workers()
    assert sorted(in_place.replicas().values()) == sorted(clouds.source_digests())
    before = names_on_ovirt(clouds)
    in_place.deploy(clone_disks=False)
    assert log_in(clouds, clouds.source_name).digest(LEDGER) == ledger
    with clouds.ovirt() as connection:
        disks = connection.system_service().disks_service().list()
    by_id = {disk.id: disk.alias for disk in disks}
    assert {by_id[disk] for disk in disks_of(clouds, clouds.source_name)} == in_place.aliases
    assert names_on_ovirt(clouds) - before == {clouds.source_name}
    with pytest.raises(RefusedError, match="Execute the transfer"):
        in_place.deploy(clone_disks=False)
