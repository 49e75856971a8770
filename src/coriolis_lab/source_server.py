"""The server to be migrated, made in the embedded OpenStack the way its user would make it."""

from dataclasses import dataclass
from typing import Any

import openstack

NAME = "web-1"
_SECONDS = 300


@dataclass(frozen=True)
class CloudLogin:
    auth_url: str
    username: str
    password: str
    project: str


@dataclass(frozen=True)
class SourceServer:
    """`address` is the floating IP, where root logs in with the lab's key."""

    id: str
    name: str
    address: str


def create_source_server(
    login: CloudLogin, *, image: str, data_image: str, flavor: str, network: str, external: str, fixed_ip: str
) -> SourceServer:
    """Boots from a volume made of `image`, with a second volume made of `data_image`. Returns once it is
    ACTIVE.
    """
    cloud = openstack.connect(
        auth_url=login.auth_url,
        username=login.username,
        password=login.password,
        project_name=login.project,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    with cloud:
        volumes = [_volume(cloud, f"{NAME}-root", image), _volume(cloud, f"{NAME}-data", data_image)]
        for volume in volumes:
            cloud.block_storage.wait_for_status(volume, "available", ["error"], interval=0.3, wait=_SECONDS)
        subnet_id = cloud.network.find_network(network, ignore_missing=False).subnet_ids[0]
        port = cloud.network.create_port(
            name=NAME,
            network_id=cloud.network.find_network(network, ignore_missing=False).id,
            fixed_ips=[{"subnet_id": subnet_id, "ip_address": fixed_ip}],
        )
        server = cloud.compute.create_server(
            name=NAME,
            flavor_id=cloud.compute.find_flavor(flavor, ignore_missing=False).id,
            networks=[{"port": port.id}],
            block_device_mapping=[
                {
                    "boot_index": index,
                    "uuid": volume.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "delete_on_termination": False,
                }
                for index, volume in enumerate(volumes)
            ],
        )
        cloud.compute.wait_for_server(server, interval=0.5, wait=_SECONDS)
        external_id = cloud.network.find_network(external, ignore_missing=False).id
        address = cloud.network.create_ip(floating_network_id=external_id, port_id=port.id)
    return SourceServer(server.id, NAME, address.floating_ip_address)


def _volume(cloud: Any, name: str, image_name: str) -> Any:
    image = cloud.image.find_image(image_name, ignore_missing=False)
    size_gb = max(int(image.min_disk), 1)
    return cloud.block_storage.create_volume(name=name, size=size_gb, image_id=image.id)
