"""Guests that boot: from the embedded OpenStack to the embedded oVirt by each way of the bytes, and back again.

The tests run in the order of the file.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from coriolis_lab.world import World
from tests.e2e.clouds import BOOT, Clouds
from tests.e2e.product import Product, RefusedError
from tests.ovirt_clients.crossing.crossings import (
    LEDGER,
    Crossing,
    disks_of,
    events,
    log_in,
    mac_taken,
    names_on_ovirt,
    removed_afterwards,
    source_mac,
    started,
    write,
)


@pytest.fixture(scope="module")
def ledger(clouds: Clouds) -> str:
    """Data of the source, written before anything crosses."""
    return write(started(clouds), 8)


@pytest.fixture(scope="module")
def in_place(clouds: Clouds, begin: Any, ledger: str) -> Iterator[Crossing]:
    """A replica that is deployed itself, and not a copy of it; the VM stays for the way back."""
    made: Crossing = begin("imageio")
    made.execute(shutdown=True)
    assert not made.workers()
    assert sorted(made.replicas().values()) == sorted(clouds.source_digests())
    with removed_afterwards(clouds, clouds.source_name):
        yield made


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
    """By imageio and without a copy."""
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


@pytest.fixture(scope="module")
def moved_back(
    product: Product,
    clouds: Clouds,
    endpoints: tuple[str, str],
    make_transfer: Any,
) -> Iterator[Crossing]:
    """The transfer from oVirt to OpenStack, where the old server makes room for the name."""
    cloud, lab = clouds.openstack(), clouds.lab["openstack"]
    server = cloud.compute.find_server(clouds.source_name)
    cloud.compute.update_server(server, name="web-before")
    transfer = make_transfer(
        origin_endpoint_id=endpoints[1],
        destination_endpoint_id=endpoints[0],
        source_environment={"automatically_enable_incremental_backups": True},
        destination_environment={
            "migr_image_map": {"linux": lab["worker_image"]},
            "migr_flavor_name": lab["worker_flavor"],
            "migr_fip_pool_name": lab["external_network"],
            "use_floating_ip": True,
            "floating_ip_pool": lab["external_network"],
            "port_reuse_policy": "replace_mac",  # the server that once left still has the MAC
        },
        network_map={new: old for old, new in clouds.network_map.items()},
        storage_mappings={"default": "ceph"},
    )
    yield Crossing(product, clouds, transfer)
    _make_room(cloud, clouds.source_name)
    body = product.call("POST", f"transfers/{transfer}/actions", {"delete-disks": None})
    product.wait_execution(transfer, body["execution"]["id"])
    cloud.compute.update_server(server, name=clouds.source_name)


def _make_room(cloud: Any, name: str) -> None:
    """In the project's quota, too: the server and its volumes go."""
    for server in cloud.compute.servers(name=f"^{name}$"):
        volumes = [volume["id"] for volume in server.attached_volumes]
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server)
        for volume in volumes:
            cloud.block_storage.delete_volume(volume)


def test_failback_with_what_was_changed_since(
    world: World, product: Product, clouds: Clouds, moved_back: Crossing
) -> None:
    guest = log_in(clouds, clouds.source_name)
    write(guest, 16)
    product.wait_execution(moved_back.transfer, product.execute(moved_back.transfer))
    ledger = write(guest, 12)
    product.wait_execution(moved_back.transfer, product.execute(moved_back.transfer, shutdown=True))
    volumes = {v.name: v.id for v in clouds.openstack().block_storage.volumes()}
    replicas = [volumes[name] for name in sorted(volumes) if name.startswith("coriolis-")]
    found = [world.openstack_hypervisor.disk_digest(volume) for volume in replicas]
    there = [world.ovirt_hypervisor.disk_digest(disk) for disk in disks_of(clouds, clouds.source_name)]
    assert sorted(found) == sorted(there)

    done = moved_back.deploy()
    home = clouds.guest_at(done["transfer_result"][clouds.source_name]["addresses"][0])
    home.wait(BOOT)
    assert home.digest(LEDGER) == ledger
