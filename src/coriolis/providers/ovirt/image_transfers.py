"""Image transfers: the engine opens a disk's image on a host, for a client to read or write over HTTPS.

To cancel an upload deletes its disk, and so may a policy for idle clients: ours are only ever finalized, whatever
became of the copy. What a broken copy left on a replica is known to be unknown, as with any other way of copying.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ovirtsdk4 import types

from coriolis.agent.disk import DeviceError, DiskUnavailableError
from coriolis.errors import CloudError, Conflict
from coriolis.images.imageio import CONNECTIONS, ImageioParameters, ask_options
from coriolis.model.enums import ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.secret import Secret
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import create_resource, wait_until
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks

IDLE_SECONDS = 3600
"""A client may be silent for so long before the engine pauses its transfer: the source may stall."""
_PROBE_SECONDS = 10.0
_PROBES = 3
_PHASE = types.ImageTransferPhase
_PAUSED = (_PHASE.PAUSED_SYSTEM, _PHASE.PAUSED_USER)
_ENDED = (_PHASE.FINISHED_SUCCESS, _PHASE.FINISHED_FAILURE, _PHASE.FINISHED_CLEANUP)
_LOST = (
    *_ENDED,
    _PHASE.CANCELLED,
    _PHASE.CANCELLED_SYSTEM,
    _PHASE.CANCELLED_USER,
    _PHASE.FINALIZING_FAILURE,
    _PHASE.FINALIZING_CLEANUP,
)


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """`name` is for the ledger: the engine's transfers have none. `backup_id` is of a VM's backup, which is then read
    instead of the disk."""

    name: str
    disk_id: str
    direction: Any = types.ImageTransferDirection.UPLOAD
    backup_id: str | None = None


class ImageTransfers:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._disks = Disks(client)

    def begin(self, op: Operation, plan: TransferPlan) -> str:
        """Asks the engine to open the image of a disk; the transfer's id. `close` puts away what was begun."""
        wanted = types.ImageTransfer(
            disk=types.Disk(id=plan.disk_id),
            direction=plan.direction,
            format=types.DiskFormat.RAW,
            inactivity_timeout=IDLE_SECONDS,
            timeout_policy=types.ImageTransferTimeoutPolicy.PAUSE,
        )
        if plan.backup_id is not None:
            wanted.backup = types.Backup(id=plan.backup_id)
        add = self._client.system.image_transfers_service().add

        def create() -> str:
            made = self._client.call(
                f"open the image of disk {plan.disk_id}",
                lambda: add(wanted, query=self._client.query),
                idempotent=False,
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.IMAGE_TRANSFER,
            plan.name,
            find=lambda: next(iter(self._open_of(plan)), None),
            create=create,
            discard=self._ask_to_finalize,
        )

    def opened(
        self,
        op: Operation,
        plan: TransferPlan,
        transfer_id: str,
        *,
        subject: str,
        size: int,
        point: str | None = None,
        since: str | None = None,
    ) -> ImageDisk:
        """The image once it is open; `subject` is the id that the copy knows it by, `size` the bytes that are used.

        Raises CloudError where the engine does not open it, or it cannot be reached from here.
        """
        transfer = self._wait_open(op, plan, transfer_id)
        ca = self._client.image_ca
        url, connections = self._reach(op, plan, transfer, ca)
        return ImageDisk(
            disk_id=subject,
            size_bytes=size,
            kind="imageio",
            parameters=asdict(ImageioParameters(connections, ca)),
            secrets={"url": Secret(url)},
            point=point,
            since=since,
        )

    def begin_to_close(self, op: Operation, plan: TransferPlan) -> None:
        """Saves time where several are closed: each takes the engine seconds."""
        for transfer_id in self._begun(op, plan):
            transfer = self._get(transfer_id)
            if transfer is not None and transfer.phase == _PHASE.TRANSFERRING:
                self._ask_to_finalize(transfer_id)

    def close(self, op: Operation, plan: TransferPlan) -> None:
        """Finalizes what this job opened, or began to. Returns once the disk is free.

        Raises CloudError where the engine then has no whole disk: it is illegal, or gone.
        """
        row = op.ledger.find(ResourceKind.IMAGE_TRANSFER, plan.name)
        if row is None:
            return
        for transfer_id in self._begun(op, plan):
            self._finalize(op, plan, transfer_id)
        op.ledger.removed(ResourceKind.IMAGE_TRANSFER, plan.name)
        disk = self._disks.settled(op, plan.disk_id)
        if disk is None or disk.status == types.DiskStatus.ILLEGAL:
            state = "gone" if disk is None else "illegal"
            reason = f"disk {plan.disk_id} is {state} after it: the next execution makes it anew"
            raise CloudError(cloud=self._client.cloud, action="end an image transfer", reason=reason)

    def _wait_open(self, op: Operation, plan: TransferPlan, transfer_id: str) -> Any:
        action = f"open the image of disk {plan.disk_id}"

        def look() -> Any | None:
            transfer = self._get(transfer_id)
            phase = transfer.phase if transfer is not None else None
            if transfer is None or phase in _LOST or phase in _PAUSED:
                reason = f"the transfer is {phase or 'gone'}: see the engine's events. Is a host of the data centre up?"
                raise CloudError(cloud=self._client.cloud, action=action, reason=reason)
            return transfer if phase == _PHASE.TRANSFERRING and transfer.transfer_url else None

        return wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def _reach(self, op: Operation, plan: TransferPlan, transfer: Any, ca: str | None) -> tuple[str, int]:
        """The host's own URL, else the engine's proxy; and how many connections it takes."""
        urls = list(dict.fromkeys(url for url in (transfer.transfer_url, transfer.proxy_url) if url))
        said: list[str] = []
        for attempt in range(_PROBES):
            if attempt:
                op.sleep(self._client.patience.interval)
            said = []
            for url in urls:
                try:
                    offer = ask_options(url, ca, _PROBE_SECONDS)
                except (DeviceError, DiskUnavailableError) as error:
                    said.append(str(error))
                else:
                    upload = plan.direction == types.ImageTransferDirection.UPLOAD
                    return url, min(CONNECTIONS, offer.writers if upload else offer.readers)
        raise CloudError(
            cloud=self._client.cloud,
            action="reach the image I/O service",
            reason=f"{'; '.join(said)}. It listens on port 54322 of the hosts and 54323 of the engine.",
        )

    def _begun(self, op: Operation, plan: TransferPlan) -> list[str]:
        """What this job began, also where the answer was lost."""
        row = op.ledger.find(ResourceKind.IMAGE_TRANSFER, plan.name)
        if row is None:
            return []
        return [row.cloud_id] if row.cloud_id else self._open_of(plan)

    def _open_of(self, plan: TransferPlan) -> list[str]:
        """Ids of such transfers that have not ended; the engine allows one for each disk, and for each of a backup."""
        service = self._client.system.image_transfers_service()
        listed = self._client.call("list image transfers", service.list)
        return [
            transfer.id
            for transfer in listed
            if transfer.phase not in _ENDED
            and transfer.direction == plan.direction
            and plan.disk_id in _disk_ids(transfer)
            and plan.backup_id == (transfer.backup.id if transfer.backup is not None else None)
        ]

    def _finalize(self, op: Operation, plan: TransferPlan, transfer_id: str) -> None:
        def look() -> bool | None:
            transfer = self._get(transfer_id)  # engines before 4.4.7 forget it at its end
            if transfer is None or transfer.phase in _ENDED:
                return True
            if transfer.phase == _PHASE.TRANSFERRING or transfer.phase in _PAUSED:
                self._ask_to_finalize(transfer_id)
            return None

        action = f"end the image transfer of disk {plan.disk_id}"
        wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def _ask_to_finalize(self, transfer_id: str) -> None:
        service = self._client.system.image_transfers_service().image_transfer_service(transfer_id)
        try:
            self._client.call("end an image transfer", lambda: service.finalize(query=self._client.query))
        except Conflict:
            return  # its phase has changed meanwhile; the next look tells

    def _get(self, transfer_id: str) -> Any | None:
        service = self._client.system.image_transfers_service().image_transfer_service(transfer_id)
        return self._client.optional("read an image transfer", service.get)


def _disk_ids(transfer: Any) -> Sequence[str]:
    """Older engines name the disk as image."""
    return [entity.id for entity in (transfer.disk, transfer.image) if entity is not None]
