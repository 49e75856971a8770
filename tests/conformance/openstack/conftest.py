"""An OpenStack front for the module, and openstacksdk connected to it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection

from coriolis_lab.faults import FaultBook
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.settings import Delays, LabSettings
from tests.conformance.openstack.memory_hypervisor import MemoryHypervisor

QUICK = Delays(disk=0.02, snapshot=0.02, server=0.02, attach=0.02, delete=0.02, agent_poll=0.05)
GIB = 1024**3
PASSWORD = "secret"  # of user demo


@dataclass
class Lab:
    front: OpenStackFront
    hypervisor: MemoryHypervisor
    faults: FaultBook
    project: str
    image: str
    flavor: str
    volume_flavor: str
    private: str
    external: str

    def connect(self, username: str = "demo", password: str = PASSWORD, project: str = "demo") -> Connection:
        return openstack.connect(
            auth_url=self.front.auth_url,
            username=username,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
            region_name="RegionOne",
            load_yaml_config=False,
            load_envvars=False,
        )

    def admin(self) -> Connection:
        return self.connect(self.front.admin_username, self.front.admin_password, "admin")


def make_lab(root: Path, *, rbd: bool = True, token_seconds: float = 3600.0) -> Lab:
    hypervisor, faults = MemoryHypervisor(), FaultBook()
    settings = LabSettings(root=root, token_seconds=token_seconds, delays=QUICK)
    front = OpenStackFront(hypervisor, settings, faults, rbd=rbd)
    project = front.add_project("demo", "demo", PASSWORD)
    lab = Lab(
        front=front,
        hypervisor=hypervisor,
        faults=faults,
        project=project,
        image=front.add_image("debian", "base-debian", "qcow2", 2 * GIB, 2, {"os_type": "linux"}),
        flavor=front.add_flavor("small", 1, 512, 4),
        volume_flavor=front.add_flavor("volume-only", 1, 256, 0),
        private=front.add_network("private", "10.20.0.0/24", project_id=project),
        external=front.add_network("public", "127.43.0.0/16", external=True, shared=False),
    )
    front.start()
    return lab


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab(tmp_path_factory.mktemp("openstack"))
    yield lab
    lab.front.stop()


@pytest.fixture
def lab(module_lab: Lab) -> Iterator[Lab]:
    """The module's lab; faults do not outlive a test."""
    yield module_lab
    module_lab.faults.clear()


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Connection]:
    connection = lab.connect()
    yield connection
    connection.close()


def until(get: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 10.0) -> Any:
    """The first answer of `get` that is wanted."""
    end = time.monotonic() + seconds
    while not wanted(found := get()):
        assert time.monotonic() < end, f"after {seconds} s still {found}"
        time.sleep(0.02)
    return found


def until_status(get: Callable[[], Any], status: str, seconds: float = 10.0) -> Any:
    return until(get, lambda found: found.status == status, seconds)
