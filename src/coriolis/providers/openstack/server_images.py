"""What Nova's createImage makes of a server: an image of its local root disk, or snapshots of its volumes."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from coriolis.errors import CloudError
from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import (
    Patience,
    create_resource,
    delete_and_wait,
    remove_resource,
    wait_until,
)
from coriolis.providers.openstack.block_storage import Volumes
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.images import Image, Images
from coriolis.providers.openstack.servers import Servers

_GONE = frozenset({"deleted", "pending_delete"})
_HAS_DATA = frozenset({"saving", "active"})


class ServerImages:
    """Of a server that was booted from a volume, Nova makes an image without data. Its property `block_device_mapping`
    names the snapshots, one of each attached volume, which Nova calls "snapshot for <name of the image>"."""

    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._images = Images(client)
        self._servers = Servers(client)
        self._volumes = Volumes(client)

    def create(self, op: Operation, server_id: str, name: str) -> str:
        """Begins to make it, once no other task holds the server; its id. Raises CloudError with Nova's words."""
        action = f"take a snapshot of server {server_id}"
        self._servers.wait_idle(op, server_id, action)
        compute = self._client.compute

        def create() -> str:
            def ask() -> str:
                return str(compute.get_server(server_id).create_image(compute, name))

            return self._client.call(action, ask, idempotent=False)

        return create_resource(
            op,
            ResourceKind.IMAGE,
            name,
            find=lambda: next(self._ids(name), None),
            create=create,
            discard=partial(self._request_deletion, name),
        )

    def wait_taken(self, op: Operation, server_id: str, image_id: str, patience: Patience) -> None:
        """Until what the server writes from now on is no longer in the image, as far as Nova tells: it copies the disk
        before it uploads it, and with Ceph makes the snapshot as the first thing of the upload."""

        def look() -> bool | None:
            op.progress("Taking a snapshot of the root disk")  # it may take hours, and is no stall
            server = self._servers.get(server_id)
            uploading = server is not None and server.task_state == "image_uploading"
            return True if uploading or self.read(image_id).status in _HAS_DATA else None

        action = f"wait for the snapshot of server {server_id}"
        wait_until(op, look, patience, cloud=self._client.cloud, action=action)

    def wait_active(self, op: Operation, image_id: str, patience: Patience) -> Image:
        def look() -> Image | None:
            op.progress("Waiting for the image of the root disk")
            image = self.read(image_id)
            return image if image.status == "active" else None

        action = f"wait for image {image_id} to be active"
        return wait_until(op, look, patience, cloud=self._client.cloud, action=action)

    def read(self, image_id: str) -> Image:
        """Raises CloudError for one that is gone: Nova removes what it could not finish."""
        image = self._images.get(image_id)
        if image is None or image.status in {*_GONE, "killed"}:
            reason = (
                "Nova could not take the snapshot, and deleted its image; its own log tells why. With local disks in "
                "Ceph, Glance must have show_multiple_locations for it"
            )
            raise CloudError(cloud=self._client.cloud, action="take a snapshot of a server", reason=reason)
        return image

    def snapshots(self, image: Image) -> dict[str, str]:
        """Snapshot by volume id."""
        mapping = json.loads(image.properties.get("block_device_mapping") or "[]")
        ids = [str(entry["snapshot_id"]) for entry in mapping if entry.get("snapshot_id")]
        storage = self._client.storage
        read = {i: self._client.call(f"read snapshot {i}", partial(storage.get_snapshot, i)) for i in ids}
        return {str(snapshot.volume_id): snapshot_id for snapshot_id, snapshot in read.items()}

    def delete(self, op: Operation, name: str) -> None:
        """With the snapshots that nobody gave a name of their own."""
        if op.ledger.find(ResourceKind.IMAGE, name) is not None:
            self._delete_unclaimed(op, name)
        remove_resource(
            op,
            ResourceKind.IMAGE,
            name,
            find=lambda: self._ids(name),
            delete=partial(self._request_deletion, name),
            exists=self._exists,
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def _delete_unclaimed(self, op: Operation, name: str) -> None:
        storage, given = self._client.storage, f"snapshot for {name}"
        found: list[Any] = self._client.rows("list snapshots", lambda: storage.snapshots(name=given))
        for snapshot in found:
            delete_and_wait(
                op,
                str(snapshot.id),
                delete=lambda id_: self._client.call(
                    f"delete snapshot {id_}", lambda: storage.delete_snapshot(id_)
                ),
                exists=lambda id_: self._volumes.exists("snapshot", lambda: storage.get_snapshot(id_)),
                patience=self._client.patience,
                cloud=self._client.cloud,
                what=f"snapshot {snapshot.id} ({given})",
            )

    def _request_deletion(self, name: str, image_id: str) -> None:
        self._client.call(f"delete image {name}", lambda: self._images.delete(image_id))

    def _ids(self, name: str) -> Iterator[str]:
        return (image.id for image in self._images.named(name))

    def _exists(self, image_id: str) -> bool:
        image = self._images.get(image_id)
        return image is not None and image.status not in _GONE
