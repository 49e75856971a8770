"""What servers are made of: flavors, embedded in the server or looked up."""

from dataclasses import dataclass
from typing import Any

from coriolis.providers.openstack.client import OpenStackClient

EMBEDDED_SINCE = "2.47"
"""Nova's microversion; before, a server holds only the flavor's id."""


@dataclass(frozen=True, slots=True)
class ServerFlavor:
    """`disk_gb` is the local root disk's size in GiB, of servers that were booted from an image."""

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


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
            return ServerFlavor(name, embedded.vcpus, embedded.ram, embedded.disk or 0)
        return self.by_id(str(embedded.id))

    def by_id(self, flavor_id: str) -> ServerFlavor | None:
        if flavor_id not in self._known:
            found = self._client.optional(
                f"read flavor {flavor_id!r}", lambda: self._client.compute.get_flavor(flavor_id)
            )
            self._known[flavor_id] = None if found is None else _read(found)
        return self._known[flavor_id]


def _read(flavor: Any) -> ServerFlavor:
    return ServerFlavor(flavor.name, flavor.vcpus, flavor.ram, flavor.disk or 0)
