"""A platform on a file cloud, for the real flows and steps: what is created goes through `providers.lifecycle`, as
that of every platform does, and workers are an sshd and real agents.

A source's instances are `vm/<name>/<disk id>`. `connection_info`: {"directory"}; `login.json` there tells how to
reach the workers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from coriolis.config import Settings
from coriolis.engine.context import StepContext
from coriolis.errors import CloudError, InstanceNotFound, InvalidInput
from coriolis.model.enums import Firmware, OsType, ProviderType, ResourceKind
from coriolis.model.instance import (
    Disk,
    Instance,
    InstanceSummary,
    Network,
    Nic,
    ProviderOption,
    StorageBackend,
)
from coriolis.model.morphing import MorphingProfile
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs, ReplicaDisk
from coriolis.model.secret import Secret
from coriolis.model.worker import GuestKind, SshLogin, WorkerDisk, WorkerVm
from coriolis.morphing.job import MorphJob
from coriolis.providers.base import (
    DestinationCloud,
    Environment,
    MorphingResources,
    Operation,
    Points,
    Provider,
    SourceCloud,
    SourceResources,
    TargetResources,
)
from coriolis.providers.lifecycle import Patience, create_resource, remove_resource, run_all
from tests.chaos.file_cloud import FileCloud

PLATFORM = "files"
EXPORT, COPY, MORPH = "export", "copy", "morph"
_PATIENCE = Patience(timeout=30, interval=0.1)


class _Files:
    def __init__(self, directory: Path) -> None:
        self.cloud = FileCloud(directory)

    def validate_connection(self) -> None:
        if not self.cloud.directory.is_dir():
            raise CloudError(cloud="files", action="look around", reason="there is nothing")

    def list_networks(self, env: Environment) -> Sequence[Network]:
        return [Network("net-1", "net")]

    def close(self) -> None:
        pass

    def _create(
        self,
        op: Operation,
        kind: ResourceKind,
        name: str,
        *,
        role: str = "",
        content: Path | int | None = None,
    ) -> str:
        def find() -> str | None:
            return next(iter(self.cloud.find(kind, name)), None)

        make = partial(self.cloud.make, _context(op), kind, name, role=role, content=content)
        # without a context: it is called by one who has lost the job, for what nobody else knows
        discard = partial(self.cloud.remove, None, kind, role="stray")
        return create_resource(op, kind, name, find=find, create=make, discard=discard)

    def _remove(self, op: Operation, kind: ResourceKind, name: str, *, role: str = "") -> None:
        remove_resource(
            op,
            kind,
            name,
            find=partial(self.cloud.find, kind, name),
            delete=lambda object_id: self.cloud.remove(_context(op), kind, object_id, role=role),
            exists=partial(self.cloud.exists, kind),
            patience=_PATIENCE,
            cloud="files",
        )

    def _worker(self, op: Operation, role: str, disks: Mapping[str, tuple[str, int]]) -> WorkerVm:
        """`disks`: disk id to volume and size. A worker that an earlier owner left is removed first: somebody may
        still write through it."""
        name = op.name(role)
        self._remove(op, ResourceKind.SERVER, name, role=role)
        server_id = self._create(op, ResourceKind.SERVER, name, role=role)
        for disk_id, (volume_id, _) in disks.items():
            op.check()
            self.cloud.attach(_context(op), server_id, disk_id, volume_id, role=role)
        known = json.loads((self.cloud.directory / "login.json").read_text())
        login = SshLogin(**{**known, "private_key": Secret(known["private_key"])})
        shown = tuple(
            WorkerDisk(disk_id, str(self.cloud.link(server_id, disk_id)), size)
            for disk_id, (_, size) in disks.items()
        )
        return WorkerVm(server_id, name, login, shown)


class FileSource(_Files, SourceCloud):
    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        names = sorted(path.name for path in (self.cloud.directory / "vm").iterdir())
        return [InstanceSummary(n, n, 1, 64, OsType.LINUX) for n in names if n > (marker or "")][:limit]

    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        self.cloud.look("get-instance", name_or_id)
        place = self.cloud.directory / "vm" / name_or_id
        if not place.exists():
            raise InstanceNotFound(name=name_or_id, endpoint="files")
        disks = tuple(Disk(path.name, path.stat().st_size) for path in sorted(place.iterdir()))
        nics = (Nic("net", "00:00:00:00:00:01"),)
        return Instance(name_or_id, name_or_id, 1, 64, OsType.LINUX, Firmware.BIOS, disks, nics)

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return []

    def validate_source(self, env: Environment, instance: Instance) -> None:
        self.cloud.look("validate-source", instance.name)

    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        snapshots = {}
        for disk in instance.disks:
            content = self.cloud.directory / "vm" / instance.name / disk.id
            name = op.name("snap", disk.id)
            snapshots[disk.id] = (
                self._create(op, ResourceKind.SNAPSHOT, name, content=content),
                disk.size_bytes,
            )
        return SourceResources(self._worker(op, EXPORT, snapshots), {})

    def delete_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> None:
        self._remove(op, ResourceKind.SERVER, op.name(EXPORT), role=EXPORT)
        names = [op.name("snap", disk.id) for disk in instance.disks]
        run_all([partial(self._remove, op, ResourceKind.SNAPSHOT, name) for name in names])

    def shutdown_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        with self.cloud.call("shutdown", instance.name, _context(op)):
            pass

    def start_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        with self.cloud.call("start", instance.name, _context(op)):
            pass


class FileDestination(_Files, DestinationCloud):
    def list_storage(self, env: Environment) -> Sequence[StorageBackend]:
        return [StorageBackend("store-1", "store")]

    def destination_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return []

    def validate_destination(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk] = ()
    ) -> None:
        self.cloud.look("validate-destination", instance.name)

    def validate_deployment(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self.cloud.look("validate-deployment", instance.name)

    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        known = {replica.disk_id: replica for replica in replicas}
        for disk in instance.disks:
            if disk.id not in known:
                name = op.name("replica", disk.id)
                volume_id = self._create(op, ResourceKind.VOLUME, name, content=disk.size_bytes)
                op.ledger.keep(ResourceKind.VOLUME, name, f"replica of disk {disk.id}")
                known[disk.id] = ReplicaDisk(disk.id, volume_id, name, disk.size_bytes)
        return [known[disk.id] for disk in instance.disks]

    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        run_all([partial(self._remove, op, ResourceKind.VOLUME, r.volume_name) for r in replicas])

    def deploy_target_resources(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> TargetResources:
        volumes = {replica.disk_id: (replica.volume_id, replica.size_bytes) for replica in replicas}
        return TargetResources(self._worker(op, COPY, volumes), {})

    def delete_target_resources(
        self, op: Operation, env: Environment, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self._remove(op, ResourceKind.SERVER, op.name(COPY), role=COPY)

    def clone_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        clones = []
        for number, replica in enumerate(replicas):
            name = op.name("clone", replica.disk_id)
            content = self.cloud.volume(replica.volume_id)
            volume_id = self._create(op, ResourceKind.VOLUME, name, role="clone", content=content)
            clones.append(ClonedDisk(replica.disk_id, volume_id, name, replica.size_bytes, number == 0))
        return clones

    def delete_cloned_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        names = [op.name("clone", disk.id) for disk in instance.disks]
        run_all([partial(self._remove, op, ResourceKind.VOLUME, name, role="clone") for name in names])

    def morphing_profile(self, env: Environment, instance: Instance) -> MorphingProfile:
        return MorphingProfile(mac_addresses=("00:00:00:00:00:01",))

    def deploy_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        kind: GuestKind = "linux",
    ) -> MorphingResources:
        volumes = {disk.disk_id: (disk.volume_id, disk.size_bytes) for disk in disks}
        return MorphingResources(self._worker(op, MORPH, volumes), {})

    def delete_os_morphing_resources(
        self, op: Operation, env: Environment, disks: Sequence[ClonedDisk]
    ) -> None:
        self._remove(op, ResourceKind.SERVER, op.name(MORPH), role=MORPH)

    def finalize_instance(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        name = op.name("vm")
        vm_id = self._create(op, ResourceKind.VM, name)
        for disk in disks:
            op.ledger.keep(ResourceKind.VOLUME, disk.volume_name, "of the VM")
        op.ledger.keep(ResourceKind.VM, name, "the VM")
        return DeployedInstance(vm_id, instance.name, ("10.0.0.1",), powered_on=True)

    def delete_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        self._remove(op, ResourceKind.VM, op.name("vm"))


class FileProvider(Provider):
    platform = PLATFORM
    capabilities = tuple(ProviderType)

    def connection_schema(self) -> Mapping[str, Any]:
        return {"title": "connection"}

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return None

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return None

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        if "directory" not in connection_info:
            raise InvalidInput(message="connection_info.directory is missing")

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        return FileSource(Path(connection_info["directory"]))

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return FileDestination(Path(connection_info["directory"]))


def find_provider(platform: str) -> Provider:
    if platform != PLATFORM:
        raise InvalidInput(message=f"No provider for platform {platform!r}; there is: {PLATFORM}.")
    return FileProvider()


def all_providers() -> Mapping[str, Provider]:
    return {PLATFORM: FileProvider()}


def morph_files(job: MorphJob, *, report: Callable[[str], None], check: Callable[[], None]) -> DetectedOs:
    """In place of the guest's adaptation, which needs a guest: writes to the boot disk through the worker."""
    check()
    link = Path(job.disks[0].serial)
    cloud = FileCloud(link.parents[2])
    with cloud.call(MORPH, link.name), link.open("r+b") as disk:
        disk.write(b"morphed")
    report("morphing")
    return DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12")


def _context(op: Operation) -> StepContext:
    """Steps give providers their own context; the cloud's journal tells from it which job and step it was."""
    return cast(StepContext, op)
