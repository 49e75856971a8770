"""The table of what crosses how: an export mechanism, a destination, a guest. A new one is a row here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.openstack_real.clouds import RealCloud
from tests.openstack_real.guests import IMAGE_BOOTED, UEFI, VOLUME_BOOTED, GuestKind


def _worker_options(cloud: RealCloud) -> dict[str, Any]:
    return {
        "coriolis_backups_options": {
            "export_image": cloud.described["image"],
            "export_flavor_name": "t.small",
            "export_network": cloud.project["network"],
            "export_worker_use_fip": True,
            "export_fip_pool_name": cloud.described["external_network"],
        }
    }


def _no_options(_: RealCloud) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Mechanism:
    """`pool`: the Ceph pool that is named in ceph_options, if any; `backups`: which backup service it needs;
    `reads`: the figure that holds what an export reads, where the cloud tells what changed; None: it reads all."""

    name: str
    options: Callable[[RealCloud], Mapping[str, Any]]
    pool: str | None = None
    backups: str | None = None
    reads: Literal["ceph", "swift"] | None = "ceph"

    def source_environment(self, cloud: RealCloud) -> dict[str, Any]:
        return {"replica_export_mechanism": self.name, **self.options(cloud)}

    def connection_info(self, cloud: RealCloud) -> dict[str, Any]:
        return cloud.with_ceph(self.pool) if self.pool else dict(cloud.connection_info)


CORIOLIS_BACKUPS = Mechanism("coriolis_backups", _worker_options, reads=None)
SWIFT_BACKUPS = Mechanism("swift_backups", _no_options, backups="swift", reads="swift")
CEPH_BACKUPS = Mechanism("ceph_backups", _no_options, pool="backups", backups="ceph")
CEPH_SNAPSHOTS = Mechanism("ceph_snapshots", _no_options, pool="volumes")


@dataclass(frozen=True)
class Route:
    """`destination`: "ovirt" (the lab's), "openstack" (cloud B, through worker VMs) or "rbd" (cloud B, into Ceph).
    `morphed`: deployed with OSMorphing; without, what boots is what was copied."""

    mechanism: Mechanism
    destination: str
    guest: GuestKind = VOLUME_BOOTED
    more_source: Mapping[str, Any] = field(default_factory=dict)
    more_destination: Mapping[str, Any] = field(default_factory=dict)
    morphed: bool = True

    def __str__(self) -> str:
        return f"{self.mechanism.name}-{self.guest.name}-{self.destination}"


SECURITY_GROUP = "web"
_AS_IT_WAS = {
    "port_reuse_policy": "keep_mac",
    "preserve_fixed_ips": True,
    "security_groups": ["default", SECURITY_GROUP],
    "instance_metadata": {"moved": "yes"},
}
# Each mechanism, each way into a destination and each kind of guest; an hour is enough for these. What goes by Swift
# and by Ceph's backups cannot share a guest: Cinder takes the last backup of a volume, wherever it is, as the one that
# an incremental backup goes on from.
ROUTES = (
    Route(CEPH_SNAPSHOTS, "rbd", UEFI, more_source={"guest_quiesce": "required"}),
    Route(CEPH_SNAPSHOTS, "ovirt"),
    Route(CORIOLIS_BACKUPS, "openstack", IMAGE_BOOTED),
    Route(SWIFT_BACKUPS, "rbd", more_destination=_AS_IT_WAS, morphed=False),
    Route(CEPH_BACKUPS, "rbd", UEFI, morphed=False),
)
