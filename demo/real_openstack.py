"""A source instance on whatever cloud the OS_* variables name, made for the demo and removed after it.

Choices can be given: DEMO_IMAGE (a Debian 12 cloud image), DEMO_FLAVOR, DEMO_NETWORK, DEMO_EXTERNAL_NETWORK,
DEMO_WORKER_FLAVOR, DEMO_SSH_USER; else the first that fits is taken and said.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import openstack

from coriolis.runner import run
from demo.console import Console
from demo.guest import Guest
from demo.source import SourceVm, left_behind, new_key

PREFIX = "coriolis-demo"
BOOT_GIB, DATA_GIB = 3, 1
# One-time work of the guest's owner: a file system on the second disk, and something worth keeping on it.
PREPARE = """
set -e
sudo mkfs.ext4 -q -L data /dev/vdb
echo 'LABEL=data /srv/data ext4 defaults,nofail 0 2' | sudo tee -a /etc/fstab >/dev/null
sudo mkdir -p /srv/data
sudo mount /srv/data
sudo dd if=/dev/urandom of=/srv/data/ledger.bin bs=1M count=48 status=none
sync
"""


def _pick(objects: Iterable[Any], wanted: str | None, fits: Callable[[Any], bool], what: str) -> Any:
    found = [o for o in objects if (wanted in (o.id, o.name) if wanted else fits(o))]
    if not found:
        sys.exit(f"demo: no {what} {wanted or 'that fits'} on this cloud; name one with DEMO_{what.upper()}")
    return found[0]


class RealOpenStack:
    def __init__(self, console: Console, directory: Path) -> None:
        missing = [
            name
            for name in ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")
            if name not in os.environ
        ]
        if missing:
            sys.exit(f"demo: DEMO_OPENSTACK=real needs {', '.join(missing)} in the environment (your openrc)")
        self._console = console
        self._key = new_key(directory)
        self._cloud = openstack.connect(app_name="coriolis-demo")

    def make(self) -> SourceVm:
        cloud, env = self._cloud, os.environ
        self.remove()
        image = _pick(cloud.image.images(), env.get("DEMO_IMAGE"), self._fitting_image, "image")
        flavors = sorted(cloud.compute.flavors(), key=lambda f: (f.ram, f.vcpus))
        flavor = _pick(flavors, env.get("DEMO_FLAVOR"), lambda f: f.ram >= 512, "flavor")
        worker_flavor = _pick(flavors, env.get("DEMO_WORKER_FLAVOR"), lambda f: f.ram >= 512, "worker_flavor")
        network = _pick(
            cloud.network.networks(), env.get("DEMO_NETWORK"), lambda n: not n.is_router_external, "network"
        )
        external = _pick(
            cloud.network.networks(),
            env.get("DEMO_EXTERNAL_NETWORK"),
            lambda n: n.is_router_external,
            "external_network",
        )
        self._console.line(
            f"image {image.name}, flavor {flavor.name}, network {network.name}, external {external.name}"
        )
        address = self._server(image, flavor, network, external)
        guest = Guest(address, env.get("DEMO_SSH_USER", "debian"), self._key)
        guest.wait()
        guest.run(PREPARE, timeout=600)
        return SourceVm(
            name=PREFIX,
            guest=guest,
            connection_info=self._connection_info(),
            source_environment={
                "replica_export_mechanism": "coriolis_backups",
                "coriolis_backups_options": {
                    "export_image": image.name,
                    "export_flavor_name": worker_flavor.name,
                    "export_network": network.name,
                    "export_worker_use_fip": True,
                    "export_fip_pool_name": external.name,
                },
            },
            network=network.name,
        )

    @staticmethod
    def _fitting_image(image: Any) -> bool:
        return "debian" in image.name.lower() and image.status == "active" and image.disk_format == "raw"

    def _connection_info(self) -> dict[str, Any]:
        env = os.environ
        return {
            "identity_api_version": 3,
            "auth_url": env["OS_AUTH_URL"],
            "username": env["OS_USERNAME"],
            "password": env["OS_PASSWORD"],
            "project_name": env["OS_PROJECT_NAME"],
            "user_domain_name": env.get("OS_USER_DOMAIN_NAME", "Default"),
            "project_domain_name": env.get("OS_PROJECT_DOMAIN_NAME", "Default"),
            **({"region_name": env["OS_REGION_NAME"]} if "OS_REGION_NAME" in env else {}),
        }

    def _server(self, image: Any, flavor: Any, network: Any, external: Any) -> str:
        cloud = self._cloud
        public = run(["ssh-keygen", "-y", "-f", self._key]).text
        cloud.compute.create_keypair(name=PREFIX, public_key=public)
        group = cloud.network.create_security_group(name=PREFIX, description="demo: SSH")
        cloud.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="tcp",
            port_range_min=22,
            port_range_max=22,
        )
        boot = cloud.block_storage.create_volume(name=f"{PREFIX}-boot", size=BOOT_GIB, image_id=image.id)
        data = cloud.block_storage.create_volume(name=f"{PREFIX}-data", size=DATA_GIB)
        for volume in (boot, data):
            cloud.block_storage.wait_for_status(volume, "available", ["error"], 1, 600)
        server = cloud.compute.create_server(
            name=PREFIX,
            flavor_id=flavor.id,
            networks=[{"uuid": network.id}],
            key_name=PREFIX,
            security_groups=[{"name": PREFIX}],
            block_device_mapping=[
                {"boot_index": 0, "uuid": boot.id, "source_type": "volume", "destination_type": "volume"},
                {"boot_index": -1, "uuid": data.id, "source_type": "volume", "destination_type": "volume"},
            ],
        )
        cloud.compute.wait_for_server(server, wait=600)
        port = next(cloud.network.ports(device_id=server.id))
        address = cloud.network.create_ip(
            floating_network_id=external.id, port_id=port.id, description=PREFIX
        )
        return str(address.floating_ip_address)

    def remove(self) -> None:
        """Everything that bears the demo's name, in an order that the cloud allows; safe to call again."""
        cloud = self._cloud
        servers = list(cloud.compute.servers(name=f"^{PREFIX}$"))
        addresses = [ip for ip in cloud.network.ips() if ip.description == PREFIX]
        for address in addresses:
            cloud.network.delete_ip(address)
        for server in servers:
            cloud.compute.delete_server(server)
            cloud.compute.wait_for_delete(server, wait=300)
        for volume in [
            v for v in cloud.block_storage.volumes() if v.name in (f"{PREFIX}-boot", f"{PREFIX}-data")
        ]:
            cloud.block_storage.delete_volume(volume)
        for _ in range(60):  # ports of a deleted server vanish a moment after it
            groups = list(cloud.network.security_groups(name=PREFIX))
            try:
                for group in groups:
                    cloud.network.delete_security_group(group)
                break
            except openstack.exceptions.ConflictException:
                time.sleep(1)
        if cloud.compute.find_keypair(PREFIX):
            cloud.compute.delete_keypair(PREFIX)

    def left_behind(self) -> list[str]:
        return left_behind(self._cloud)
