"""Clouds of several regions, interfaces and releases, and the provider connected to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import OpenStackSection, Settings
from coriolis.providers.openstack.plugin import OpenStackProvider
from coriolis.providers.openstack.source import OpenStackSource
from coriolis_lab.faults import FaultBook
from coriolis_lab.openstack.administration import Administration
from coriolis_lab.openstack.front import OpenStackFront
from coriolis_lab.openstack.releases import ZED, Release
from coriolis_lab.settings import Delays, LabSettings
from tests.conformance.openstack.memory_hypervisor import MemoryHypervisor

GIB = 1 << 30
# no guests here that could power themselves off: nobody has to look
QUICK = Delays(disk=0.02, snapshot=0.02, server=0.02, attach=0.02, delete=0.02, agent_poll=600)
SETTINGS = Settings(openstack_migration_provider=OpenStackSection(timeout=10, poll_interval=0.02))


DEBIAN = {"os_type": "linux", "hw_firmware_type": "uefi", "os_secure_boot": "required"}


@dataclass
class Site:
    """One OpenStack with the project and user demo in it."""

    front: OpenStackFront
    faults: FaultBook
    project: str
    second: Administration | None = None

    def info(self, **change: Any) -> dict[str, Any]:
        """Without a key whose change is None."""
        v3 = 3 in self.front.cloud.release.identity
        known = {
            "auth_url": self.front.auth_url,
            "identity_api_version": 3 if v3 else 2,
            "username": "demo",
            "password": "secret",
            "project_name": "demo",
        }
        return {key: value for key, value in {**known, **change}.items() if value is not None}

    def source(self, **change: Any) -> OpenStackSource:
        found = OpenStackProvider().connect_source(self.info(**change), "lab", SETTINGS)
        assert isinstance(found, OpenStackSource)
        return found

    def doors(self, service: str) -> set[tuple[str, str]]:
        """(region, interface) by which that service was entered, and forgets all visits."""
        found = {
            (visit.region, visit.interface)
            for visit in self.front.visits
            if visit.path.startswith(f"/{service}/") and visit.path.count("/") > 2
        }
        self.front.visits.clear()
        return found


MakeSite = Callable[..., Site]


def furnish(region: Administration) -> None:
    region.add_image("debian", "base-debian", "raw", 3 * GIB, 3, DEBIAN)
    region.add_image("windows", "base-windows", "raw", 3 * GIB, 3, {"os_type": "windows"})
    region.add_flavor("small", 2, 1024, 4)
    region.add_network("private", "10.20.0.0/24")


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSite]:
    sites: list[Site] = []

    def make(*, release: Release = ZED, second: bool = False, tls: tuple[Path, Path] | None = None) -> Site:
        faults = FaultBook()
        settings = LabSettings(root=tmp_path_factory.mktemp("site"), delays=QUICK, openstack_release=release)
        front = OpenStackFront(MemoryHypervisor(), settings, faults, tls=tls)
        furnish(front)
        site = Site(front, faults, front.add_project("demo", "demo", "secret"))
        if second:
            site.second = front.add_region("RegionTwo")
            furnish(site.second)
        front.start()
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.front.stop()
