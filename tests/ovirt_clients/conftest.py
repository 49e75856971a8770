"""Clients that nobody here wrote, and the engine's longer stories. `make test-ovirt` makes the clients ready first.

Nothing here is collected unless its marker is asked for: `pytest -m ovirt_clients`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.local import LocalHypervisor
from coriolis_lab.ovirt.checking import CheckedApp
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.settings import Delays, LabSettings
from tests.conformance.ovirt.conftest import real

__all__ = ["real"]
MARK = "ovirt_clients"
CLIENTS = Path(os.environ.get("OVIRT_CLIENTS", Path(__file__).parents[2] / ".venv-ovirt"))
MEBIBYTE = 1024**2
IMAGE_SIZE = 64 * MEBIBYTE
DELAYS = Delays(
    disk=0.2, snapshot=0.2, server=0.2, attach=0.2, delete=0.2, agent_poll=0.5, no_agent=1.0, transfer=0.2
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("markexpr") == MARK else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/ovirt_clients" in str(item.fspath):
            item.add_marker(pytest.mark.ovirt_clients)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(1800))


@dataclass
class Clients:
    """The programs of the clients' own virtual environment, against one engine."""

    front: OvirtFront
    checked: CheckedApp
    workspace: Path

    @property
    def login(self) -> dict[str, str]:
        return {
            "url": self.front.url,
            "username": self.front.username,
            "password": self.front.password,
            "ca_file": str(self.front.ca_file),
        }

    def run(self, program: str, *arguments: str, seconds: float = 1500) -> str:
        """What it printed; an error with all of that when it fails."""
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(CLIENTS / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
            "ANSIBLE_PYTHON_INTERPRETER": str(CLIENTS / "bin" / "python"),
            "ANSIBLE_LOCAL_TEMP": str(self.workspace / "ansible"),
        }
        done = subprocess.run(
            [str(CLIENTS / "bin" / program), *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            cwd=self.workspace,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed:\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def play(self, **variables: object) -> str:
        given = self.workspace / "variables.json"
        given.write_text(json.dumps({"engine": self.login, "workspace": str(self.workspace), **variables}))
        playbook = Path(__file__).with_name("play.yml")
        return self.run("ansible-playbook", "-i", "localhost,", "-e", f"@{given}", str(playbook))


def make_images(workspace: Path) -> None:
    """image.raw, 3 MiB of noise in 64 MiB, and the same as image.qcow2."""
    raw = workspace / "image.raw"
    with raw.open("wb") as file:
        file.write(os.urandom(3 * MEBIBYTE))
        file.truncate(IMAGE_SIZE)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, workspace / "image.qcow2"], check=True)


@pytest.fixture
def clients(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Clients]:
    """The parameter is the engine's look; every body is checked against the API's model."""
    if not (CLIENTS / "bin" / "ansible-playbook").exists():
        pytest.fail(f"the clients are not installed in {CLIENTS}: run make test-ovirt")
    look = getattr(request, "param", "4.5")
    settings = LabSettings(root=tmp_path / "lab", delays=DELAYS, ovirt_look=look)
    hypervisor = LocalHypervisor(settings)
    made: list[CheckedApp] = []

    def wrap(app):
        made.append(CheckedApp(app))
        return made[0]

    front = OvirtFront(hypervisor, settings, FaultBook(), wrap=wrap)
    fill(front, hypervisor, tmp_path)
    front.start()
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    make_images(workspace)
    yield Clients(front, made[0], workspace)
    front.stop()
    hypervisor.close()
    assert made[0].documents > 0
    assert made[0].problems == []


def fill(front: OvirtFront, hypervisor: LocalHypervisor, directory: Path) -> None:
    """Two data centres whose networks bear the same name; storage domains of each kind in the first."""
    image = directory / "template.raw"
    image.write_bytes(os.urandom(MEBIBYTE))
    hypervisor.register_image("image", image, "raw")
    for center, cidr in (("Default", "10.20.0.0/24"), ("Second", "10.21.0.0/24")):
        front.add_data_center(center)
        front.add_cluster(center, center)
        front.add_network("ovirtmgmt", center, cidr)
    front.add_storage_domain("data", "Default")
    front.add_storage_domain("block", "Default", "iscsi")
    front.add_storage_domain("managed", "Default", "managed_block_storage")
    front.add_storage_domain("far", "Second", "fcp")
    for domain in ("data", "block"):
        name = "worker" if domain == "data" else f"worker-{domain}"
        front.add_template(name, "image", "Default", domain, memory_mb=256, cpus=1)
