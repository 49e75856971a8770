"""Pages of instances, from clouds with thousands of them in a number of requests that does not follow theirs.

Servers and volumes are read as plain JSON: an object of openstacksdk takes milliseconds to make, thousands of them
minutes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from openstack import exceptions, utils

from coriolis.model.enums import OsType
from coriolis.model.instance import InstanceSummary
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.flavors import EMBEDDED_SINCE, Flavors, ServerFlavor
from coriolis.providers.openstack.guests import GuestTypes, boot_order, firmware_of, is_running
from coriolis.providers.openstack.images import Images
from coriolis.providers.openstack.pages import read_pages

GIB = 1 << 30
_FEW_VOLUMES = 10  # read one by one; more of them cost less as pages of 1,000 of all the project's volumes

Json = Mapping[str, Any]


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
        images = self._images.by_id(filter(None, map(_image_id, servers)))
        if any("vcpus" not in server["flavor"] for server in servers):
            self._flavors.remember_all()
        found = []
        for server in servers:
            attached = boot_order(volumes.get(server["id"], []), bootable=_is_bootable)
            image = images.get(_image_id(server))
            metadata = image.properties if image else _boot_metadata(attached)
            found.append(self._summary(server, attached, metadata))
        return found

    def _servers(self, marker: str | None, limit: int | None, name: str | None) -> list[Json]:
        """Sorted and cut by Nova. Of a marker whose server is gone meanwhile, it says 400: then all are read."""
        query: dict[str, Any] = {"sort_key": "uuid", "sort_dir": "asc"}
        if name:
            query["name"] = re.escape(name)  # a regular expression, found anywhere in the name
        after = {"marker": marker} if marker else {}
        cut = {"limit": limit} if limit else {}
        nova = self._client.compute
        version = utils.maximum_supported_microversion(nova, EMBEDDED_SINCE)
        pages = partial(read_pages, nova, "/servers/detail", "servers", microversion=version)

        def read() -> list[Json]:
            try:
                return list(islice(pages({**query, **after, **cut}), limit))
            except exceptions.BadRequestException:
                if marker is None:
                    raise
                later = (server for server in pages(query) if server["id"] > marker)
                return list(islice(later, limit))

        return self._client.call("list servers", read)

    def _volumes(self, servers: Sequence[Json]) -> dict[str, list[tuple[str, Json]]]:
        """(device, volume) by server."""
        cinder = self._client.storage
        wanted = [str(v["id"]) for s in servers for v in s.get("os-extended-volumes:volumes_attached", ())]
        volumes: Iterable[Json]
        if len(wanted) <= _FEW_VOLUMES:
            volumes = self._few_volumes(wanted)
        else:
            volumes = self._client.rows(
                "list volumes", lambda: read_pages(cinder, "/volumes/detail", "volumes", {})
            )
        found: dict[str, list[tuple[str, Json]]] = {}
        for volume in volumes:
            for attachment in volume.get("attachments") or ():
                pair = (attachment.get("device") or "", volume)
                found.setdefault(attachment["server_id"], []).append(pair)
        return found

    def _few_volumes(self, volume_ids: Iterable[str]) -> Iterator[Json]:
        cinder = self._client.storage

        def read(volume_id: str) -> Json:
            answer = cinder.get(f"/volumes/{volume_id}")
            exceptions.raise_from_response(answer)
            volume: Json = answer.json()["volume"]
            return volume

        for volume_id in volume_ids:
            found = self._client.optional(f"read volume {volume_id!r}", partial(read, volume_id))
            if found is not None:
                yield found

    def _summary(
        self, server: Json, attached: Sequence[tuple[str, Json]], metadata: Mapping[str, str]
    ) -> InstanceSummary:
        flavor = self._flavor(server["flavor"])
        sizes = [volume["size"] * GIB for _, volume in attached]
        if _image_id(server) and flavor is not None:
            sizes.insert(0, flavor.disk_gb * GIB)
        return InstanceSummary(
            id=server["id"],
            name=server["name"],
            num_cpu=flavor.vcpus if flavor else 0,
            memory_mb=flavor.ram_mb if flavor else 0,
            os_type=self._guests.os_type(metadata),
            firmware=firmware_of(metadata),
            flavor_name=flavor.name if flavor else server["flavor"]["id"],
            running=is_running(server["status"]),
            disk_sizes_bytes=tuple(sizes),
            network_names=tuple(server.get("addresses") or ()),
        )

    def _flavor(self, shown: Json) -> ServerFlavor | None:
        if "vcpus" in shown:
            return ServerFlavor(shown["original_name"], shown["vcpus"], shown["ram"], shown["disk"])
        return self._flavors.by_id(shown["id"])


def _image_id(server: Json) -> str:
    """Nova answers with an empty string for a server that was booted from a volume."""
    return str(server["image"]["id"]) if server.get("image") else ""


def _is_bootable(volume: Json) -> bool:
    return volume.get("bootable") == "true"


def _boot_metadata(attached: Sequence[tuple[str, Json]]) -> Mapping[str, str]:
    """What the boot volume kept of its image's properties."""
    return (attached[0][1].get("volume_image_metadata") or {}) if attached else {}
