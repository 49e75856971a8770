"""Servers, flavors, volumes and ports as the model's instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Disk, Instance, InstanceSummary, Network, Nic
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.lookup import Lookup

GIB = 1 << 30
EPHEMERAL_PREFIX = "ephemeral-"
"""Begins the disk id of a local (not Cinder) disk of a server, which has no id of its own."""

_RUNNING = frozenset({"ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
# os_distro values, as Glance's metadata definitions have them, that are no Linux.
_OS_TYPES = {
    "windows": OsType.WINDOWS,
    "freebsd": OsType.BSD,
    "netbsd": OsType.BSD,
    "openbsd": OsType.BSD,
    "solaris": OsType.SOLARIS,
    "opensolaris": OsType.SOLARIS,
}


@dataclass(frozen=True, slots=True)
class _Flavor:
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


class Inventory:
    def __init__(self, client: OpenStackClient, os_types: Mapping[str, OsType]) -> None:
        """`os_types`: the user's os_distro to OS type, over the built-in ones."""
        self._client = client
        self._lookup = Lookup(client)
        self._os_types = {**_OS_TYPES, **os_types}
        self._flavors: dict[str, _Flavor] = {}
        self._images: dict[str, Any] = {}

    def networks(self) -> list[Network]:
        found = self._client.rows("list networks", self._client.network.networks)
        return sorted((Network(n.id, n.name) for n in found), key=lambda network: network.name)

    def summaries(self) -> list[InstanceSummary]:
        """Two requests for all servers, whatever their number (and one per distinct image)."""
        servers = self._client.rows("list servers", lambda: self._client.compute.servers(details=True))
        volumes = self._client.rows("list volumes", lambda: self._client.storage.volumes(details=True))
        attached: dict[str, list[tuple[str, Any]]] = {}
        for volume in volumes:
            for attachment in volume.attachments or ():
                attached.setdefault(attachment["server_id"], []).append((attachment["device"] or "", volume))
        return sorted(
            (self._summary(server, attached.get(server.id, [])) for server in servers), key=lambda s: s.id
        )

    def instance(self, name_or_id: str) -> Instance:
        server = self._lookup.server(name_or_id)
        flavor = self._flavor(server)
        attached = self._attached_volumes(server)
        metadata = self._metadata(server, attached)
        return Instance(
            id=server.id,
            name=server.name,
            num_cpu=flavor.vcpus,
            memory_mb=flavor.ram_mb,
            os_type=self._os_type(metadata),
            firmware=_firmware(metadata),
            disks=self._disks(server, flavor, [volume for _, volume in attached]),
            nics=self._nics(server),
            flavor_name=flavor.name,
            secure_boot=metadata.get("os_secure_boot") == "required",
            tpm="hw_tpm_version" in metadata,
            running=server.status in _RUNNING,
        )

    def _summary(self, server: Any, attached: Sequence[tuple[str, Any]]) -> InstanceSummary:
        flavor = self._flavor(server)
        metadata = self._metadata(server, _boot_order(attached))
        return InstanceSummary(
            id=server.id,
            name=server.name,
            num_cpu=flavor.vcpus,
            memory_mb=flavor.ram_mb,
            os_type=self._os_type(metadata),
            firmware=_firmware(metadata),
            flavor_name=flavor.name,
        )

    def _flavor(self, server: Any) -> _Flavor:
        """Embedded in the server since microversion 2.47; before, only its id is."""
        embedded = server.flavor
        if embedded.vcpus is not None and embedded.ram:
            name = embedded.original_name or embedded.name or embedded.id
            return _Flavor(name, embedded.vcpus, embedded.ram, embedded.disk or 0)
        if embedded.id not in self._flavors:
            full = self._client.call(
                f"read flavor {embedded.id!r}", lambda: self._client.compute.get_flavor(embedded.id)
            )
            self._flavors[embedded.id] = _Flavor(full.name, full.vcpus, full.ram, full.disk or 0)
        return self._flavors[embedded.id]

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
        return _boot_order(found)

    def _metadata(self, server: Any, attached: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
        """Image properties: of the image, or what the boot volume kept of it."""
        if _image_id(server):
            return self._image_properties(_image_id(server))
        return (attached[0][1].volume_image_metadata or {}) if attached else {}

    def _image_properties(self, image_id: str) -> Mapping[str, Any]:
        if image_id not in self._images:
            image = self._client.optional(
                f"read image {image_id!r}", lambda: self._client.image.get_image(image_id)
            )
            self._images[image_id] = {} if image is None else _flat(image)
        found: Mapping[str, Any] = self._images[image_id]
        return found

    def _os_type(self, metadata: Mapping[str, Any]) -> OsType:
        stated = str(metadata.get("os_type") or "").lower()
        if stated in set(OsType):
            return OsType(stated)
        return self._os_types.get(str(metadata.get("os_distro") or "").lower(), OsType.LINUX)

    def _disks(self, server: Any, flavor: _Flavor, volumes: Sequence[Any]) -> tuple[Disk, ...]:
        local = []
        if _image_id(server):
            minimum = int(self._image_properties(_image_id(server)).get("min_disk") or 0)
            size = max(flavor.disk_gb, minimum) * GIB
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

    def _nics(self, server: Any) -> tuple[Nic, ...]:
        sdk = self._client.sdk
        ports = self._client.rows(
            f"list ports of server {server.name!r}", lambda: sdk.network.ports(device_id=server.id)
        )
        names = {network.id: network.name for network in self.networks()}
        return tuple(
            Nic(
                network_name=names.get(port.network_id, port.network_id),
                mac_address=port.mac_address,
                id=port.id,
                network_id=port.network_id,
                ip_addresses=tuple(ip["ip_address"] for ip in port.fixed_ips or ()),
            )
            # Nova creates the ports in the order of the request, which is the order in the guest
            for port in sorted(ports, key=lambda port: (port.created_at or "", port.id))
        )


def _boot_order(attached: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """(device, volume) pairs in boot order: by device name (vdb before vdaa), else bootable first."""
    return sorted(attached, key=lambda pair: (not pair[0], len(pair[0]), pair[0], not pair[1].is_bootable))


def _image_id(server: Any) -> str:
    """Empty for a server that was booted from a volume: Nova then answers with an empty string as image,
    which the SDK gives as an empty dict."""
    return str(server.image.id) if server.image else ""


def _flat(image: Any) -> dict[str, Any]:
    """The SDK spreads an image's properties over attributes of its own and `properties`."""
    found = {k: v for k, v in image.to_dict().items() if v is not None and k != "properties"}
    return {**found, **(image.properties or {})}


def _firmware(metadata: Mapping[str, Any]) -> Firmware:
    """`hw_machine_type=hyperv-gen2` is how Hyper-V hosts are asked for UEFI."""
    efi = metadata.get("hw_firmware_type") == "uefi" or metadata.get("hw_machine_type") == "hyperv-gen2"
    return Firmware.EFI if efi else Firmware.BIOS
