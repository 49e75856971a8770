"""The OpenStack contract on the embedded cloud."""

from collections.abc import Mapping

import pytest

from tests.conformance.openstack_contract.destination import DestinationContract
from tests.conformance.openstack_contract.site import Site
from tests.conformance.openstack_contract.source import SourceContract
from tests.conformance.providers.conftest import SETTINGS, OpenStackLab


@pytest.fixture(scope="module")
def site(openstack_module: OpenStackLab) -> Site:
    lab = openstack_module

    def set_volume_quota(limits: Mapping[str, int]) -> Mapping[str, int]:
        known = lab.front.cloud.quota(lab.project).volume
        before = {name: known[name] for name in limits}
        lab.front.set_quota(lab.project, **limits)
        return before

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
        set_volume_quota=set_volume_quota,
    )


class TestSource(SourceContract):
    pass


class TestDestination(DestinationContract):
    pass
