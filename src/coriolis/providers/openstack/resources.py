"""Servers and what they need besides volumes, each with its row in the ledger and found again by its name."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, remove_resource
from coriolis.providers.openstack.client import OpenStackClient

Find = Callable[[], Iterable[str]]


class Resources:
    """`ensure_*` create or adopt and give the id; `delete_*` remove what the ledger holds under the name.

    Attributes are openstacksdk's.
    """

    def __init__(self, client: OpenStackClient) -> None:
        self._client = client

    def ensure_key_pair(self, op: Operation, name: str, public_key: str) -> str:
        compute = self._client.compute

        def create() -> str:
            return str(compute.create_keypair(name=name, public_key=public_key).name)

        find = partial(self._key_pairs, name)
        return self._ensure(
            op, ResourceKind.KEYPAIR, name, find=find, create=create, delete=compute.delete_keypair
        )

    def ensure_security_group(self, op: Operation, name: str, description: str) -> str:
        network = self._client.network

        def create() -> str:
            return str(network.create_security_group(name=name, description=description).id)

        find = partial(self._network_ids, "security_groups", name=name)
        delete = network.delete_security_group
        return self._ensure(op, ResourceKind.SECURITY_GROUP, name, find=find, create=create, delete=delete)

    def ensure_port(self, op: Operation, name: str, attributes: Mapping[str, Any]) -> str:
        network = self._client.network

        def create() -> str:
            return str(network.create_port(name=name, **attributes).id)

        find = partial(self._network_ids, "ports", name=name)
        return self._ensure(op, ResourceKind.PORT, name, find=find, create=create, delete=network.delete_port)

    def ensure_floating_ip(self, op: Operation, name: str, attributes: Mapping[str, Any]) -> str:
        """Floating IPs have no name: the description stands for it."""
        network = self._client.network

        def create() -> str:
            return str(network.create_ip(description=name, **attributes).id)

        find = partial(self._network_ids, "ips", description=name)
        return self._ensure(
            op, ResourceKind.FLOATING_IP, name, find=find, create=create, delete=network.delete_ip
        )

    def ensure_server(
        self, op: Operation, name: str, attributes: Mapping[str, Any], find: Find | None = None
    ) -> str:
        """`find`: for servers that are called otherwise than their row in the ledger."""
        compute = self._client.compute

        def create() -> str:
            return str(compute.create_server(**{"name": name, **attributes}).id)

        seek = find or partial(self._servers, name)
        return self._ensure(
            op, ResourceKind.SERVER, name, find=seek, create=create, delete=compute.delete_server
        )

    def server_ids(self, op: Operation, name: str, find: Find | None = None) -> list[str]:
        """Of what the ledger holds under `name`: the id it knows, and what carries the name on the cloud."""
        row = op.ledger.find(ResourceKind.SERVER, name)
        if row is None:
            return []
        known = [row.cloud_id] if row.cloud_id else []
        return list(dict.fromkeys([*known, *(find or partial(self._servers, name))()]))

    def delete_server(self, op: Operation, name: str, find: Find | None = None) -> None:
        compute = self._client.compute
        seek = find or partial(self._servers, name)
        self._remove(
            op, ResourceKind.SERVER, name, find=seek, delete=compute.delete_server, get=compute.get_server
        )

    def delete_floating_ip(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "ips", description=name)
        self._remove(
            op, ResourceKind.FLOATING_IP, name, find=find, delete=network.delete_ip, get=network.get_ip
        )

    def delete_port(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "ports", name=name)
        self._remove(op, ResourceKind.PORT, name, find=find, delete=network.delete_port, get=network.get_port)

    def delete_security_group(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "security_groups", name=name)
        delete, get = network.delete_security_group, network.get_security_group
        self._remove(op, ResourceKind.SECURITY_GROUP, name, find=find, delete=delete, get=get)

    def delete_key_pair(self, op: Operation, name: str) -> None:
        compute = self._client.compute
        find = partial(self._key_pairs, name)
        self._remove(
            op, ResourceKind.KEYPAIR, name, find=find, delete=compute.delete_keypair, get=compute.get_keypair
        )

    def _servers(self, name: str) -> list[str]:
        compute = self._client.compute
        pattern = f"^{re.escape(name)}$"  # Nova filters names by regular expression
        listed = self._client.rows("list servers", lambda: compute.servers(details=False, name=pattern))
        return [server.id for server in listed if server.name == name]

    def _key_pairs(self, name: str) -> list[str]:
        read = partial(self._client.compute.get_keypair, name)
        return [name] if self._client.optional("read key pair", read) is not None else []

    def _network_ids(self, collection: str, **query: str) -> list[str]:
        listing = getattr(self._client.network, collection)
        return [item.id for item in self._client.rows(f"list {collection}", lambda: listing(**query))]

    def _ensure(
        self,
        op: Operation,
        kind: ResourceKind,
        name: str,
        *,
        find: Find,
        create: Callable[[], str],
        delete: Callable[[str], Any],
    ) -> str:
        what = kind.replace("_", " ")
        return create_resource(
            op,
            kind,
            name,
            find=lambda: next(iter(find()), None),
            create=lambda: self._client.call(f"create {what} {name}", create, idempotent=False),
            discard=lambda id_: self._client.call("delete what was made twice", lambda: delete(id_)),
        )

    def _remove(
        self,
        op: Operation,
        kind: ResourceKind,
        name: str,
        *,
        find: Find,
        delete: Callable[[str], Any],
        get: Callable[[str], Any],
    ) -> None:
        what = kind.replace("_", " ")
        remove_resource(
            op,
            kind,
            name,
            find=find,
            delete=lambda id_: self._client.call(f"delete {what} {name}", lambda: delete(id_)),
            exists=lambda id_: self._client.optional(f"read {what}", lambda: get(id_)) is not None,
            patience=self._client.patience,
            cloud=self._client.cloud,
        )
