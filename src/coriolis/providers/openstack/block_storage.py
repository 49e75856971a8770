"""Cinder volumes: create, grow, await, delete."""

from collections.abc import Callable
from functools import partial
from typing import Any

from coriolis.errors import CloudError, Conflict
from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import (
    Patience,
    create_resource,
    delete_and_wait,
    remove_resource,
    wait_until,
)
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.reservations import RESERVED, free_forgotten

GIB = 1 << 30


class Volumes:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client

    @property
    def _storage(self) -> Any:
        return self._client.storage

    def get(self, volume_id: str) -> Any | None:
        """None where it is gone."""
        read = partial(self._storage.get_volume, volume_id)
        return self._client.optional(f"read volume {volume_id}", read)

    def create(
        self, op: Operation, name: str, size_gb: int, volume_type: str | None = None, **attributes: Any
    ) -> str:
        """Begins to create a volume; wait with `wait_available`. Returns its id.

        `attributes` are openstacksdk's: where its content comes from (`snapshot_id`, `source_volume_id`, `image_id`),
        `availability_zone`, `description`.
        """
        wanted = {"name": name, "size": size_gb, **attributes}
        if volume_type:
            wanted["volume_type"] = volume_type

        def create() -> str:
            made = self._client.call(
                f"create volume {name}", lambda: self._storage.create_volume(**wanted), idempotent=False
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.VOLUME,
            name,
            find=lambda: next(iter(self.ids_by_name(name)), None),
            create=create,
            discard=partial(self._delete, name),
        )

    def grow(self, op: Operation, volume_id: str, size_gb: int) -> None:
        """At least to `size_gb`; a volume that is as large already stays as it is."""
        volume = self.wait_settled(op, volume_id)
        if volume is not None and volume.size >= size_gb:
            return
        self._client.call(f"grow volume {volume_id}", lambda: self._storage.extend_volume(volume_id, size_gb))
        self.wait_available(op, volume_id)

    def wait_available(self, op: Operation, volume_id: str) -> None:
        self.wait(op, f"volume {volume_id}", partial(self._storage.get_volume, volume_id))

    def wait_settled(self, op: Operation, volume_id: str) -> Any | None:
        """The volume once Cinder does nothing with it any more; None where it is gone, or goes meanwhile."""

        def look() -> tuple[Any | None] | None:
            volume = self.get(volume_id)
            free_forgotten(self._client, volume)
            return None if volume is not None and volume.status in _PASSING else (volume,)

        action = f"wait for the task that holds volume {volume_id}"
        (volume,) = wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)
        return volume

    def wait(
        self,
        op: Operation,
        what: str,
        read: Callable[[], Any],
        goal: str = "available",
        *,
        patience: Patience | None = None,
    ) -> None:
        """Until the volume's or snapshot's status is `goal`. Raises CloudError when it is an error status."""

        def look() -> bool | None:
            status = str(self._client.call(f"read {what}", read).status)
            if status.startswith("error"):
                raise CloudError(
                    cloud=self._client.cloud, action=f"prepare {what}", reason=f"it is in {status}"
                )
            return True if status == goal else None

        action = f"wait for {what} to be {goal}"
        patience = patience or self._client.patience
        wait_until(op, look, patience, cloud=self._client.cloud, action=action)

    def ids_by_name(self, name: str) -> list[str]:
        listed = self._client.rows("list volumes", lambda: self._storage.volumes(name=name))
        return [volume.id for volume in listed]

    def delete_volume(self, op: Operation, name: str) -> None:
        """What this job's ledger holds under `name`."""
        remove_resource(
            op,
            ResourceKind.VOLUME,
            name,
            find=lambda: self.ids_by_name(name),
            delete=partial(self._delete, name),
            exists=lambda id_: self.exists("volume", lambda: self._storage.get_volume(id_)),
            patience=self._client.patience,
            cloud=self._client.cloud,
        )

    def remove(self, op: Operation, volume_id: str, name: str) -> None:
        """A volume that an earlier job made; its ledger row is the caller's."""
        delete_and_wait(
            op,
            volume_id,
            delete=partial(self._delete, name),
            exists=lambda id_: self.exists("volume", lambda: self._storage.get_volume(id_)),
            patience=self._client.patience,
            cloud=self._client.cloud,
            what=f"volume {name}",
        )

    def exists(self, kind: str, read: Callable[[], Any]) -> bool:
        """Raises CloudError for one that failed to be deleted: it would be waited for in vain."""
        return self.found(kind, read) is not None

    def found(self, kind: str, read: Callable[[], Any]) -> Any | None:
        """As `exists`; what is there."""
        found = self._client.optional(f"read {kind}", read)
        if found is not None and found.status == "error_deleting":
            reason = f"{kind} {found.name} is in error_deleting"
            raise CloudError(cloud=self._client.cloud, action=f"delete {kind}", reason=reason)
        return found

    def _delete(self, name: str, volume_id: str) -> None:
        try:
            self._client.call(f"delete volume {name}", lambda: self._storage.delete_volume(volume_id))
        except Conflict:  # which is waited out
            free_forgotten(self._client, self.get(volume_id))
            raise


def gib(size_bytes: int) -> int:
    """Volumes come in whole GiB: up."""
    return -(-size_bytes // GIB)


# Cinder's states that end by themselves.
_PASSING = frozenset(
    {"creating", "downloading", "extending", "deleting", "detaching", "attaching", RESERVED, "retyping"}
)
