"""The contract that tests/conformance/providers holds on the lab, on the real cloud."""

from collections.abc import Callable
from functools import partial

import pytest

from coriolis.config import Settings
from tests.conformance.openstack_contract.destination import DestinationContract
from tests.conformance.openstack_contract.site import Site
from tests.conformance.openstack_contract.source import SourceContract
from tests.openstack_real.clouds import Operator, RealCloud
from tests.openstack_real.guests import UEFI, GuestKind, SourceGuest


@pytest.fixture(scope="module")
def site(cloud_a: RealCloud, operator: Operator, source_guest: Callable[[GuestKind], SourceGuest]) -> Site:
    source_guest(UEFI).with_data()

    return Site(
        settings=Settings(),
        connection_info=cloud_a.connection_info,
        sdk=cloud_a.sdk,
        image=cloud_a.described["image"],
        flavor="t.small",
        network=cloud_a.project["network"],
        external=cloud_a.described["external_network"],
        address="10.61.0.240",
        server=UEFI.name,
        little_room=partial(operator.little_room, cloud_a.project["project"]),
    )


class TestSource(SourceContract):
    pass


class TestDestination(DestinationContract):
    pass
