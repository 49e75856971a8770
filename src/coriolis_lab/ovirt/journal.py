"""Jobs and events: what the engine tells about its work. Both carry the correlation id of the call that
caused them.
"""

import uuid
from dataclasses import dataclass

from coriolis_lab.ovirt.records import Event, Job, now


@dataclass(frozen=True)
class EventKind:
    """A line of the engine's audit log: its number and severity."""

    code: int
    severity: str = "normal"


# Numbers as in the engine's AuditLogType, from memory of the published list: clients match on severity and
# text.
LOGGED_IN = EventKind(30)
VM_STARTED = EventKind(153)
VM_RUNNING = EventKind(32)
VM_START_FAILED = EventKind(54, "error")
VM_STOPPED = EventKind(33)
VM_SHUTDOWN_ASKED = EventKind(73)
VM_REBOOTED = EventKind(157)
VM_DOWN = EventKind(61)
VM_SUSPENDED = EventKind(503)
VM_SUSPEND_FAILED = EventKind(502, "error")
VM_DOWN_ERROR = EventKind(119, "error")
VM_ADDED = EventKind(34)
VM_CREATION_STARTED = EventKind(37)
VM_CREATED = EventKind(53)
VM_CREATION_FAILED = EventKind(60, "error")
VM_UPDATED = EventKind(35)
VM_REMOVED = EventKind(113)
VM_REMOVE_FAILED = EventKind(58, "error")
TEMPLATE_CREATED = EventKind(51)
TEMPLATE_CREATION_FAILED = EventKind(52, "error")
TEMPLATE_REMOVED = EventKind(251)
DISK_ADD_STARTED = EventKind(2020)
DISK_ADDED = EventKind(2021)
DISK_ADD_FAILED = EventKind(2022, "error")
DISK_COPIED = EventKind(2010)
DISK_COPY_FAILED = EventKind(2011, "error")
DISK_REMOVED = EventKind(2014)
DISK_REMOVE_FAILED = EventKind(2015, "error")
DISK_UPDATED = EventKind(88)
DISK_ATTACHED = EventKind(2016)
DISK_DETACHED = EventKind(2018)
DISK_PLUGGED = EventKind(2000)
DISK_PLUG_FAILED = EventKind(2001, "error")
DISK_UNPLUGGED = EventKind(2002)
DISK_UNPLUG_FAILED = EventKind(2003, "error")
NIC_ADDED = EventKind(932)
NIC_REMOVED = EventKind(930)
SNAPSHOT_STARTED = EventKind(45)
SNAPSHOT_CREATED = EventKind(68)
SNAPSHOT_FAILED = EventKind(69, "error")
SNAPSHOT_REMOVED = EventKind(356)
SNAPSHOT_REMOVE_FAILED = EventKind(357, "error")
SNAPSHOT_RESTORED = EventKind(100)
SNAPSHOT_RESTORE_FAILED = EventKind(101, "error")
BACKUP_STARTED = EventKind(10790)
BACKUP_SUCCEEDED = EventKind(10791)
BACKUP_FAILED = EventKind(10792, "error")
CHECKPOINT_REMOVED = EventKind(10793)
TRANSFER_STARTED = EventKind(1031)
TRANSFER_SUCCEEDED = EventKind(1032)
TRANSFER_CANCELLED = EventKind(1033)
TRANSFER_FAILED = EventKind(1034, "error")
TRANSFER_STOPPED = EventKind(1035, "error")


class Journal:
    """Not locked: the engine's lock covers it."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.events: list[Event] = []

    def open_job(self, description: str, correlation_id: str | None) -> Job:
        job = Job(str(uuid.uuid4()), description, correlation_id or str(uuid.uuid4()), now())
        self.jobs[job.id] = job
        return job

    def close_job(self, job: Job, status: str) -> None:
        """`status` is finished, failed or aborted."""
        job.status = status
        job.end_time = now()

    def tell(
        self,
        kind: EventKind,
        description: str,
        *,
        correlation_id: str | None = None,
        vm_id: str | None = None,
        storage_domain_id: str | None = None,
    ) -> None:
        self.events.append(
            Event(
                index=self.events[-1].index + 1 if self.events else 1,
                code=kind.code,
                severity=kind.severity,
                description=description,
                time=now(),
                correlation_id=correlation_id,
                vm_id=vm_id,
                storage_domain_id=storage_domain_id,
            )
        )
