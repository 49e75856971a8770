"""What a destination environment says about the migrated VM is what the real Nova and Neutron then have."""

from typing import Any

from tests.openstack_real.clouds import RealCloud
from tests.openstack_real.conftest import on
from tests.openstack_real.crossing import Crossing
from tests.openstack_real.guests import UEFI
from tests.openstack_real.routes import CEPH_SNAPSHOTS, Route

_SECURITY_GROUP = "web"
_KEEPS = Route(
    CEPH_SNAPSHOTS,
    "rbd",
    more_destination={
        "port_reuse_policy": "keep_mac",
        "preserve_fixed_ips": True,
        "security_groups": ["default", _SECURITY_GROUP],
        "instance_metadata": {"moved": "yes"},
    },
)


@on(_KEEPS)
def test_addresses_flavor_and_security_groups(
    crossing: Crossing, cloud_a: RealCloud, cloud_b: RealCloud
) -> None:
    """The VM has the source's MAC and fixed address, the groups that were asked for, and the flavor that fits best."""
    network = cloud_b.sdk.network
    group = network.find_security_group(_SECURITY_GROUP) or network.create_security_group(
        name=_SECURITY_GROUP
    )
    crossing.replicate("full", shutdown=True)
    crossing.deploy()
    name = crossing.guest.kind.name
    there = cloud_b.sdk.compute.find_server(name, ignore_missing=False)
    assert _ports(cloud_b, there) == _ports(cloud_a, crossing.guest.server)
    groups = {id_ for port in network.ports(device_id=there.id) for id_ in port.security_group_ids}
    assert group.id in groups
    assert len(groups) == 2
    assert (
        there.flavor.name == "t.small"
    )  # the source has 512 MiB and one processor, and no other flavor is as near
    assert there.metadata == {"moved": "yes"}
    crossing.forget()


@on(Route(CEPH_SNAPSHOTS, "rbd", UEFI, more_source={"guest_quiesce": "required"}))
def test_uefi_and_a_quiesced_guest(crossing: Crossing) -> None:
    """A guest with an agent is quiesced while it runs; a server with UEFI firmware stays one."""
    crossing.replicate("full")
    assert any("the guest was quiesced by its agent" in event for event in crossing.events), crossing.events
    crossing.replicate("source shut down", shutdown=True)
    guest = crossing.deploy()
    assert guest.run("test -d /sys/firmware/efi && echo UEFI") == "UEFI"
    crossing.forget()
    crossing.publish()


def _ports(cloud: RealCloud, server: Any) -> list[tuple[str, str]]:
    ports = cloud.sdk.network.ports(device_id=server.id)
    return sorted((port.mac_address, port.fixed_ips[0]["ip_address"]) for port in ports)
