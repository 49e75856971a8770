"""Both embedded clouds over hypervisors without guests, and the providers connected through the real SDKs.

What a guest would do (answer on SSH) is left out here; tests marked `vm` have real guests. Windows guests answer on
WinRM.
"""

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import OpenStackSection, OvirtSection, Settings, TransferSection
from coriolis.model.worker import SshLogin
from coriolis.providers.lifecycle import Patience
from coriolis.providers.openstack import workers as openstack_workers
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis.providers.ovirt import workers as ovirt_workers
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis_lab.faults import FaultBook
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.settings import Delays, LabSettings
from tests.conformance.openstack.memory_hypervisor import MemoryHypervisor as OpenStackHypervisor
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor as OvirtHypervisor
from tests.memory_operation import MemoryOperation
from tests.unit.winrm_server import WinRmServer

GIB = 1 << 30
WINRM_PORT = 5986
TEMPLATE_DISKS = ("debian-worker_Disk1", "WS2019_Disk1")
QUICK = Delays(disk=0.02, snapshot=0.02, server=0.02, attach=0.02, delete=0.02, agent_poll=0.05)
SETTINGS = Settings(
    transfer=TransferSection(connect_timeout=0.2, winrm_connect_timeout=30),
    openstack_migration_provider=OpenStackSection(timeout=10, poll_interval=0.02),
    ovirt_migration_provider=OvirtSection(timeout=10, poll_interval=0.02),
)


@pytest.fixture(autouse=True)
def _guests_answer(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("vm"):
        return

    def answers(login: SshLogin, name: str, timeout: float, check: Callable[[], None]) -> SshLogin:
        assert login.address
        return login

    monkeypatch.setattr(openstack_workers, "wait_for_ssh", answers)
    monkeypatch.setattr(openstack_workers, "_CONSOLE_GRACE", Patience(0.05, 0.02))
    monkeypatch.setattr(ovirt_workers, "wait_for_ssh", answers)


@pytest.fixture
def op() -> MemoryOperation:
    return MemoryOperation(SETTINGS)


@dataclass
class WindowsGuests:
    """What the guests of Windows workers do: they answer on WinRM, at the addresses that the lab gave them."""

    directory: Path
    servers: list[WinRmServer] = field(default_factory=list)

    def boot(self, address: str, username: str, password: str) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                server = WinRmServer(self.directory, address, WINRM_PORT, username, password)
            except OSError as error:
                # the address may be that of a lab in another process of the tests
                if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                self.servers.append(server)
                return

    def shut_down(self) -> None:
        while self.servers:
            self.servers.pop().stop()


@dataclass
class GuestOperation(MemoryOperation):
    """`when`: what a guest does just when it is waited for, by the line that says so."""

    when: dict[str, Callable[[], None]] = field(default_factory=dict)

    def progress(self, message: str, done: int = 0, total: int = 0) -> None:
        super().progress(message, done, total)
        self.when.get(message, lambda: None)()


@pytest.fixture
def windows_guests(tmp_path: Path) -> Iterator[WindowsGuests]:
    guests = WindowsGuests(tmp_path)
    yield guests
    guests.shut_down()


@dataclass
class OpenStackLab:
    front: OpenStackFront
    hypervisor: OpenStackHypervisor
    faults: FaultBook
    project: str
    env: dict[str, Any] = field(default_factory=dict)
    _destination: Any = None

    def info(self, **change: Any) -> dict[str, Any]:
        known = {
            "auth_url": self.front.auth_url,
            "username": "demo",
            "password": "secret",
            "project_name": "demo",
        }
        return {**known, **change}

    def source(self, **change: Any) -> Any:
        return OpenStackProvider().connect_source(self.info(**change), "lab-openstack", SETTINGS)

    def destination(self, **change: Any) -> Any:
        """The same one each time unless `change` asks for another: a log-in and the discovery of the services cost
        more than most tests."""
        if change or self._destination is None:
            made = OpenStackProvider().connect_destination(self.info(**change), "lab-openstack", SETTINGS)
            if change:
                return made
            self._destination = made
        return self._destination

    def sdk(self) -> Any:
        """The lab's user, to arrange things with."""
        return self.destination()._client.sdk

    def boot(
        self,
        name: str,
        *,
        volumes: int = 2,
        image: str = "debian",
        flavor: str = "tiny",
        config_drive: bool = False,
    ) -> Any:
        """A server that boots from a volume."""
        sdk = self.sdk()
        image_id = sdk.image.find_image(image).id
        ids = []
        for number in range(volumes):
            origin = {"image_id": image_id} if number == 0 else {}
            volume = sdk.block_storage.create_volume(name=f"{name}-{number}", size=3 + number, **origin)
            sdk.block_storage.wait_for_status(volume, "available", interval=0.05, wait=60)
            ids.append(volume.id)
        mapping = [
            {"uuid": v, "boot_index": n or 0, "source_type": "volume", "destination_type": "volume"}
            for n, v in enumerate(ids)
        ]
        server = sdk.compute.create_server(
            name=name,
            flavor_id=sdk.compute.find_flavor(flavor).id,
            networks=[{"uuid": sdk.network.find_network("private").id}],
            block_device_mapping=mapping,
            config_drive=config_drive,
        )
        return sdk.compute.wait_for_server(server, interval=0.05, wait=60)

    def boot_from_image(self, name: str, *, flavor: str = "small", volumes: int = 0) -> Any:
        """A server whose root disk is Nova's own, with `volumes` besides."""
        sdk = self.sdk()
        made = [sdk.block_storage.create_volume(name=f"{name}-{n}", size=1) for n in range(volumes)]
        for volume in made:
            sdk.block_storage.wait_for_status(volume, "available", interval=0.05, wait=60)
        image = sdk.image.find_image("worker").id
        root = {"uuid": image, "boot_index": 0, "source_type": "image", "destination_type": "local"}
        mapping = [
            root,
            *({"uuid": v.id, "source_type": "volume", "destination_type": "volume"} for v in made),
        ]
        server = sdk.compute.create_server(
            name=name,
            image_id=image,
            flavor_id=sdk.compute.find_flavor(flavor).id,
            networks=[{"uuid": sdk.network.find_network("private").id}],
            block_device_mapping=mapping,
        )
        return sdk.compute.wait_for_server(server, interval=0.05, wait=60)

    def remove(self, server: Any) -> None:
        """With the volumes that it has."""
        sdk = self.sdk()
        volumes = [volume.volume_id for volume in sdk.compute.volume_attachments(server.id)]
        sdk.compute.delete_server(server.id)
        sdk.compute.wait_for_delete(server, interval=0.05, wait=60)
        for volume_id in volumes:
            sdk.block_storage.delete_volume(volume_id)

    def things(self) -> dict[str, int]:
        """How many of each that an export could leave behind."""
        sdk = self.sdk()
        return {
            "servers": len(list(sdk.compute.servers())),
            "keypairs": len(list(sdk.compute.keypairs())),
            "volumes": len(list(sdk.block_storage.volumes())),
            "snapshots": len(list(sdk.block_storage.snapshots())),
            "images": len(list(sdk.image.images())),
            "ports": len(list(sdk.network.ports())),
            "groups": len(list(sdk.network.security_groups())),
            "ips": len(list(sdk.network.ips())),
        }


@pytest.fixture(scope="module")
def openstack_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStackLab]:
    hypervisor, faults = OpenStackHypervisor(), FaultBook()
    settings = LabSettings(root=tmp_path_factory.mktemp("openstack"), delays=QUICK)
    front = OpenStackFront(hypervisor, settings, faults)
    properties = {"os_type": "linux", "os_distro": "debian", "hw_firmware_type": "uefi"}
    front.add_image("debian", "base-debian", "raw", 3 * GIB, 3, properties)
    front.add_image("worker", "base-worker", "raw", 2 * GIB, 2, {})
    for name, insisting in (("with-agent", {}), ("insisting", {"os_require_quiesce": "yes"})):
        agent = {"hw_qemu_guest_agent": "yes", **insisting}
        front.add_image(name, "base-debian", "raw", 3 * GIB, 3, properties | agent)
    front.add_flavor("tiny", 2, 512, 0)
    front.add_flavor("local", 2, 512, 4, ephemeral_gb=20, swap_mb=512)
    front.add_flavor("small", 2, 1024, 4)
    project = front.add_project("demo", "demo", "secret")
    front.add_network("private", "10.20.0.0/24", project_id=project)
    front.add_network("public", "127.43.0.0/16", external=True)
    lab = OpenStackLab(front, hypervisor, faults, project)
    lab.env = {
        "coriolis_backups_options": {
            "export_image": "worker",
            "export_flavor_name": "small",
            "export_network": "private",
            "export_fip_pool_name": "public",
        }
    }
    front.start()
    yield lab
    front.stop()


