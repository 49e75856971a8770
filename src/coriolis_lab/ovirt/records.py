"""The engine's database: what it knows of each entity. Sizes are bytes, times are aware datetimes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from coriolis_lab.hypervisor.api import GuestNic, GuestSystem
from coriolis_lab.ovirt.machine_settings import Initialization, MachineSettings

BLANK_TEMPLATE_ID = "00000000-0000-0000-0000-000000000000"
MAC_POOL_ID = "58ca604b-017d-0374-0220-00000000014e"
DEFAULT_POLICY_ID = "b4ed2332-a7ac-4d5f-9596-99a439cb2812"
DEFAULT_FILTER_ID = "5a55d534-0151-0329-0198-00000000039d"  # vdsm-no-mac-spoofing, as recorded


def now() -> datetime:
    return datetime.now(UTC)


class DiskStatus(StrEnum):
    OK = "ok"
    LOCKED = "locked"
    ILLEGAL = "illegal"


class VmStatus(StrEnum):
    DOWN = "down"
    IMAGE_LOCKED = "image_locked"
    WAIT_FOR_LAUNCH = "wait_for_launch"
    POWERING_UP = "powering_up"
    UP = "up"
    REBOOTING = "reboot_in_progress"
    POWERING_DOWN = "powering_down"
    SAVING_STATE = "saving_state"
    SUSPENDED = "suspended"
    RESTORING_STATE = "restoring_state"


SUSPENSION = frozenset({VmStatus.SAVING_STATE, VmStatus.SUSPENDED, VmStatus.RESTORING_STATE})
RUNNING_STATUSES = SUSPENSION | {
    VmStatus.WAIT_FOR_LAUNCH,
    VmStatus.POWERING_UP,
    VmStatus.UP,
    VmStatus.REBOOTING,
    VmStatus.POWERING_DOWN,
}
FILE_STORAGE = ("nfs", "posixfs", "glusterfs", "localfs")
BLOCK_STORAGE = ("iscsi", "fcp")
MANAGED_BLOCK_STORAGE = "managed_block_storage"


@dataclass
class DataCenter:
    id: str
    name: str
    description: str = ""
    comment: str = ""
    local: bool = False


@dataclass
class Cluster:
    id: str
    name: str
    data_center_id: str
    bios_type: str
    description: str = ""
    comment: str = ""
    cpu_type: str = "Intel Nehalem Family"


@dataclass
class StorageDomain:
    """`status` counts while it is attached to a data centre. `address` and `path` are those of a file server."""

    id: str
    name: str
    data_center_id: str | None
    storage_type: str
    type: str
    capacity: int
    disk_profile_id: str
    status: str = "active"
    description: str = ""
    comment: str = ""
    address: str = "storage.lab.example"
    path: str = ""
    wipe_after_delete: bool = False
    warning_low_space: int = 10
    critical_space: int = 5

    @property
    def is_block(self) -> bool:
        return self.storage_type in BLOCK_STORAGE


@dataclass
class Network:
    """`cluster_ids`: those it is attached to; None for all of its data centre, as the lab's own are. `required`: of
    these clusters the ones that need it. `cidr`: where its DHCP gives addresses.
    """

    id: str
    name: str
    data_center_id: str
    cidr: str
    description: str = ""
    comment: str = ""
    mtu: int = 0
    vlan: int | None = None
    usages: tuple[str, ...] = ("vm",)
    stp: bool = False
    port_isolation: bool = False
    label: str = ""
    cluster_ids: set[str] | None = None
    required: set[str] = field(default_factory=set)

    def is_in(self, cluster: Cluster) -> bool:
        if cluster.data_center_id != self.data_center_id:
            return False
        return self.cluster_ids is None or cluster.id in self.cluster_ids


@dataclass
class VnicProfile:
    id: str
    name: str
    network_id: str
    description: str = ""
    comment: str = ""
    pass_through: bool = False
    port_mirroring: bool = False
    migratable: bool = True
    network_filter_id: str | None = DEFAULT_FILTER_ID
    custom_properties: tuple[tuple[str, str], ...] = ()


@dataclass
class Host:
    """`extra_networks`: attached by a client, beside those that every host of the data centre has."""

    id: str
    name: str
    cluster_id: str
    address: str = "127.0.0.1"
    status: str = "up"
    comment: str = ""
    extra_networks: set[str] = field(default_factory=set)


@dataclass
class Disk:
    """`base_format` is the format without snapshots: while a raw disk has one, it reports cow.

    `source_image` names the hypervisor's image behind a template disk that was registered rather than copied;
    such a disk has no hypervisor disk of its own. `made`: the hypervisor has the disk. `transferring`: an image
    transfer holds it, which ends a little after its status says ok.
    """

    id: str
    alias: str
    provisioned_size: int
    base_format: str
    sparse: bool
    storage_domain_id: str
    image_id: str
    description: str = ""
    status: DiskStatus = DiskStatus.LOCKED
    backup: str = "none"
    content_type: str = "data"
    shareable: bool = False
    wipe_after_delete: bool = False
    propagate_errors: bool = False
    initial_size: int | None = None
    actual_size: int = 0
    made: bool = False
    source_image: str | None = None
    template_id: str | None = None
    template_snapshot: str | None = None
    transferring: bool = False

    @property
    def is_locked(self) -> bool:
        return self.status == DiskStatus.LOCKED or self.transferring


@dataclass
class Attachment:
    """The disk's place in one VM (or template). `active` is what the guest sees now, or will see at the next
    start.
    """

    disk_id: str
    interface: str
    active: bool
    bootable: bool
    read_only: bool = False
    pass_discard: bool = False
    uses_scsi_reservation: bool = False


@dataclass(frozen=True)
class SnapshotAttachment:
    """A disk's snapshot in another VM. `layer_id`: the hypervisor's disk over the frozen image."""

    attachment: Attachment
    snapshot_id: str
    layer_id: str


@dataclass
class Nic:
    """`address` is what the network's DHCP gives the guest; empty without a vNIC profile."""

    id: str
    name: str
    interface: str
    mac: str
    vnic_profile_id: str | None
    address: str = ""
    linked: bool = True
    plugged: bool = True


