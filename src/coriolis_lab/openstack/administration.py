"""An administrator's hand in one region of the cloud."""

import uuid
from collections.abc import Mapping
from pathlib import Path

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.network.subnets import new_subnet
from coriolis_lab.openstack.records import Flavor, Image, Network


class Administration:
    """`admin_project_id`: whom images and networks belong to."""

    def __init__(self, cloud: Cloud, admin_project_id: str) -> None:
        self.cloud = cloud
        self.admin_project_id = admin_project_id

    def add_image(  # noqa: PLR0917  # agreed with the callers in the lab
        self,
        name: str,
        hypervisor_image_id: str,
        disk_format: str,
        size_bytes: int,
        min_disk_gb: int,
        properties: Mapping[str, str],
        *,
        path: Path | None = None,
    ) -> str:
        """A public image over a base that the hypervisor knows. `size_bytes` is what a guest sees of it;
        `path` is what a download gives (nothing: 204)."""
        made = Image(
            id=str(uuid.uuid4()),
            name=name,
            owner=self.admin_project_id,
            hypervisor_id=hypervisor_image_id,
            disk_format=disk_format,
            size_bytes=size_bytes,
            min_disk=min_disk_gb,
            min_ram=0,
            properties=dict(properties),
            path=str(path) if path else None,
        )
        with self.cloud.lock:
            self.cloud.images[made.id] = made
        return made.id

    def add_flavor(  # the first five are agreed with the callers in the lab
        self, name: str, vcpus: int, ram_mb: int, disk_gb: int, *, ephemeral_gb: int = 0, swap_mb: int = 0
    ) -> str:
        """Disk 0: for servers that boot from a volume."""
        flavor = Flavor(str(uuid.uuid4()), name, vcpus, ram_mb, disk_gb, ephemeral_gb, swap_mb)
        with self.cloud.lock:
            self.cloud.flavors[flavor.id] = flavor
        return flavor.id

    def add_network(
        self,
        name: str,
        cidr: str,
        external: bool = False,
        shared: bool = True,
        *,
        project_id: str | None = None,
    ) -> str:
        """A network with one IPv4 subnet, the administrator's or `project_id`'s.

        Addresses are given from the tenth on, leaving the first ones to the gateway and its services.
        Floating IPs of an external network are loopback addresses, whatever its CIDR says.
        """
        owner = project_id or self.admin_project_id
        made = Network(str(uuid.uuid4()), name, owner, external=external, shared=shared)
        subnet = new_subnet(made, f"{name}-v4", owner, cidr, {})
        first, _, last = subnet.pools[0][0].rpartition(".")
        if int(last) < 10:
            subnet.pools = [(f"{first}.10", subnet.pools[0][1])]
        with self.cloud.lock:
            self.cloud.networks[made.id] = made
            self.cloud.subnets[subnet.id] = subnet
        return made.id

    def add_volume_type(self, name: str) -> str:
        """The first one is the default type."""
        with self.cloud.lock:
            return self.cloud.volume_types.setdefault(name, str(uuid.uuid4()))

    def set_quota(self, project_id: str, **limits: int) -> None:
        """By resource, of whichever service: `set_quota(project, volumes=20, instances=4, floatingip=2)`."""
        with self.cloud.lock:
            quota = self.cloud.quota(project_id)
            for name, limit in limits.items():
                holder = next(h for h in (quota.compute, quota.volume, quota.network) if name in h)
                holder[name] = limit
