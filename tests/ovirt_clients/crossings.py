"""A VM that crosses to the lab's oVirt: its replicas, its deployment, what is left over."""

import re
from dataclasses import dataclass
from typing import Any

from demo.guest import Guest

from tests.e2e.clouds import BOOT, Clouds
from tests.e2e.product import Product

LEDGER = "/srv/data/ledger.bin"
KEPT = re.compile(r"-(replica|disk|port)-\d+$")
"""Names of what Coriolis leaves on purpose: replicas, and what deployed VMs are made of."""


@dataclass
class Crossing:
    """One transfer to oVirt, with the replica disks that its executions made."""

    product: Product
    clouds: Clouds
    transfer: str
    aliases: frozenset[str] = frozenset()

    def execute(self, *, shutdown: bool = False) -> None:
        before = names_on_ovirt(self.clouds)
        self.product.wait_execution(self.transfer, self.product.execute(self.transfer, shutdown=shutdown))
        self.aliases |= names_on_ovirt(self.clouds) - before
        self.assert_nothing_left()

    def replicas(self) -> dict[str, str]:
        """SHA-256 by alias."""
        return self.clouds.disk_digests(only=set(self.aliases))

    def workers(self) -> list[str]:
        """Names of the disk copy workers that the execution had which made the replica disks."""
        jobs = {"-".join(alias.split("-")[:2]) for alias in self.aliases}
        resources = self.product.call("GET", "resources?all=true")["resources"]
        return [
            item["name"]
            for item in resources
            if item["kind"] == "vm" and item["name"] in {f"{job}-copy-worker" for job in jobs}
        ]

    def deploy(self, **wishes: Any) -> dict[str, Any]:
        body = {"transfer_id": self.transfer, **wishes}
        begun = self.product.call("POST", "deployments", {"deployment": body})["deployment"]["id"]
        done = self.product.wait_deployment(begun)
        self.assert_nothing_left()
        return done

    def assert_nothing_left(self) -> None:
        assert self.product.leftovers() == []
        assert [name for name in self.clouds.left_behind() if not KEPT.search(name)] == []


def names_on_ovirt(clouds: Clouds) -> frozenset[str]:
    """Of the VMs and disks."""
    return frozenset(clouds.inventory()[1])


def log_in(clouds: Clouds, name: str) -> Guest:
    """Once the agent of the VM on oVirt has told where it is."""
    guest = clouds.guest_at(clouds.wait_for_agent(name))
    guest.wait(BOOT)
    assert guest.run("systemctl is-active qemu-guest-agent") == "active"
    return guest


def write(guest: Guest, mebibytes: int) -> str:
    """New data in the guest; its digest."""
    guest.run(f"dd if=/dev/urandom of={LEDGER} bs=1M count={mebibytes} status=none && sync")
    return guest.digest(LEDGER)


def disks_of(clouds: Clouds, name: str) -> list[str]:
    """Ids of the disks of a VM on oVirt, the boot disk first."""
    with clouds.ovirt() as connection:
        vms = connection.system_service().vms_service()
        (vm,) = vms.list(search=f'name="{name}"')
        attached = vms.vm_service(vm.id).disk_attachments_service().list()
    return [item.disk.id for item in sorted(attached, key=lambda item: not item.bootable)]