@dataclass
class SnapshotDisk:
    """A disk as it was: `image_id` is the frozen image, and the id of the hypervisor's snapshot."""

    disk_id: str
    image_id: str
    alias: str
    format: str
    provisioned_size: int
    attachment: Attachment


@dataclass
class Snapshot:
    id: str
    vm_id: str
    description: str
    date: datetime
    type: str = "regular"
    status: str = "ok"
    settings: MachineSettings | None = None
    vm_name: str = ""
    disks: list[SnapshotDisk] = field(default_factory=list)


@dataclass(frozen=True)
class Watchdog:
    """What is to happen when the guest no longer answers it; told only, the hypervisor gives the VM none."""

    model: str
    action: str


@dataclass
class Run:
    """What is only true while a VM runs. `ssh_addresses`: MAC -> the loopback address that leads to the
    guest.

    `mute`: by a fault the guest gets no address.
    """

    ssh_addresses: dict[str, str]
    run_once: bool
    launched: bool = False
    stopping: bool = False
    mute: bool = False
    reported: tuple[GuestNic, ...] = ()
    system: GuestSystem | None = None


@dataclass
class Vm:
    id: str
    name: str
    cluster_id: str
    template_id: str
    original_template_id: str
    settings: MachineSettings
    status: VmStatus
    creation_time: datetime
    initialization: Initialization | None = None
    attachments: dict[str, Attachment] = field(default_factory=dict)
    snapshot_attachments: dict[str, SnapshotAttachment] = field(default_factory=dict)
    nics: dict[str, Nic] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    backups: dict[str, "Backup"] = field(default_factory=dict)
    checkpoints: dict[str, "Checkpoint"] = field(default_factory=dict)
    consoles: tuple[str, ...] = ("vnc",)
    watchdog: "Watchdog | None" = None
    next_run: MachineSettings | None = None
    started_before: bool = False
    start_time: datetime | None = None
    stop_time: datetime | None = None
    stop_reason: str = ""
    status_detail: str | None = None
    run: Run | None = None
    pool_id: str | None = None
    instance_type_id: str | None = None

    @property
    def is_running(self) -> bool:
        """Has a run, with its disks in use: a suspended VM too."""
        return self.status in RUNNING_STATUSES

    @property
    def is_on_host(self) -> bool:
        return self.is_running and self.status != VmStatus.SUSPENDED

    @property
    def locking_snapshot(self) -> bool:
        return any(snapshot.status == "locked" for snapshot in self.snapshots.values())

    @property
    def running_backup(self) -> "Backup | None":
        return next((backup for backup in self.backups.values() if backup.is_under_way), None)


