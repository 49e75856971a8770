"""A VM crosses: kill -9 in the copy, an increment, a cancel, a deployment that fails, one that works.

The tests share one replica and run in the order of the file; each leaves it as the next one needs it.
"""

from typing import Any

from tests.e2e.clouds import BOOT, Clouds
from tests.e2e.product import Product, RefusedError, moved, progress

MIB = 1 << 20
LEDGER = "/srv/data/ledger.bin"


def change(clouds: Clouds, mebibytes: int) -> str:
    """Writes new data in the guest; its digest."""
    clouds.guest.run(
        f"dd if=/dev/urandom of={LEDGER} bs=1M count={mebibytes} conv=notrunc status=none && sync"
    )
    return clouds.guest.digest(LEDGER)


def assert_nothing_left(product: Product, clouds: Clouds) -> None:
    assert product.leftovers() == []
    assert clouds.left_behind() == []


def test_full_execution_survives_kill_9(product: Product, clouds: Clouds, transfer: str) -> None:
    execution = product.execute(transfer)
    product.wait_moved(transfer, execution, 8 * MIB)
    product.kill()
    product.start()
    done = product.wait_execution(transfer, execution)
    assert sum(p["total_bytes"] for p in progress(done)) > 0
    assert_nothing_left(product, clouds)


def test_only_changes_move(product: Product, clouds: Clouds, transfer: str) -> None:
    change(clouds, 12)
    done = product.wait_execution(transfer, product.execute(transfer))
    # the guest writes a little by itself: journals, logs, superblocks, 64 KiB a leaf
    assert 12 * MIB <= moved(done) < 48 * MIB
    assert_nothing_left(product, clouds)


def test_cancel_in_the_copy_leaves_nothing(product: Product, clouds: Clouds, transfer: str) -> None:
    change(clouds, 32)
    execution = product.execute(transfer)
    product.wait_moved(transfer, execution, 0)
    product.call("POST", f"transfers/{transfer}/executions/{execution}/actions", {"cancel": {"force": False}})
    product.wait_execution(transfer, execution, "CANCELED")
    assert_nothing_left(product, clouds)


def test_bytes_are_equal_once_the_source_is_off(product: Product, clouds: Clouds, transfer: str) -> None:
    """After the cancel the replica is dirty: the next execution must compare both ends and end up right."""
    done = product.wait_execution(transfer, product.execute(transfer, shutdown=True))
    replicas = [
        r
        for r in product.call("GET", "resources")["resources"]
        if r["kind"] == "disk" and r["state"] == "kept"
    ]
    by_alias = clouds.disk_digests()
    assert sorted(by_alias[r["name"]] for r in replicas) == sorted(clouds.source_digests())
    assert len(progress(done)) >= len(replicas)
    assert_nothing_left(product, clouds)


def test_failing_morph_leaves_the_replica_as_it_was(product: Product, clouds: Clouds, transfer: str) -> None:
    before = clouds.disk_digests()
    script = "#!/bin/sh\necho this morph must fail\nexit 7\n"
    body = {"transfer_id": transfer, "user_scripts": {"global": {"linux": script}, "instances": {}}}
    deployment = product.call("POST", "deployments", {"deployment": body})["deployment"]["id"]
    failed = product.wait_deployment(deployment, "ERROR")
    morph = next(t for t in failed["tasks"] if t["task_type"] == "OS_MORPHING")
    assert "this morph must fail" in morph["exception_details"]
    assert clouds.disk_digests() == before
    assert_nothing_left(product, clouds)


def test_the_migrated_vm_answers(product: Product, clouds: Clouds, transfer: str) -> None:
    replica_before = clouds.disk_digests()
    deployment = product.call("POST", "deployments", {"deployment": {"transfer_id": transfer}})["deployment"][
        "id"
    ]
    product.wait_deployment(deployment)
    guest = clouds.guest_at(clouds.wait_for_agent(clouds.source_name))
    guest.wait(BOOT)
    assert guest.run("systemctl is-active qemu-guest-agent") == "active"
    assert guest.run(f"test -s {LEDGER} && mountpoint -q /srv/data && echo there") == "there"
    assert guest.run("ls /sys/block | grep -c -E '^(sd|vd)'") == "2"
    # the running VM's own disks are open for writing: only what was there before is hashed
    assert clouds.disk_digests(only=set(replica_before)) == replica_before
    assert_nothing_left(product, clouds)


class TestBadInput:
    """Each must be refused before anything is created."""

    def failing(self, product: Product, clouds: Clouds, transfer: str) -> str:
        before = clouds.inventory()
        try:
            execution = product.execute(transfer)
        except RefusedError as error:
            assert clouds.inventory() == before
            return str(error)
        failed = product.wait_execution(transfer, execution, "ERROR")
        assert clouds.inventory() == before
        assert product.leftovers() == []
        return " ".join(t["exception_details"] or "" for t in failed["tasks"])

    def test_wrong_credentials(self, product: Product, clouds: Clouds) -> None:
        for platform, connection in (
            ("openstack", clouds.openstack_connection),
            ("ovirt", clouds.ovirt_connection),
        ):
            wrong = product.endpoint(f"wrong-{platform}", platform, {**connection, "password": "not-it"})
            told = product.call("POST", f"endpoints/{wrong}/actions", {"validate-connection": None})[
                "validate-connection"
            ]
            assert not told["valid"]
            assert "credentials" in told["message"]
            assert "not-it" not in told["message"]

    def test_unknown_instance(self, product: Product, clouds: Clouds, make_transfer: Any) -> None:
        assert "no-such-vm" in self.failing(product, clouds, make_transfer(instances=["no-such-vm"]))

    def test_unmapped_network(self, product: Product, clouds: Clouds, make_transfer: Any) -> None:
        told = self.failing(product, clouds, make_transfer(network_map={}))
        assert next(iter(clouds.network_map)) in told
        assert "network map" in told

    def test_disk_too_large_for_the_storage_domain(
        self, product: Product, clouds: Clouds, make_transfer: Any
    ) -> None:
        small = {
            **clouds.destination_environment,
            "storage_domain": clouds.lab["ovirt"]["small_storage_domain"],
        }
        told = self.failing(product, clouds, make_transfer(destination_environment=small))
        assert clouds.lab["ovirt"]["small_storage_domain"] in told

    def test_name_that_ovirt_does_not_allow(
        self, product: Product, clouds: Clouds, make_transfer: Any
    ) -> None:
        cloud = clouds.openstack()
        server = cloud.compute.find_server(clouds.source_name)
        cloud.compute.update_server(server, name="web (old)")
        try:
            told = self.failing(product, clouds, make_transfer(instances=["web (old)"]))
        finally:
            cloud.compute.update_server(server, name=clouds.source_name)
        assert "web (old)" in told
        assert "name" in told
