"""The contract between the engine and the platforms.

A `Provider` describes a platform; `connect()` gives a `SourceCloud` or `DestinationCloud` bound to one endpoint. Every
method that creates or deletes takes an `Operation`: the provider's only way to the ledger, to progress and to
cancellation. All of them are at-least-once: after a crash the same call runs again with the same names, finds in the
ledger what the earlier attempt made, and adopts or removes it. Providers never import store, engine, flows or steps.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from coriolis.config import Settings
from coriolis.model.enums import EventLevel, ProviderType, ResourceKind
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption, StorageBackend
from coriolis.model.morphing import MorphingProfile
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs, ReplicaDisk
from coriolis.model.worker import GuestKind, WorkerVm

Environment = Mapping[str, Any]
"""A source or destination environment as the user gave it (JSON); providers validate it into their own model."""


class LedgerRow(Protocol):
    """A row of the ledger while its resource is being created.

    `attempted` is true when an earlier attempt already wrote this row: the resource may exist, so look it up (by
    `cloud_id` where known, else by name) before creating it.
    """

    name: str
    attempted: bool
    cloud_id: str | None

    def created(self, cloud_id: str) -> None:
        """Records the cloud's id as soon as the create call has answered."""


class Ledger(Protocol):
    """Every cloud resource is written here before its create call; rows are bound to one endpoint and job."""

    def creating(self, kind: ResourceKind, name: str) -> AbstractContextManager[LedgerRow]:
        """Commits the row (PLANNED), then runs the body, which creates and calls `created()`.

        An exception leaves the row as it stands, for `revert` to remove what it names.
        """

    def find(self, kind: ResourceKind, name: str) -> LedgerRow | None:
        """The row that is not yet removed, or None."""

    def removed(self, kind: ResourceKind, name: str) -> None:
        """Call only once the cloud confirmed that the resource is gone (or never was)."""

    def keep(self, kind: ResourceKind, name: str, reason: str) -> None:
        """The resource stays on purpose, e.g. "replica of disk D of transfer T"."""


class Operation(Protocol):
    """What a provider or any long-running part is given for one step."""

    @property
    def settings(self) -> Settings: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def token(self) -> int:
        """The fencing token of this claim on the job; rises with each claim."""

    def name(self, *parts: str) -> str:
        """A deterministic name, the same for each attempt of this job: `coriolis-<8 of job>-<parts joined by ->`.

        Only letters, digits and `-`; at most 60 characters.
        """

    def check(self) -> None:
        """Raises Cancelled or LeaseLost. Call it in every loop that waits."""

    def check_lease(self) -> None:
        """Raises LeaseLost only: for the last moment before a call that another owner of the job would suffer from,
        where a cancel has no business."""

    def disowned(self) -> AbstractContextManager[None]:
        """Within the block a lost lease stops nothing: only for taking back what this attempt made, and of which
        the job's new owner cannot know."""

    def sleep(self, seconds: float) -> None:
        """Sleeps, but wakes up to raise Cancelled or LeaseLost."""

    def progress(self, message: str, done: int = 0, total: int = 0) -> None:
        """A line for the person who watches; with `total` a bar. Same message again updates the line."""

    def event(self, level: EventLevel, message: str) -> None: ...

    def reached(self) -> None:
        """What the step is for has come true at this moment, though it has more to do: a VM is powered on, and
        its guest is still waited for. A downtime ends here. The first call counts."""


Points = Mapping[str, str]
"""By disk id: the `ImageDisk.point` that the disk's replica holds. Only of disks that were read from images."""


@dataclass(frozen=True, slots=True)
class SourceResources:
    """What an export needs: each disk of the instance on the worker (as a clone of a snapshot) or among the images, and
    what stands behind them.

    `extra` holds ids by role, private to the provider, JSON-able (e.g. {"snapshot/<disk id>": "..."}).
    """

    worker: WorkerVm | None
    extra: Mapping[str, str]
    images: tuple[ImageDisk, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetResources:
    """Each replica disk, by the id of its source disk: attached to the disk copy worker, or as an image to write.

    `route`: the way of the bytes that the environment asks for, in the words of [transfer] route; None: as that says.
    """

    worker: WorkerVm | None
    extra: Mapping[str, str]
    images: tuple[ImageDisk, ...] = ()
    route: str | None = None


@dataclass(frozen=True, slots=True)
class MorphingResources:
    """Each cloned disk, by the id of its source disk: attached to the OSMorphing worker, or as an image to read where
    nothing is to be adapted."""

    worker: WorkerVm | None
    extra: Mapping[str, str]
    images: tuple[ImageDisk, ...] = ()


class Cloud(ABC):
    """One endpoint, connected. Methods raise errors of `coriolis.errors` only. Not shared between threads."""

    @abstractmethod
    def validate_connection(self) -> None:
        """Logs in and reads what every later call needs. Raises AuthenticationFailed, CloudError…"""

    def remarks(self) -> Sequence[str]:
        """After `validate_connection`: what this cloud lacks or forbids that is no fault yet, a sentence each."""
        return ()

    def has_worker(self, worker: WorkerVm) -> bool:
        """Whether a worker VM that was made here is still there, and on. True where nobody can tell."""
        del worker
        return True

    @abstractmethod
    def list_networks(self, env: Environment) -> Sequence[Network]: ...

    @abstractmethod
    def close(self) -> None: ...


class SourceCloud(Cloud):
    @abstractmethod
    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        """Ordered by id; `marker` is the last id seen; `name` a substring."""

    @abstractmethod
    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        """Raises InstanceNotFound or InstanceAmbiguous."""

    @abstractmethod
    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]: ...

    @abstractmethod
    def validate_source(self, env: Environment, instance: Instance) -> None:
        """All that can be known before anything is created: options, image, flavor, network, quota."""

    @abstractmethod
    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        """Freezes every disk at one point in time and makes it readable: on an export worker that answers SSH, or as an
        image. An image may tell the changes since the disk's entry in `points` where that still exists; else the disk
        is read in full, and an event says why.
        """

    @abstractmethod
    def delete_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> None:
        """Removes all that `deploy_source_resources` made or began to make, by the ledger and the names, and what
        earlier runs kept, but for what stands behind `points`: these are what the replicas hold *now*, so a run that
        failed keeps its predecessor's, and one that succeeded its own.

        Needs no result of it, since it may have died half-way; safe to call again.
        """

    def delete_points(self, op: Operation, env: Environment, points: Points) -> None:
        """The replicas are deleted: removes what was kept for their next run. Providers that keep nothing leave this
        as it is.
        """
        del op, env, points

    @abstractmethod
    def shutdown_instance(self, op: Operation, env: Environment, instance: Instance) -> None: ...

    @abstractmethod
    def start_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        """Powers it on and waits until it is; one that is on already stays so."""


