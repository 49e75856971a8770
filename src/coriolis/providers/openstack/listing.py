"""Pages of instances, from clouds with thousands of them in a number of requests that does not follow theirs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from openstack import exceptions

from coriolis.model.enums import OsType
from coriolis.model.instance import InstanceSummary
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.flavors import Flavors, is_embedded
from coriolis.providers.openstack.guests import GuestTypes, boot_order, firmware_of, image_id_of, is_running
from coriolis.providers.openstack.images import Images

GIB = 1 << 30
_FEW_VOLUMES = 10  # read one by one; more of them cost less as pages of 1,000 of all the project's volumes


class Listing:
    def __init__(self, client: OpenStackClient, os_types: Mapping[str, OsType]) -> None:
        self._client = client
        self._guests = GuestTypes(os_types)
        self._flavors = Flavors(client)
        self._images = Images(client)

    def page(
        self, *, marker: str | None = None, limit: int | None = None, name: str | None = None
    ) -> list[InstanceSummary]:
        """Ordered by id. Besides the pages of servers: those of volumes, a request for 50 images, one for flavors."""
        servers = self._servers(marker, limit, name)
        volumes = self._volumes(servers)
        images = self._images.by_id(filter(None, map(image_id_of, servers)))
        if not all(map(is_embedded, servers)):
            self._flavors.remember_all()
        found = []
        for server in servers:
            attached = boot_order(volumes.get(server.id, []))
            image = images.get(image_id_of(server))
            metadata = image.properties if image else _boot_metadata(attached)
            found.append(self._summary(server, attached, metadata))
        return found

    def _servers(self, marker: str | None, limit: int | None, name: str | None) -> list[Any]:
        """Sorted and cut by Nova. Of a marker whose server is gone meanwhile, it says 400: then all are read."""
        query: dict[str, Any] = {"sort_key": "uuid", "sort_dir": "asc"}
        if name:
            query["name"] = re.escape(name)  # a regular expression, found anywhere in the name
        servers = self._client.compute.servers

        def read() -> list[Any]:
            rest = query if marker is None else {**query, "marker": marker}
            pages = servers(details=True, **rest) if limit is None else servers(True, limit=limit, **rest)
            try:
                return list(islice(pages, limit))
            except exceptions.BadRequestException:
                if marker is None:
                    raise
                later = (server for server in servers(details=True, **query) if server.id > marker)
                return list(islice(later, limit))

        return self._client.call("list servers", read)

    def _volumes(self, servers: Sequence[Any]) -> dict[str, list[tuple[str, Any]]]:
        """(device, volume) by server."""
        storage = self._client.storage
        wanted = [str(volume["id"]) for server in servers for volume in server.attached_volumes or ()]
        volumes: Iterable[Any]
        if len(wanted) <= _FEW_VOLUMES:
            read = [
                self._client.optional(f"read volume {id_!r}", partial(storage.get_volume, id_))
                for id_ in wanted
            ]
            volumes = filter(None, read)
        else:
            volumes = self._client.rows("list volumes", lambda: storage.volumes(details=True))
        found: dict[str, list[tuple[str, Any]]] = {}
        for volume in volumes:
            for attachment in volume.attachments or ():
                found.setdefault(attachment["server_id"], []).append((attachment["device"] or "", volume))
        return found

    def _summary(
        self, server: Any, attached: Sequence[tuple[str, Any]], metadata: Mapping[str, str]
    ) -> InstanceSummary:
        flavor = self._flavors.of(server)
        sizes = [volume.size * GIB for _, volume in attached]
        if image_id_of(server) and flavor is not None:
            sizes.insert(0, flavor.disk_gb * GIB)
        return InstanceSummary(
            id=server.id,
            name=server.name,
            num_cpu=flavor.vcpus if flavor else 0,
            memory_mb=flavor.ram_mb if flavor else 0,
            os_type=self._guests.os_type(metadata),
            firmware=firmware_of(metadata),
            flavor_name=flavor.name if flavor else str(server.flavor.id),
            running=is_running(server),
            disk_sizes_bytes=tuple(sizes),
            network_names=tuple(server.addresses or ()),
        )


def _boot_metadata(attached: Sequence[tuple[str, Any]]) -> Mapping[str, str]:
    """What the boot volume kept of its image's properties."""
    found: Mapping[str, str] = (attached[0][1].volume_image_metadata or {}) if attached else {}
    return found
