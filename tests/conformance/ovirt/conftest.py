"""One engine for each test module, on a hypervisor in memory; every XML body is checked against the API's
model.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ovirtsdk4
import pytest
import requests
from ovirtsdk4 import types

from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.ovirt.checking import CheckedApp
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.settings import Delays, LabSettings
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor

GIGABYTE = 1024**3
SHORT = Delays(
    disk=0.05,
    snapshot=0.05,
    server=0.05,
    attach=0.05,
    delete=0.05,
    agent_poll=0.05,
    no_agent=0.5,
    transfer=0.05,
)


@dataclass
class Engine:
    """The front with its hypervisor and faults, and short ways to what most tests need."""

    front: OvirtFront
    hypervisor: MemoryHypervisor | LocalHypervisor
    faults: FaultBook
    connection: ovirtsdk4.Connection

    @property
    def system(self):
        return self.connection.system_service()

    @property
    def disks(self):
        return self.system.disks_service()

    @property
    def vms(self):
        return self.system.vms_service()

    def connect(self, **changes) -> ovirtsdk4.Connection:
        arguments = {
            "url": self.front.url,
            "username": self.front.username,
            "password": self.front.password,
            "ca_file": str(self.front.ca_file),
        }
        return ovirtsdk4.Connection(**{**arguments, **changes})

    def raw(self, method: str, path: str = "", token: str | None = None, **arguments) -> requests.Response:
        """A call without the SDK; `path` is below the API root."""
        url = self.front.url + path
        headers = {"Accept": "application/xml", **arguments.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with requests.Session() as session:
            return session.request(
                method, url, headers=headers, verify=str(self.front.ca_file), timeout=10, **arguments
            )

    def profile_id(self, name: str) -> str:
        return next(
            profile.id for profile in self.system.vnic_profiles_service().list() if profile.name == name
        )

    def new_disk(self, name: str, size: int = GIGABYTE, **fields) -> types.Disk:
        """Made and ok."""
        disk = self.disks.add(self.disk_body(name, size, **fields))
        self.wait(lambda: self.disks.disk_service(disk.id).get().status == types.DiskStatus.OK)
        return disk

    def disk_body(self, name: str, size: int = GIGABYTE, domain: str = "data", **fields) -> types.Disk:
        values = {"format": types.DiskFormat.RAW, "sparse": True, **fields}
        storage = [types.StorageDomain(name=domain)]
        return types.Disk(name=name, provisioned_size=size, storage_domains=storage, **values)

    def new_vm(self, name: str, template: str = "Blank", **fields):
        """A VM that is down; returns its service."""
        clone = fields.pop("clone", None)
        body = types.Vm(
            name=name, cluster=types.Cluster(name="Default"), template=types.Template(name=template), **fields
        )
        vm = self.vms.add(body, clone=clone)
        service = self.vms.vm_service(vm.id)
        self.wait(lambda: service.get().status == types.VmStatus.DOWN)
        return service

    def attach(self, vm_service, disk_id: str, *, bootable: bool = False, active: bool = True):
        return vm_service.disk_attachments_service().add(
            types.DiskAttachment(
                disk=types.Disk(id=disk_id),
                interface=types.DiskInterface.VIRTIO_SCSI,
                bootable=bootable,
                active=active,
            )
        )

    def start(self, vm_service, **arguments) -> None:
        vm_service.start(**arguments)
        self.wait(lambda: vm_service.get().status == types.VmStatus.UP)

    @staticmethod
    def wait(condition: Callable[[], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "not within the time"
            time.sleep(0.02)

    def wait_gone(self, service) -> None:
        def gone() -> bool:
            try:
                service.get()
            except ovirtsdk4.NotFoundError:
                return True
            return False

        self.wait(gone)


def make_front(
    root: Path, hypervisor: MemoryHypervisor, faults: FaultBook, checked: list[CheckedApp], **settings
):
    def wrap(app):
        checked.append(CheckedApp(app))
        return checked[0]

    front = OvirtFront(hypervisor, LabSettings(root=root, delays=SHORT, **settings), faults, wrap=wrap)
    front.add_data_center("Default")
    front.add_cluster("Default", "Default")
    front.add_storage_domain("data", "Default")
    front.add_network("ovirtmgmt", "Default", "10.20.0.0/24")
    hypervisor.register_image("worker-image", Path("/none"), "qcow2")
    front.add_template("worker", "worker-image", "Default", "data", memory_mb=1024, cpus=2)
    return front


@pytest.fixture(scope="module")
def checked() -> list[CheckedApp]:
    return []


@pytest.fixture(scope="module")
def module_engine(tmp_path_factory, checked) -> Iterator[Engine]:
    hypervisor, faults = MemoryHypervisor(), FaultBook()
    front = make_front(tmp_path_factory.mktemp("engine"), hypervisor, faults, checked)
    front.start()
    engine = Engine(front, hypervisor, faults, None)
    engine.connection = engine.connect()
    yield engine
    engine.connection.close()
    front.stop()
    assert checked[0].calls > 0


@pytest.fixture
def engine(module_engine, checked) -> Iterator[Engine]:
    """Fails the test afterwards if any XML body of it was not as the API's model has it."""
    checked[0].problems.clear()
    yield module_engine
    module_engine.faults.clear()
    module_engine.hypervisor.agents = True
    module_engine.hypervisor.plug_problem = None
    assert checked[0].problems == []


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Engine]:
    """An engine on the real hypervisor: qcow2 layers, and QEMU processes without an operating system."""
    settings, faults = LabSettings(root=tmp_path / "lab", delays=SHORT), FaultBook()
    hypervisor = LocalHypervisor(settings)
    image = tmp_path / "image.raw"
    image.write_bytes(os.urandom(1024**2))
    hypervisor.register_image("image", image, "raw")
    front = OvirtFront(hypervisor, settings, faults)
    front.add_data_center("Default")
    front.add_cluster("Default", "Default")
    front.add_storage_domain("data", "Default")
    front.add_network("ovirtmgmt", "Default", "10.20.0.0/24")
    front.add_template("worker", "image", "Default", "data", memory_mb=256, cpus=1)
    front.start()
    engine = Engine(front, hypervisor, faults, None)
    engine.connection = engine.connect()
    yield engine
    engine.connection.close()
    front.stop()
    hypervisor.close()
