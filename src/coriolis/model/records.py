"""What the database holds, as every part above it sees it.

Times are naive UTC. `deleted` is "0" for a living row and the row's own id for a (softly) deleted one: that
is what existing clients read. Mappings hold secrets in clear where the user gave any: never log a record's
mappings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from coriolis.model.enums import (
    EventLevel,
    ExecutionStatus,
    ExecutionType,
    ResourceKind,
    ResourceState,
    Scenario,
    ServiceStatus,
    TaskStatus,
    TaskType,
)

ALIVE = "0"


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """The four fields that every object of the wire format carries."""

    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted: str = ALIVE


@dataclass(frozen=True, kw_only=True)
class Endpoint(Stamps):
    """A cloud and how to log in to it. `connection_info` in clear (encrypted at rest)."""

    id: str
    user_id: str
    project_id: str
    name: str
    type: str
    description: str | None = None
    connection_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    mapped_regions: tuple[str, ...] = ()
    bandwidth_limit: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskEvent(Stamps):
    id: str
    task_id: str
    index: int
    level: EventLevel
    message: str


@dataclass(frozen=True, kw_only=True)
class TaskProgress(Stamps):
    """A line of progress. `current_step` of `total_steps` is what existing clients draw a bar from (0: no
    bar).

    Lines about one disk also carry bytes: `done` of `total` compared, `moved` sent before compression, `rate`
    in bytes a second, `eta` in seconds.
    """

    id: str
    task_id: str
    index: int
    message: str
    current_step: int = 0
    total_steps: int = 0
    disk_id: str | None = None
    done: int | None = None
    total: int | None = None
    moved: int | None = None
    rate: float | None = None
    eta: float | None = None


@dataclass(frozen=True, kw_only=True)
class TaskRecord(Stamps):
    id: str
    execution_id: str
    job_id: str
    instance: str
    task_type: TaskType
    status: TaskStatus
    index: int
    depends_on: tuple[str, ...] = ()
    on_error: bool = False
    exception_details: str | None = None
    host: str | None = None
    process_id: int | None = None
    events: tuple[TaskEvent, ...] = ()
    progress_updates: tuple[TaskProgress, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Execution(Stamps):
    """One run. `action_id` is the transfer's or the deployment's id; `status` is derived from the run's
    jobs."""

    id: str
    action_id: str
    type: ExecutionType
    status: ExecutionStatus
    number: int
    tasks: tuple[TaskRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Transfer(Stamps):
    """`destination_environment` contains `network_map` and `storage_mappings` too. `executions` oldest first,
    filled only where asked for; `last_execution_status` always."""

    id: str
    user_id: str
    project_id: str
    scenario: Scenario
    instances: tuple[str, ...]
    origin_endpoint_id: str
    destination_endpoint_id: str
    source_environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    destination_environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    network_map: Mapping[str, Any] = field(default_factory=dict)
    storage_mappings: Mapping[str, Any] = field(default_factory=dict)
    notes: str | None = None
    origin_minion_pool_id: str | None = None
    destination_minion_pool_id: str | None = None
    instance_osmorphing_minion_pool_mappings: Mapping[str, str] = field(default_factory=dict)
    user_scripts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    clone_disks: bool = True
    skip_os_morphing: bool = False
    bandwidth_limit: str | None = None
    last_execution_status: ExecutionStatus = ExecutionStatus.UNEXECUTED
    executions: tuple[Execution, ...] = ()

    @property
    def clustered(self) -> bool:
        return len(self.instances) > 1


@dataclass(frozen=True, kw_only=True)
class Deployment(Stamps):
    """A replica turned into running VMs: a copy of the transfer's settings at that moment, and one execution.

    `transfer_result` maps each instance's name to the VM that was made of it (see `DeployedInstance`) once it
    is there.
    """

    id: str
    transfer_id: str
    user_id: str
    project_id: str
    scenario: Scenario
    instances: tuple[str, ...]
    origin_endpoint_id: str
    destination_endpoint_id: str
    source_environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    destination_environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    network_map: Mapping[str, Any] = field(default_factory=dict)
    storage_mappings: Mapping[str, Any] = field(default_factory=dict)
    notes: str | None = None
    instance_osmorphing_minion_pool_mappings: Mapping[str, str] = field(default_factory=dict)
    user_scripts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    clone_disks: bool = True
    skip_os_morphing: bool = False
    force: bool = False
    transfer_result: Mapping[str, Any] | None = None
    execution: Execution

    @property
    def last_execution_status(self) -> ExecutionStatus:
        return self.execution.status

    @property
    def clustered(self) -> bool:
        return len(self.instances) > 1


class JobState(StrEnum):
    """QUEUED: nobody has begun. RUNNING, COMPENSATING: begun, and claimed by somebody or waiting to be
    claimed again. NEEDS_OPERATOR: this installation does not know a step of the stored plan; the reason says
    which."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_OPERATOR = "needs_operator"

    @property
    def finished(self) -> bool:
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Wish(StrEnum):
    """What somebody wants of a job. FORCE_CANCEL: clean up without retries, and report what could not be
    removed."""

    NONE = "none"
    CANCEL = "cancel"
    FORCE_CANCEL = "force_cancel"


@dataclass(frozen=True, kw_only=True)
class Job(Stamps):
    """One instance of one execution: the unit that is claimed. `plan` is the compiled plan (see engine.plan).

    `outcome` is the state that a compensation will end in. `token` rises with each claim; `lease_until` is in
    seconds of the database's clock, 0 when nobody holds it.
    """

    id: str
    execution_id: str
    instance: str
    flow: str
    flow_version: int
    plan: Mapping[str, Any] = field(repr=False)
    state: JobState
    outcome: JobState | None
    wish: Wish
    owner: str | None
    token: int
    lease_until: float
    priority: int
    position: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerEntry(Stamps):
    """A resource in a cloud, as `coriolis resource list` shows it. `step` is the name of the step that made
    it."""

    id: str
    job_id: str
    step: str
    endpoint_id: str
    kind: ResourceKind
    name: str
    state: ResourceState
    cloud_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReplicaRecord(Stamps):
    """The destination's copy of one disk of one instance of a transfer; fields as in
    `model.replica.ReplicaDisk`."""

    id: str
    transfer_id: str
    instance: str
    disk_id: str
    volume_id: str
    volume_name: str
    size_bytes: int
    generation: int = 0
    dirty: bool = False
    manifest: str | None = None
    journal: str | None = None
    digest: str | None = None
    source_point: str | None = None
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class Region(Stamps):
    """Where clouds are, and conductors near them: `mapped_services` and `mapped_endpoints` are their ids. While
    it is not enabled, nobody works for it."""

    id: str
    name: str
    description: str | None = None
    enabled: bool = True
    mapped_services: tuple[str, ...] = ()
    mapped_endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Service(Stamps):
    """A process of this installation. `mapped_regions` are ids of regions; `providers` maps a platform to the
    numbers of `ProviderType` it offers there; `specs` describes the host. A conductor that is not enabled
    finishes what it has and takes nothing new."""

    id: str
    host: str
    binary: str
    topic: str
    enabled: bool
    status: ServiceStatus
    mapped_regions: tuple[str, ...] = ()
    providers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    specs: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Paging:
    """Of a list: `marker` is the id of the last object seen. The defaults are those of the wire format."""

    marker: str | None = None
    limit: int | None = None
    sort_keys: tuple[str, ...] = ("created_at", "id")
    sort_dirs: tuple[str, ...] = ("desc", "desc")
    status: str | None = None
    show_deleted: bool = False
