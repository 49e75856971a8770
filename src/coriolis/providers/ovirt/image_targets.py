"""Replica disks that the conductor writes itself, through image transfers instead of a disk copy worker."""

from collections.abc import Sequence
from functools import partial

from ovirtsdk4 import types

from coriolis.errors import CloudError, CloudUnavailable
from coriolis.model.enums import EventLevel
from coriolis.model.image import ImageDisk
from coriolis.model.replica import ReplicaDisk
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks
from coriolis.providers.ovirt.image_transfers import ImageTransfers, TransferPlan
from coriolis.providers.ovirt.options import Mechanism


class ImageTargets:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._disks = Disks(client)
        self._transfers = ImageTransfers(client)

    def open(
        self, op: Operation, mechanism: Mechanism, replicas: Sequence[ReplicaDisk]
    ) -> tuple[ImageDisk, ...] | None:
        """None where a worker has to do it; an event then says why, unless it was asked for.

        The caller has closed what an earlier attempt left, which also keeps that one's writer out.
        """
        if mechanism in ("ssh", "https"):
            return None
        if any(self._is_managed(replica) for replica in replicas):
            text = "Managed block storage knows no image transfers: the disks are copied through a worker VM."
            op.event(EventLevel.INFO, text)
            return None
        op.progress("Opening the replica disks")
        try:
            begun = [self._transfers.begin(op, _plan(op, replica)) for replica in replicas]
            return tuple(
                self._transfers.opened(
                    op, _plan(op, replica), id_, subject=replica.disk_id, size=replica.size_bytes
                )
                for replica, id_ in zip(replicas, begun, strict=True)
            )
        except CloudUnavailable:  # the engine does not answer: nothing is known of images, and it comes back
            raise
        except CloudError as error:
            self.close(op, replicas)
            if mechanism == "imageio":
                raise
            text = f"{error.message} The disks are copied through a worker VM instead."
            op.event(EventLevel.WARNING, text)
            return None

    def close(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        """Safe to call again. Raises CloudError for a disk that did not survive."""
        for replica in replicas:
            self._transfers.begin_to_close(op, _plan(op, replica))
        run_all([partial(self._transfers.close, op, _plan(op, replica)) for replica in replicas])

    def _is_managed(self, replica: ReplicaDisk) -> bool:
        disk = self._disks.get(replica.volume_id)
        return disk is not None and disk.storage_type == types.DiskStorageType.MANAGED_BLOCK_STORAGE


def _plan(op: Operation, replica: ReplicaDisk) -> TransferPlan:
    return TransferPlan(op.name("transfer", replica.volume_id[:8]), replica.volume_id)
