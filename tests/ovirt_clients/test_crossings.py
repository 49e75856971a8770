"""Guests that boot: from the embedded OpenStack to the embedded oVirt by each way of the bytes.

Emulated guests take minutes. The tests share one world and run in the order of the file.
"""

from typing import Any

import pytest

from coriolis_lab.hypervisor.network import AGENT_PORTS
from tests.e2e.clouds import Clouds
from tests.e2e.conftest import clouds, directory, endpoints, make_transfer, product, world
from tests.e2e.product import Product, RefusedError
from tests.ovirt_clients.crossings import (
    LEDGER,
    Crossing,
    disks_of,
    events,
    log_in,
    mac_taken,
    names_on_ovirt,
    removed_afterwards,
    source_mac,
    write,
)

__all__ = ["clouds", "directory", "endpoints", "make_transfer", "product", "world"]
pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="session")
def more_settings() -> str:
    """The TLS routes need ports that lead to the workers."""
    return f"[transfer]\nagent_ports = {AGENT_PORTS[0]}-{AGENT_PORTS[-1]}\n"


@pytest.fixture(scope="module")
def ledger(clouds: Clouds) -> str:
    """Data of the source, written before anything crosses."""
    return write(clouds.guest, 8)


@pytest.fixture(scope="module")
def begin(product: Product, clouds: Clouds, make_transfer: Any) -> Any:
    def crossing(mechanism: str, **changes: Any) -> Crossing:
        environment = {**clouds.destination_environment, "data_transfer_mechanism": mechanism}
        return Crossing(product, clouds, make_transfer(destination_environment=environment, **changes))

    return crossing


@pytest.fixture(scope="module")
def in_place(clouds: Clouds, begin: Any, ledger: str) -> Crossing:
    """A replica that is deployed itself, and not a copy of it."""
    made: Crossing = begin("imageio")
    made.execute(shutdown=True)
    assert not made.workers()
    assert sorted(made.replicas().values()) == sorted(clouds.source_digests())
    return made


@pytest.mark.parametrize(("mechanism", "route"), [("ssh", "SSH"), ("https", "TLS")])
def test_a_vm_crosses_through_a_worker(
    clouds: Clouds, begin: Any, ledger: str, mechanism: str, route: str
) -> None:
    crossing = begin(mechanism)
    told = crossing.execute(shutdown=True)
    assert f"Route: {route}" in told, told
    assert crossing.workers()
    assert sorted(crossing.replicas().values()) == sorted(clouds.source_digests())
    before = crossing.replicas()
    with removed_afterwards(clouds, clouds.source_name):
        if mechanism == "https":
            with mac_taken(clouds, source_mac(clouds)):
                assert "is in use on the destination" in events(crossing.deploy())
        else:
            crossing.deploy()
        guest = log_in(clouds, clouds.source_name)
        assert guest.digest(LEDGER) == ledger
        assert guest.run("ls /sys/block | grep -c -E '^(sd|vd)'") == "2"
        assert crossing.replicas() == before


def test_the_replica_itself_boots(clouds: Clouds, in_place: Crossing, ledger: str) -> None:
    """By imageio and without a copy; the VM stays for the way back."""
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
