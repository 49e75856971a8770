"""What servers are made of: flavors, embedded in the server or looked up."""

from dataclasses import dataclass
from typing import Any

from coriolis.providers.openstack.client import OpenStackClient

EMBEDDED_SINCE = "2.47"
"""Nova's microversion; before, a server holds only the flavor's id."""


@dataclass(frozen=True, slots=True)
class ServerFlavor:
    """`disk_gb` is the local root disk's size in GiB, of servers that were booted from an image; `ephemeral_gb` and
    `swap_mb` those of local disks that Nova adds to any server."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0


class Flavors:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._known: dict[str, ServerFlavor | None] = {}

    def remember_all(self) -> None:
        """In one listing, for the servers of a cloud that does not embed them."""
        listed = self._client.rows("list flavors", lambda: self._client.compute.flavors(details=True))
        self._known |= {str(flavor.id): _read(flavor) for flavor in listed}

    def of(self, server: Any) -> ServerFlavor | None:
        """None for a flavor that was deleted since, on a cloud that does not embed it."""
        embedded = server.flavor  # once: openstacksdk makes a new object each time
        if embedded.vcpus is not None and embedded.ram:
            name = embedded.original_name or embedded.name or embedded.id
            return _shaped(name, embedded)
        return self.by_id(str(embedded.id))

    def by_id(self, flavor_id: str) -> ServerFlavor | None:
        if flavor_id not in self._known:
            found = self._client.optional(
                f"read flavor {flavor_id!r}", lambda: self._client.compute.get_flavor(flavor_id)
            )
            self._known[flavor_id] = None if found is None else _read(found)
        return self._known[flavor_id]


def _read(flavor: Any) -> ServerFlavor:
    return _shaped(flavor.name, flavor)


def _shaped(name: str, flavor: Any) -> ServerFlavor:
    """No swap is an empty text before Nova's 2.75."""
    local = (flavor.disk or 0, flavor.ephemeral or 0, flavor.swap or 0)
    return ServerFlavor(name, flavor.vcpus, flavor.ram, *(int(size) for size in local))
