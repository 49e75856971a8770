"""Where the replicas go: the lab's oVirt, or the real cloud B. Both look alike to the scenarios."""

import time
from pathlib import Path
from typing import Any, Protocol

import ovirtsdk4
from demo.destination import OvirtSide
from demo.guest import Guest

from coriolis_lab.world import World
from tests.openstack_real.clouds import RealCloud


class Destination(Protocol):
    platform: str
    connection_info: dict[str, Any]

    def environment(self) -> dict[str, Any]: ...

    def network_map(self, source_network: str) -> dict[str, str]: ...

    def digest(self, entry: dict[str, Any]) -> str:
        """SHA-256 of a replica disk, given the ledger's entry of it."""

    def log_in(self, name: str, user: str, key: Path) -> Guest:
        """A shell in the migrated VM, which may still boot."""

    def left_behind(self) -> list[str]: ...

    def remove(self, name: str) -> None:
        """The migrated VM, with its disks: it belongs to the user, not to Coriolis."""


class LabOvirt:
    platform = "ovirt"

    def __init__(self, world: World) -> None:
        self._world = world
        self._described = world.describe()["ovirt"]
        self._side = OvirtSide(self._described)
        self.connection_info: dict[str, Any] = self._side.connection_info

    def environment(self) -> dict[str, Any]:
        return dict(self._side.environment)

    def network_map(self, source_network: str) -> dict[str, str]:
        return {source_network: self._side.network}

    def digest(self, entry: dict[str, Any]) -> str:
        return self._world.ovirt_hypervisor.disk_digest(entry["cloud_id"])

    def log_in(self, name: str, user: str, key: Path) -> Guest:
        address, _ = self._side.wait_for_agent(name)
        return Guest(address, user, key)

    def left_behind(self) -> list[str]:
        return self._side.left_behind()

    def remove(self, name: str) -> None:
        login = {key: self._described[key] for key in ("url", "username", "password", "ca_file")}
        with ovirtsdk4.Connection(**login) as connection:
            vms = connection.system_service().vms_service()
            for vm in vms.list(search=f'name="{name}"'):
                service = vms.vm_service(vm.id)
                service.stop()
                deadline = time.monotonic() + 120
                while service.get().status != ovirtsdk4.types.VmStatus.DOWN:
                    assert time.monotonic() < deadline, f"{name} does not stop"
                    time.sleep(1)
                service.remove()


class CloudB:
    """The other project of the same OpenStack; Coriolis sees two clouds."""

    platform = "openstack"

    def __init__(self, cloud: RealCloud, *, rbd: bool = False) -> None:
        """With `rbd` Coriolis writes to the pool of the volumes itself."""
        self._cloud = cloud
        self._more = {"data_transfer_mechanism": "rbd"} if rbd else {}
        self.connection_info: dict[str, Any] = cloud.with_ceph("volumes") if rbd else cloud.connection_info

    def environment(self) -> dict[str, Any]:
        described = self._cloud.described
        return {
            "migr_image": described["image"],
            "migr_flavor_name": "t.small",
            "migr_network": self._cloud.project["network"],
            "migr_worker_use_fip": True,
            "migr_fip_pool_name": described["external_network"],
            "use_floating_ip": True,
            "floating_ip_pool": described["external_network"],
            **self._more,
        }

    def network_map(self, source_network: str) -> dict[str, str]:
        return {source_network: self._cloud.project["network"]}

    def digest(self, entry: dict[str, Any]) -> str:
        return self._cloud.storage.digest(f"volumes/volume-{entry['cloud_id']}")

    def log_in(self, name: str, user: str, key: Path) -> Guest:
        return Guest(self._floating_address(name), user, key)

    def server(self, name: str) -> Any:
        return self._cloud.sdk.compute.find_server(name, ignore_missing=False)

    def left_behind(self) -> list[str]:
        return self._cloud.left_behind()

    def remove(self, name: str) -> None:
        sdk = self._cloud.sdk
        server = sdk.compute.find_server(name)
        if server is None:
            return
        attached = [attachment.volume_id for attachment in sdk.compute.volume_attachments(server)]
        ports = list(sdk.network.ports(device_id=server.id))
        addresses = [ip for port in ports for ip in sdk.network.ips(port_id=port.id)]
        sdk.compute.delete_server(server)
        sdk.compute.wait_for_delete(server, wait=300)
        for address in addresses:
            sdk.network.delete_ip(address)
        for port in ports:  # Nova leaves those that it did not make
            sdk.network.delete_port(port)
        for volume in attached:
            if sdk.block_storage.find_volume(volume):
                sdk.block_storage.delete_volume(volume)

    def _floating_address(self, name: str) -> str:
        network = self._cloud.sdk.network
        ports = [port.id for port in network.ports(device_id=self.server(name).id)]
        return next(str(ip.floating_ip_address) for ip in network.ips() if ip.port_id in ports)
