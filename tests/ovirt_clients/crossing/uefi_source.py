"""A server of the embedded OpenStack that boots by UEFI and has three disks and two NICs."""

from dataclasses import dataclass
from typing import Any

from demo.guest import Guest

from coriolis_lab.guests.recipes import SOURCE_ADDRESS
from coriolis_lab.world import DATA_CENTER, SOURCE_FLAVOR, World
from tests.e2e.clouds import Clouds

NAME = "uefi-1"
_FRONT, _BACK = "uefi-front", "uefi-back"
_SECONDS = 300


@dataclass(frozen=True)
class UefiSource:
    world: World
    guest: Guest
    volumes: tuple[str, ...]
    macs: tuple[str, ...]
    network_map: dict[str, str]

    def digests(self) -> list[str]:
        """SHA-256 of its disks; the server must be off."""
        return [self.world.openstack_hypervisor.disk_digest(volume) for volume in self.volumes]


def make_uefi_source(world: World, clouds: Clouds, external: str) -> UefiSource:
    """Its system was installed with a static address, which is that of the lab's other server: so it gets a network of
    its own."""
    cloud = clouds.openstack()
    assert world.openstack is not None
    assert world.ovirt is not None
    project = cloud.current_project_id
    world.openstack.add_network(_FRONT, "10.20.0.0/24", project_id=project)
    world.openstack.add_network(_BACK, "10.22.0.0/24", project_id=project)
    world.ovirt.add_network(_BACK, DATA_CENTER, "10.32.0.0/24")
    volumes = tuple(
        _volume(cloud, f"{NAME}-{number}", image)
        for number, image in enumerate(("debian-12-source-uefi", "web-data", None))
    )
    ports = [_port(cloud, _FRONT, SOURCE_ADDRESS), _port(cloud, _BACK)]
    server = cloud.compute.create_server(
        name=NAME,
        flavor_id=cloud.compute.find_flavor(SOURCE_FLAVOR).id,
        networks=[{"port": port.id} for port in ports],
        block_device_mapping=[
            {"boot_index": number, "uuid": volume, "source_type": "volume", "destination_type": "volume"}
            for number, volume in enumerate(volumes)
        ],
    )
    cloud.compute.wait_for_server(server, interval=0.5, wait=_SECONDS)
    pool = cloud.network.find_network(external).id
    address = cloud.network.create_ip(floating_network_id=pool, port_id=ports[0].id)
    return UefiSource(
        world=world,
        guest=Guest(address.floating_ip_address, clouds.guest.user, clouds.guest.key),
        volumes=volumes,
        macs=tuple(port.mac_address for port in ports),
        network_map={_FRONT: next(iter(clouds.network_map.values())), _BACK: _BACK},
    )


def _volume(cloud: Any, name: str, image_name: str | None) -> str:
    image = cloud.image.find_image(image_name) if image_name else None
    origin = {"size": max(int(image.min_disk), 1), "image_id": image.id} if image else {"size": 1}
    volume = cloud.block_storage.create_volume(name=name, **origin)
    cloud.block_storage.wait_for_status(volume, "available", ["error"], interval=0.3, wait=_SECONDS)
    return str(volume.id)


def _port(cloud: Any, network_name: str, address: str | None = None) -> Any:
    network = cloud.network.find_network(network_name)
    fixed = {"fixed_ips": [{"subnet_id": network.subnet_ids[0], "ip_address": address}]} if address else {}
    return cloud.network.create_port(name=f"{NAME}-{network_name}", network_id=network.id, **fixed)