class DestinationCloud(Cloud):
    @abstractmethod
    def list_storage(self, env: Environment) -> Sequence[StorageBackend]: ...

    @abstractmethod
    def destination_options(
        self, env: Environment, names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]: ...

    @abstractmethod
    def validate_destination(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk] = ()
    ) -> None:
        """Environment, network map (`env["network_map"]`), storage mappings, space, names: before any create call.

        `replicas` are those of earlier runs: what they hold already is not asked of the storage again.
        """

    @abstractmethod
    def validate_deployment(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        """That the replica disks are there, the VM's name is free and allowed, networks and space are there."""

    @abstractmethod
    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        """Creates missing replica disks (zeroed, generation 0), grows those whose source grew, keeps the rest.

        The rows of replica disks end as KEPT in the ledger. The answer is in the order of `instance.disks`.
        """

    @abstractmethod
    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None: ...

    @abstractmethod
    def deploy_target_resources(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> TargetResources:
        """Boots a disk copy worker, attaches the replica disks, waits for SSH."""

    @abstractmethod
    def delete_target_resources(
        self, op: Operation, env: Environment, replicas: Sequence[ReplicaDisk]
    ) -> None:
        """Detaches the replica disks *first*, makes sure none is attached, then removes the worker."""

    @abstractmethod
    def clone_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        """Copies every replica disk for one deployment; the replicas stay untouched."""

    @abstractmethod
    def delete_cloned_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        """Removes the copies unless the final VM owns them (their rows are then KEPT)."""

    @abstractmethod
    def morphing_profile(self, env: Environment, instance: Instance) -> MorphingProfile: ...

    @abstractmethod
    def deploy_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        kind: GuestKind = "linux",
    ) -> MorphingResources:
        """Boots a worker of that kind, whatever the guest runs, attaches the cloned disks and waits for its log-in: an
        `SshLogin` of Linux, which verifies disks too, or a `WinRmLogin` of Windows."""

    def clones_to_read(self, env: Environment, disks: Sequence[ClonedDisk]) -> tuple[ImageDisk, ...]:
        """The cloned disks as images that this conductor reads itself, for a deployment without OSMorphing: no worker
        is booted then. Empty where it takes one."""
        del env, disks
        return ()

    @abstractmethod
    def delete_os_morphing_resources(
        self, op: Operation, env: Environment, disks: Sequence[ClonedDisk]
    ) -> None: ...

    @abstractmethod
    def finalize_instance(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        """Creates the final VM with the disks and NICs, starts it unless told otherwise; its rows end as KEPT."""

    @abstractmethod
    def delete_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        """Compensates `finalize_instance`: stops and removes the VM, keeping the disks for delete_cloned_disks."""


class InPlaceDestination(DestinationCloud):
    """A destination that can also deploy the replica disks themselves, and take back what a deployment did to them.

    Such a deployment begins with `secure_disks` where another one begins with `clone_disks`; what `ClonedDisk` says are
    then the replica disks. The other methods know by the ledger that they are secured.
    """

    @abstractmethod
    def validate_in_place(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        """As `validate_deployment`, for a deployment that copies nothing."""

    @abstractmethod
    def secure_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        """Keeps the replica disks' bytes of now, so that `roll_back_disks` can bring them back."""

    @abstractmethod
    def roll_back_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        """The replica disks hold their bytes of `secure_disks` again, belong to no VM, and nothing is kept of them
        besides. Safe to call again; an error says that it is not known what they hold."""

    @abstractmethod
    def hand_over_disks(
        self, op: Operation, env: Environment, instance: Instance, disks: Sequence[ClonedDisk]
    ) -> None:
        """The final VM owns the disks: what was kept for a roll-back goes, and there is none from here on. Safe to
        call again."""


class Provider(ABC):
    """A platform's plugin. Classes register themselves in `coriolis.providers.registry`."""

    platform: ClassVar[str]
    capabilities: ClassVar[tuple[ProviderType, ...]]
    deploys_in_place: ClassVar[bool] = False
    """Whether its destinations are `InPlaceDestination`s."""

    @abstractmethod
    def connection_schema(self) -> Mapping[str, Any]:
        """JSON schema of the connection info, with titles, help and defaults."""

    @abstractmethod
    def source_environment_schema(self) -> Mapping[str, Any] | None: ...

    @abstractmethod
    def destination_environment_schema(self) -> Mapping[str, Any] | None: ...

    @abstractmethod
    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        """Raises InvalidInput naming the field. No network."""

    @abstractmethod
    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        """Raises NotSupported where the platform is no source. Does not touch the network yet."""

    @abstractmethod
    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud: ...
