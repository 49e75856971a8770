"""What a server is waited for and asked about, whoever made it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from coriolis.errors import CloudError
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience, wait_until
from coriolis.providers.openstack.client import OpenStackClient


class Servers:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client

    def get(self, server_id: str) -> Any | None:
        """None where it is gone."""
        read = partial(self._client.compute.get_server, server_id)
        return self._client.optional(f"read server {server_id}", read)

    def wait_active(self, op: Operation, server_id: str, action: str) -> None:
        """`action` is an infinitive for messages. Raises CloudError with Nova's reason for ERROR."""
        compute = self._client.compute

        def look() -> bool | None:
            server = self._client.call(f"read server {server_id}", lambda: compute.get_server(server_id))
            if server.status == "ERROR":
                fault = (server.fault or {}).get("message", "Nova gives no reason")
                reason = f"server {server.name} is in ERROR: {fault}"
                raise CloudError(cloud=self._client.cloud, action=action, reason=reason)
            return True if server.status == "ACTIVE" else None

        self._wait(op, look, self._client.patience, action)

    def wait_idle(self, op: Operation, server_id: str, action: str) -> None:
        """Until no task of Nova's holds it: it refuses another one meanwhile."""
        compute = self._client.compute

        def look() -> bool | None:
            server = self._client.call(f"read server {server_id}", lambda: compute.get_server(server_id))
            return True if server.task_state is None else None

        self._wait(op, look, self._client.patience, action)

    def detach(self, op: Operation, server_id: str, volume_id: str, patience: Patience) -> None:
        """Asks for it and waits until Cinder has the volume back. Raises CloudTimeout, Conflict."""
        compute, storage = self._client.compute, self._client.storage
        action = f"detach volume {volume_id} from server {server_id}"
        self._client.optional(action, lambda: compute.delete_volume_attachment(server_id, volume_id))

        def look() -> bool | None:
            volume = self._client.optional(f"read volume {volume_id}", lambda: storage.get_volume(volume_id))
            return True if volume is None or volume.status == "available" else None

        self._wait(op, look, patience, action)

    def _wait(self, op: Operation, look: Callable[[], Any], patience: Patience, action: str) -> None:
        wait_until(op, look, patience, cloud=self._client.cloud, action=action)
