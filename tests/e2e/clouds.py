"""Both embedded clouds as the tests look at them: through the SDKs, and below at the bytes of the disks."""

from pathlib import Path
from typing import Any

import openstack
import ovirtsdk4
from demo.destination import OvirtSide
from demo.guest import Guest
from demo.source import LabSource, left_behind, made_by_coriolis

from coriolis_lab.world import World

BOOT = 1800.0  # seconds: a bound against hanging, far above what TCG needs


class Clouds:
    def __init__(self, world: World) -> None:
        self._world = world
        self.lab: dict[str, Any] = world.describe()
        source, destination = LabSource(self.lab).make(), OvirtSide(self.lab["ovirt"])
        self.source_name = source.name
        self.guest: Guest = source.guest
        self.openstack_connection = source.connection_info
        self.source_environment = source.source_environment
        self.ovirt_connection = destination.connection_info
        self.destination_environment = destination.environment
        self.network_map = {source.network: destination.network}
        self._destination = destination

    def openstack(self, **login: str) -> Any:
        o = {**self.lab["openstack"], **login}
        return openstack.connect(
            auth_url=o["auth_url"],
            username=o["username"],
            password=o["password"],
            project_name=o["project"],
            user_domain_name="Default",
            project_domain_name="Default",
        )

    def ovirt(self) -> ovirtsdk4.Connection:
        o = self.lab["ovirt"]
        return ovirtsdk4.Connection(
            url=o["url"], username=o["username"], password=o["password"], ca_file=o["ca_file"]
        )

    def disk_digests(self, only: set[str] | None = None) -> dict[str, str]:
        """SHA-256 of the oVirt disks that Coriolis made (or those of the given aliases) by alias."""
        with self.ovirt() as connection:
            disks = connection.system_service().disks_service().list()
        ours = [d for d in disks if made_by_coriolis(d.alias)]  # the worker template has one of its own
        wanted = [d for d in ours if only is None or d.alias in only]
        return {disk.alias: self._world.ovirt_hypervisor.disk_digest(disk.id) for disk in wanted}

    def source_digests(self) -> list[str]:
        """SHA-256 of the source server's volumes in boot order; the server must be off."""
        cloud = self.openstack()
        server = cloud.compute.find_server(self.source_name)
        attached = sorted(cloud.compute.volume_attachments(server), key=lambda a: a.device)
        return [self._world.openstack_hypervisor.disk_digest(a.volume_id) for a in attached]

    def inventory(self) -> tuple[list[str], list[str]]:
        """Names of everything on the source and the destination, to compare before and after."""
        cloud = self.openstack()
        found = [
            *cloud.compute.servers(),
            *cloud.compute.keypairs(),
            *cloud.block_storage.volumes(),
            *cloud.block_storage.snapshots(),
            *cloud.network.security_groups(),
            *cloud.network.ports(),
        ]
        addresses = [ip.floating_ip_address for ip in cloud.network.ips()]
        with self.ovirt() as connection:
            system = connection.system_service()
            there = [v.name for v in system.vms_service().list()] + [
                d.alias for d in system.disks_service().list()
            ]
        return sorted([o.name or o.id for o in found] + addresses), sorted(there)

    def left_behind(self) -> list[str]:
        """Temporary resources on either cloud."""
        return left_behind(self.openstack()) + self._destination.left_behind()

    def wait_for_source(self) -> None:
        """Until its data are there too: a slow device is mounted after the guest lets anyone in."""
        self.guest.wait(BOOT)
        self.guest.run("until mountpoint -q /srv/data; do sleep 1; done", timeout=BOOT)

    def wait_for_agent(self, name: str) -> str:
        return self._destination.wait_for_agent(name, BOOT)[0]

    def guest_at(self, address: str) -> Guest:
        return Guest(address, self.guest.user, Path(self.lab["key"]))
