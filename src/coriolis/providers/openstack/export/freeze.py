"""Snapshots of an instance's volumes, as much of one moment as its cloud and its guest permit."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from coriolis.errors import CloudError, CoriolisError, InvalidInput, NotSupported
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Disk, Instance
from coriolis.providers.base import LedgerRow, Operation
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.guests import agent_is_declared, quiescing_is_required
from coriolis.providers.openstack.images import Image
from coriolis.providers.openstack.inventory import Inventory, is_local
from coriolis.providers.openstack.options import Quiesce
from coriolis.providers.openstack.server_images import ServerImages
from coriolis.providers.openstack.servers import Servers
from coriolis.providers.openstack.volumes import ExportVolumes, snapshot_name

_STILL = frozenset({"SHUTOFF", "PAUSED", "SUSPENDED"})


class Freezer:
    """Nova's createImage has the guest agent freeze the file systems of a server that was booted from a volume, and
    Cinder take a snapshot of each volume meanwhile. Without an agent Cinder is asked for one right after the other.
    """

    def __init__(self, client: OpenStackClient, quiesce: Quiesce) -> None:
        self._client = client
        self._quiesce = quiesce
        self._servers = Servers(client)
        self._inventory = Inventory(client, {})
        self._images = ServerImages(client)
        self._volumes = ExportVolumes(client)

    def validate(self, instance: Instance) -> None:
        """Raises NotSupported or InvalidInput where `required` cannot be had, and says what to do."""
        if self._quiesce == "required" and instance.running:
            self._require(instance, self._metadata(self._servers.get(instance.id)))

    def freeze(self, op: Operation, instance: Instance) -> dict[str, str]:
        """Available snapshots by the id of the disk; an event says how consistent they are with each other."""
        volumes = {number: disk for number, disk in enumerate(instance.disks) if not is_local(disk)}
        server = self._servers.get(instance.id)
        status = "" if server is None else str(server.status)
        metadata = {} if status in _STILL or self._quiesce == "off" else self._metadata(server)
        if self._quiesce == "required" and status not in _STILL:
            self._require(instance, metadata)  # it may have been off when it was validated
        found = None
        if status == "ACTIVE" and agent_is_declared(metadata) and not is_local(instance.disks[0]):
            found = self._by_nova(op, instance, volumes)
        if found is None:
            found = self._one_by_one(op, instance, volumes, status)
        self._volumes.wait_for_snapshots(op, list(found.values()))
        return found

    def _require(self, instance: Instance, metadata: Mapping[str, Any]) -> None:
        what = f"Source environment: guest_quiesce=required, but instance {instance.name!r}"
        if is_local(instance.disks[0]):
            raise NotSupported(
                message=f"{what} was booted from an image, and Nova quiesces the guest for all disks together only "
                "where it boots from a volume. Use guest_quiesce=auto, or shut the instance down first."
            )
        agent, insists = agent_is_declared(metadata), quiescing_is_required(metadata)
        if agent and insists:
            return
        missing = [
            *(() if agent else ("hw_qemu_guest_agent=yes",)),
            *(() if insists else ("os_require_quiesce=yes",)),
        ]
        raise InvalidInput(
            message=f"{what} was not booted with {' and '.join(missing)} in the image metadata of its boot volume: "
            "Nova would take the snapshots without quiescing it, and not say so. It keeps what an instance was created "
            "with, so rebuild it from an image with both, or use guest_quiesce=auto."
        )

    def _metadata(self, server: Any | None) -> Mapping[str, Any]:
        return {} if server is None else self._inventory.image_metadata(server)

    def _by_nova(
        self, op: Operation, instance: Instance, volumes: Mapping[int, Disk]
    ) -> dict[str, str] | None:
        """None where Nova refuses, and `required` does not insist: what it began is then removed."""
        name = frozen_name(op)
        op.progress("Quiescing the guest and taking snapshots")
        with ExitStack() as stack:
            rows = {
                disk.id: stack.enter_context(
                    op.ledger.creating(ResourceKind.SNAPSHOT, snapshot_name(op, number))
                )
                for number, disk in volumes.items()
            }
            try:
                image_id = self._images.create(op, instance.id, name)
            except CoriolisError as error:
                if self._quiesce == "required":
                    raise
                text = f"The guest could not be quiesced, its disks are frozen without that: {error.message}"
                op.event(EventLevel.WARNING, text)
                self._images.delete(op, name)
                return None
            image = self._images.read(image_id)
            if self._quiesce == "required":
                self._require(instance, image.properties)
            found = self._claimed(rows, self._images.snapshots(image))
        self._images.delete(op, name)
        op.event(EventLevel.INFO, _told_by_nova(image))
        return found

    def _claimed(self, rows: Mapping[str, LedgerRow], made: Mapping[str, str]) -> dict[str, str]:
        """Gives Nova's snapshots the names that the ledger knows."""
        storage = self._client.storage
        lost = sorted(rows.keys() - made.keys())
        if lost:
            reason = f"Nova made none of volume {', '.join(lost)}, which is attached no more"
            raise CloudError(cloud=self._client.cloud, action="take snapshots", reason=reason)
        for disk_id, row in rows.items():
            rename = partial(storage.update_snapshot, made[disk_id], name=row.name)
            self._client.call(f"rename snapshot {made[disk_id]}", rename)
            row.created(made[disk_id])
        return {disk_id: made[disk_id] for disk_id in rows}

    def _one_by_one(
        self, op: Operation, instance: Instance, volumes: Mapping[int, Disk], status: str
    ) -> dict[str, str]:
        began = time.monotonic()
        found = {disk.id: self._volumes.create_snapshot(op, number, disk) for number, disk in volumes.items()}
        took = time.monotonic() - began
        op.event(EventLevel.INFO, _told(instance.disks, took, status))
        return found


def frozen_name(op: Operation) -> str:
    """Of the image that Nova makes, for the time that it is there."""
    return op.name("frozen")


def _told_by_nova(image: Image) -> str:
    """The image has the metadata that Nova keeps of the instance, and goes by; those of its boot volume may have been
    changed since."""
    if not agent_is_declared(image.properties):
        return _NOT_QUIESCED
    return _QUIESCED if quiescing_is_required(image.properties) else _PERHAPS_QUIESCED


_QUIESCED = "Consistency: the guest was quiesced by its agent, and all disks are of that moment."
_PERHAPS_QUIESCED = (
    "Consistency: Nova took the snapshots of all disks together and was to quiesce the guest for them. Whether the "
    "agent did so it does not tell: set os_require_quiesce=yes on the image for that."
)


_NOT_QUIESCED = (
    "Consistency: each disk is as after a power cut. Nova took the snapshots one right after the other, and the guest "
    "was not quiesced: when the instance was created, its image metadata did not have hw_qemu_guest_agent=yes."
)


def _told(disks: Sequence[Disk], seconds: float, status: str) -> str:
    if status in _STILL:
        return f"Consistency: the instance is {status} and writes nothing; its disks are of one moment."
    if len(disks) == 1:
        return "Consistency: the disk is as after a power cut; the guest was not quiesced."
    local = " after that of the local root disk" if is_local(disks[0]) else ""
    return (
        "Consistency: each disk is as after a power cut. Their snapshots were asked for within "
        f"{seconds:.1f} s{local}, and the guest was not quiesced: what spans several disks may be torn."
    )
