"""What the stories of VMs that cross to the lab's oVirt and back have in common: replicas, deployments, leftovers."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.guest import Guest
from ovirtsdk4 import types

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

    def execute(self, *, shutdown: bool = False) -> str:
        """Returns what its events told."""
        before = names_on_ovirt(self.clouds)
        done = self.product.wait_execution(
            self.transfer, self.product.execute(self.transfer, shutdown=shutdown)
        )
        self.aliases |= names_on_ovirt(self.clouds) - before
        self.assert_nothing_left()
        return events(done)

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


def events(action: dict[str, Any]) -> str:
    return "\n".join(event["message"] for task in action["tasks"] for event in task["events"])


def started(clouds: Clouds) -> Guest:
    """The source, which runs whatever the tests before did to it."""
    cloud = clouds.openstack()
    server = cloud.compute.find_server(clouds.source_name)
    if cloud.compute.get_server(server).status == "SHUTOFF":
        cloud.compute.start_server(server)
        cloud.compute.wait_for_server(server)
    clouds.wait_for_source()
    return clouds.guest


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


@contextmanager
def removed_afterwards(clouds: Clouds, name: str) -> Iterator[None]:
    """A VM on oVirt, with its disks: the next deployment needs its name, also after a test that failed."""
    try:
        yield
    finally:
        with clouds.ovirt() as connection:
            vms = connection.system_service().vms_service()
            for vm in vms.list(search=f'name="{name}"'):
                service = vms.vm_service(vm.id)
                if vm.status != types.VmStatus.DOWN:
                    service.stop()
                until(lambda service=service: service.get().status == types.VmStatus.DOWN)
                service.remove()
            until(lambda: not vms.list(search=f'name="{name}"'))


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@contextmanager
def mac_taken(clouds: Clouds, address: str) -> Iterator[None]:
    """By a VM on oVirt that nobody uses any more, as a first try at a migration may have left one."""
    with clouds.ovirt() as connection:
        system = connection.system_service()
        wanted = types.Vm(
            name="squatter",
            cluster=types.Cluster(name=clouds.lab["ovirt"]["cluster"]),
            template=types.Template(name="Blank"),
        )
        squatter = system.vms_service().add(wanted).id
        nics = system.vms_service().vm_service(squatter).nics_service()
        nics.add(types.Nic(name="nic1", mac=types.Mac(address=address)))
    try:
        yield
    finally:
        with clouds.ovirt() as connection:
            connection.system_service().vms_service().vm_service(squatter).remove()


def source_mac(clouds: Clouds) -> str:
    cloud = clouds.openstack()
    server = cloud.compute.find_server(clouds.source_name)
    (port,) = cloud.network.ports(device_id=server.id)
    return str(port.mac_address)