@dataclass
class Template:
    """`base_id`: of a version, the template that it is a version of."""

    id: str
    name: str
    description: str
    settings: MachineSettings
    cluster_id: str | None
    creation_time: datetime
    version_name: str
    version_number: int
    status: str = "ok"
    base_id: str | None = None
    initialization: Initialization | None = None
    attachments: dict[str, Attachment] = field(default_factory=dict)
    nics: dict[str, Nic] = field(default_factory=dict)


@dataclass
class VmPool:
    """Its members are the VMs with its id."""

    id: str
    name: str
    description: str
    cluster_id: str
    template_id: str
    size: int
    comment: str = ""
    prestarted: int = 0
    max_user_vms: int = 1
    stateful: bool = False
    type: str = "automatic"


class TransferPhase(StrEnum):
    INITIALIZING = "initializing"
    TRANSFERRING = "transferring"
    RESUMING = "resuming"
    PAUSED_SYSTEM = "paused_system"
    PAUSED_USER = "paused_user"
    CANCELLED_SYSTEM = "cancelled_system"
    CANCELLED_USER = "cancelled_user"
    FINALIZING_SUCCESS = "finalizing_success"
    FINALIZING_FAILURE = "finalizing_failure"
    FINALIZING_CLEANUP = "finalizing_cleanup"
    FINISHED_SUCCESS = "finished_success"
    FINISHED_FAILURE = "finished_failure"
    FINISHED_CLEANUP = "finished_cleanup"


@dataclass
class ImageTransfer:
    """`format` is the client's: raw contents go over NBD when `converting`, else a file of the disk's own format.

    `image_id`: of a disk snapshot, downloads only. `url` is there once the transfer has begun, until it ends.
    """

    id: str
    disk_id: str
    direction: str
    format: str
    converting: bool
    host_id: str | None
    inactivity_timeout: int
    timeout_policy: str
    image_id: str | None = None
    backup_id: str | None = None
    shallow: bool = False
    phase: TransferPhase = TransferPhase.INITIALIZING
    ticket_id: str = ""
    url: str | None = None
    active: bool = False
    transferred: int = 0

    @property
    def is_upload(self) -> bool:
        return self.direction == "upload"

    @property
    def has_ended(self) -> bool:
        return self.phase.startswith("finished_")


class BackupPhase(StrEnum):
    INITIALIZING = "initializing"
    STARTING = "starting"
    READY = "ready"
    FINALIZING = "finalizing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass
class Backup:
    """`urls`: what the host serves for each disk while the backup is ready. `incremental`: disks of which only the
    changes since `from_checkpoint` are of interest.
    """

    id: str
    vm_id: str
    disk_ids: tuple[str, ...]
    incremental: frozenset[str]
    from_checkpoint: str | None
    to_checkpoint: str | None
    creation_date: datetime
    description: str = ""
    host_id: str | None = None
    phase: BackupPhase = BackupPhase.INITIALIZING
    modification_date: datetime | None = None
    urls: dict[str, str] = field(default_factory=dict)

    @property
    def is_under_way(self) -> bool:
        return self.phase not in (BackupPhase.SUCCEEDED, BackupPhase.FAILED)

    def enter(self, phase: BackupPhase) -> None:
        self.phase, self.modification_date = phase, now()


@dataclass
class Checkpoint:
    id: str
    vm_id: str
    parent_id: str | None
    disk_ids: tuple[str, ...]
    creation_date: datetime
    description: str = ""


@dataclass
class Job:
    """`external`: a client opened it, and is the one to end it."""

    id: str
    description: str
    correlation_id: str
    start_time: datetime
    status: str = "started"
    end_time: datetime | None = None
    external: bool = False
    steps: dict[str, "Step"] = field(default_factory=dict)


ROOT_TAG_ID = BLANK_TEMPLATE_ID


@dataclass
class Tag:
    """`owners`: ids of the VMs, templates and hosts that bear it."""

    id: str
    name: str
    description: str = ""
    parent_id: str | None = None
    owners: set[str] = field(default_factory=set)


@dataclass
class Step:
    """A part of a job. Types as in the API, such as "executing"."""

    id: str
    job_id: str
    description: str
    type: str
    start_time: datetime
    status: str = "started"
    end_time: datetime | None = None


@dataclass
class Event:
    """`index` is also the id. Severities: normal, warning, error, alert."""

    index: int
    code: int
    severity: str
    description: str
    time: datetime
    correlation_id: str | None = None
    vm_id: str | None = None
    storage_domain_id: str | None = None
    origin: str = "oVirt"
    custom_id: int = -1
