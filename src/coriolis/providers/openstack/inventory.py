"""Servers, flavors, volumes and ports as the model's instances."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from coriolis.errors import NotFound
from coriolis.model.enums import OsType
from coriolis.model.instance import Disk, Instance, Network, Nic
from coriolis.providers.openstack.block_storage import gib
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.flavors import Flavors, ServerFlavor
from coriolis.providers.openstack.guests import GuestTypes, boot_order, firmware_of, image_id_of, is_running
from coriolis.providers.openstack.images import Image, Images
from coriolis.providers.openstack.lookup import Lookup

GIB = 1 << 30
EPHEMERAL_PREFIX = "ephemeral-"
"""Begins the disk id of a local (not Cinder) disk of a server, which has no id of its own."""


class Inventory:
    def __init__(self, client: OpenStackClient, os_types: Mapping[str, OsType]) -> None:
        """`os_types`: the user's os_distro to OS type, over the built-in ones."""
        self._client = client
        self._lookup = Lookup(client)
        self._guests = GuestTypes(os_types)
        self._flavors = Flavors(client)
        self._images = Images(client)

    def networks(self) -> list[Network]:
        found = self._client.rows("list networks", self._client.network.networks)
        return sorted((Network(n.id, n.name) for n in found), key=lambda network: network.name)

    def instance(self, name_or_id: str) -> Instance:
        server = self._lookup.server(name_or_id)
        flavor = self._flavors.of(server)
        if flavor is None:
            kind = f"{self._client.cloud}: the flavor of instance {server.name!r}, which was deleted:"
            raise NotFound(kind=kind, name=server.flavor.id)
        attached = self._attached_volumes(server)
        image = self._image(server)
        metadata = _metadata(image, attached)
        return Instance(
            id=server.id,
            name=server.name,
            num_cpu=flavor.vcpus,
            memory_mb=flavor.ram_mb,
            os_type=self._guests.os_type(metadata),
            firmware=firmware_of(metadata),
            disks=_disks(server, flavor, image, [volume for _, volume in attached]),
            nics=self._nics(server),
            flavor_name=flavor.name,
            secure_boot=metadata.get("os_secure_boot") == "required",
            tpm="hw_tpm_version" in metadata,
            running=is_running(server.status),
            left_behind=tuple(_left_behind(server, flavor)),
        )

    def image_metadata(self, server: Any) -> Mapping[str, Any]:
        """Image properties that a server was booted with, as far as its image or boot volume still has them."""
        return _metadata(self._image(server), self._attached_volumes(server))

    def _image(self, server: Any) -> Image | None:
        """None where the server was not booted from an image, or the image was deleted since."""
        image_id = image_id_of(server)
        return self._images.get(image_id) if image_id else None

    def _attached_volumes(self, server: Any) -> list[tuple[str, Any]]:
        compute, storage = self._client.compute, self._client.storage
        attachments = self._client.rows(
            f"list volumes of server {server.name!r}", lambda: compute.volume_attachments(server.id)
        )
        found = []
        for attachment in attachments:
            read = partial(storage.get_volume, attachment.volume_id)
            volume = self._client.call(f"read volume {attachment.volume_id!r}", read)
            found.append((attachment.device or "", volume))
        return boot_order(found, bootable=lambda volume: bool(volume.is_bootable))

    def _nics(self, server: Any) -> tuple[Nic, ...]:
        network = self._client.network
        ports = self._client.rows(
            f"list ports of server {server.name!r}", lambda: network.ports(device_id=server.id)
        )
        names = {network.id: network.name for network in self.networks()}
        return tuple(
            Nic(
                network_name=names.get(port.network_id, port.network_id),
                mac_address=port.mac_address,
                id=port.id,
                network_id=port.network_id,
                ip_addresses=tuple(ip["ip_address"] for ip in port.fixed_ips or ()),
                floating_ips=self._floating_ips(port),
            )
            # Nova creates the ports in the order of the request, which is the order in the guest
            for port in sorted(ports, key=lambda port: (port.created_at or "", port.id))
        )

    def _floating_ips(self, port: Any) -> tuple[str, ...]:
        """None on a cloud without routers, whose Neutron lacks the extension."""
        network = self._client.network
        found = self._client.optional(
            f"list floating IPs of port {port.id}", lambda: list(network.ips(port_id=port.id))
        )
        return tuple(ip.floating_ip_address for ip in found or ())


def _metadata(image: Image | None, attached: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    """Image properties: of the image, or what the boot volume kept of it."""
    if image is not None:
        return image.properties
    return (attached[0][1].volume_image_metadata or {}) if attached else {}


def _disks(
    server: Any, flavor: ServerFlavor, image: Image | None, volumes: Sequence[Any]
) -> tuple[Disk, ...]:
    local = []
    if image_id_of(server):
        least = max(image.min_disk_gb, gib(image.virtual_size)) if image else 0
        size = (flavor.disk_gb or least) * GIB  # a flavor with 0 leaves the disk as large as the image
        local.append(Disk(f"{EPHEMERAL_PREFIX}{server.id}-root", size, 0, bootable=True))
    first = len(local)
    return (
        *local,
        *(
            Disk(
                id=volume.id,
                size_bytes=volume.size * GIB,
                unit_number=number,
                bootable=number == 0,
                storage_backend=volume.volume_type,
            )
            for number, volume in enumerate(volumes, start=first)
        ),
    )


def is_local(disk: Disk) -> bool:
    """Of Nova's own, and no Cinder volume."""
    return disk.id.startswith(EPHEMERAL_PREFIX)


def _left_behind(server: Any, flavor: ServerFlavor) -> Iterator[str]:
    """Nova makes images of root disks only, and a server cannot be asked for what else it has."""
    if flavor.ephemeral_gb:
        yield (
            f"The ephemeral disk of {flavor.ephemeral_gb} GiB that flavor {flavor.name!r} gives instance "
            f"{server.name!r} is not transferred: what must not be lost has to be moved to a volume first."
        )
    if flavor.swap_mb:
        yield (
            f"The swap disk of {flavor.swap_mb} MiB that flavor {flavor.name!r} gives instance {server.name!r} is not "
            "transferred: the migrated guest starts without it."
        )
    if server.has_config_drive:
        yield (
            f"The config drive of instance {server.name!r} is not transferred: the destination makes one of its own "
            "where its environment has use_config_drive."
        )
