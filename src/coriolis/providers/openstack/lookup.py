"""Finding images, flavors, networks and servers by what users call them: a name or an id."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from coriolis.errors import InstanceAmbiguous, InstanceNotFound, InvalidInput
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.images import Image, Images


class Lookup:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client

    def image(self, name_or_id: str) -> Image:
        images = Images(self._client)
        found: Image = self._one(
            "image", name_or_id, lambda: images.get(name_or_id), lambda: images.named(name_or_id)
        )
        return found

    def flavor(self, name_or_id: str) -> Any:
        compute = self._client.compute
        return self._one(
            "flavor",
            name_or_id,
            lambda: compute.get_flavor(name_or_id),
            lambda: compute.flavors(details=True),
        )

    def network(self, name_or_id: str, *, external: bool = False) -> Any:
        networks = self._client.network
        found = self._one(
            "floating IP pool" if external else "network",
            name_or_id,
            lambda: networks.get_network(name_or_id),
            lambda: networks.networks(name=name_or_id),
        )
        if external and not found.is_router_external:
            raise InvalidInput(message=f"{self._client.cloud}: network {name_or_id!r} is not external.")
        return found

    def subnet(self, network: Any, name_or_id: str) -> Any:
        """Of one network."""
        networks = self._client.network
        return self._one(
            f"subnet of network {network.name!r}",
            name_or_id,
            lambda: networks.get_subnet(name_or_id),
            lambda: networks.subnets(network_id=network.id),
        )

    def security_group(self, name_or_id: str) -> Any:
        """Of the project: to an administrator Neutron lists those of all, and every one has a `default`."""
        networks = self._client.network
        project = {"project_id": self._client.project_id}
        return self._one(
            "security group",
            name_or_id,
            lambda: networks.get_security_group(name_or_id),
            lambda: networks.security_groups(**project),
        )

    def server_group(self, name_or_id: str) -> Any:
        compute = self._client.compute
        return self._one(
            "server group",
            name_or_id,
            lambda: compute.get_server_group(name_or_id),
            compute.server_groups,
        )

    def volume_type(self, name_or_id: str) -> Any:
        volumes = self._client.storage
        return self._one("volume type", name_or_id, lambda: volumes.get_type(name_or_id), volumes.types)

    def server(self, name_or_id: str) -> Any:
        """Raises InstanceNotFound or InstanceAmbiguous."""
        compute = self._client.compute
        found = None
        if _may_be_id(name_or_id):
            found = self._client.optional(
                f"read server {name_or_id!r}", lambda: compute.get_server(name_or_id)
            )
        if found is not None:
            return found
        pattern = f"^{re.escape(name_or_id)}$"  # Nova filters names by regular expression
        listed = self._client.rows("list servers", lambda: compute.servers(name=pattern))
        named = [server for server in listed if server.name == name_or_id]
        endpoint = self._client.endpoint_name
        if not named:
            raise InstanceNotFound(name=name_or_id, endpoint=endpoint)
        if len(named) > 1:
            ids = ", ".join(sorted(server.id for server in named))
            raise InstanceAmbiguous(name=name_or_id, endpoint=endpoint, count=len(named), ids=ids)
        return named[0]

    def _one(
        self,
        kind: str,
        name_or_id: str,
        get: Callable[[], Any],
        listing: Callable[[], Iterable[Any]],
    ) -> Any:
        """By name first: an id is hardly ever somebody's name, and flavor ids may be any text."""
        listed = self._client.rows(f"list {kind}s", listing)
        named = [item for item in listed if item.name == name_or_id]
        if len(named) > 1:
            raise InvalidInput(
                message=f"{self._client.cloud}: {len(named)} {kind}s are named {name_or_id!r}: give the id."
            )
        if named:
            return named[0]
        found = next((item for item in listed if item.id == name_or_id), None)
        if found is None and _may_be_id(name_or_id):
            found = self._client.optional(f"read {kind} {name_or_id!r}", get)
        if found is None:
            raise InvalidInput(message=f"{self._client.cloud} has no {kind} {name_or_id!r}.")
        return found


def _may_be_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text) is not None