@pytest.fixture
def openstack(openstack_module: OpenStackLab) -> Iterator[OpenStackLab]:
    yield openstack_module
    openstack_module.faults.clear()


@dataclass
class OvirtLab:
    front: OvirtFront
    hypervisor: OvirtHypervisor
    faults: FaultBook
    env: dict[str, Any]

    def info(self, **change: Any) -> dict[str, Any]:
        known = {
            "url": self.front.url,
            "username": self.front.username,
            "password": self.front.password,
            "ca_file": str(self.front.ca_file),
        }
        return {**known, **change}

    clouds: list[Any] = field(default_factory=list)

    def destination(self, **change: Any) -> Any:
        self.clouds.append(OvirtProvider().connect_destination(self.info(**change), "lab-ovirt", SETTINGS))
        return self.clouds[-1]

    def things(self) -> dict[str, list[str]]:
        system = self.destination()._client.system
        disks = [disk.name for disk in system.disks_service().list()]
        return {
            "vms": sorted(vm.name for vm in system.vms_service().list()),
            "disks": sorted(name for name in disks if name not in TEMPLATE_DISKS),
        }


@pytest.fixture
def ovirt(tmp_path: Path) -> Iterator[OvirtLab]:
    hypervisor, faults = OvirtHypervisor(), FaultBook()
    front = OvirtFront(hypervisor, LabSettings(root=tmp_path, delays=QUICK), faults)
    front.add_data_center("Default")
    front.add_cluster("Default", "Default")
    front.add_storage_domain("data1", "Default", capacity_bytes=100 * GIB)
    front.add_storage_domain("block1", "Default", "iscsi", capacity_bytes=100 * GIB)
    front.add_network("ovirtmgmt", "Default", "10.30.0.0/24")
    front.add_network("blue", "Default", "10.31.0.0/24")
    hypervisor.register_image("worker", Path("/nowhere"), "raw")
    front.add_template("debian-worker", "worker", "Default", "data1", 1024, 2)
    front.start()
    env = {
        "storage_domain": "data1",
        "migr_template_map": {"linux": "debian-worker"},
        "data_transfer_mechanism": "ssh",  # disks in memory have no images
        "network_map": {"private": "blue"},
    }
    lab = OvirtLab(front, hypervisor, faults, env)
    yield lab
    for cloud in lab.clouds:
        cloud.close()
    front.stop()
