"""The OpenStack contract on the embedded cloud."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conformance.openstack_contract.destination import DestinationContract
from tests.conformance.openstack_contract.site import Site
from tests.conformance.openstack_contract.source import SourceContract
from tests.conformance.providers.conftest import SETTINGS, OpenStackLab


@pytest.fixture(scope="module")
def site(openstack_module: OpenStackLab) -> Site:
    lab = openstack_module

    @contextmanager
    def little_room(resource: str) -> Iterator[None]:
        limits = lab.front.cloud.quota(lab.project).volume
        used = getattr(lab.sdk().block_storage.get_limits().absolute, f"total_{resource}_used")
        before, limits[resource] = limits[resource], used + 1
        yield
        limits[resource] = before

    return Site(
        settings=SETTINGS,
        connection_info=lab.info(),
        sdk=lab.sdk(),
        image="worker",
        flavor="small",
        network="private",
        external="public",
        address="10.20.0.231",
        server=lab.boot("contract").name,
        little_room=little_room,
    )


class TestSource(SourceContract):
    pass


class TestDestination(DestinationContract):
    pass
