"""Two platforms made of files, for the whole way from the front door to the last step.

A cloud is a directory: `vm/<instance>/<disk>` are the source's disks, `<kind>-<name>` are resources, replica
volumes among them. `off/<instance>` is there while one is shut down, `fail/<verb>` makes a verb fail. What
crosses is the files' bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coriolis.config import Settings
from coriolis.errors import AuthenticationFailed, CloudError, InstanceNotFound, InvalidInput
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
from coriolis.model.progress import DiskProgress, DiskResult
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
from coriolis.transfer.job import CopyJob

PASSWORD = "tiptop-geheim"
OPEN_SESSIONS: list["PaperCloud"] = []


class PaperCloud:
    def __init__(self, directory: Path, password: str) -> None:
        self.directory = directory
        self.password = password
        OPEN_SESSIONS.append(self)

    def close(self) -> None:
        OPEN_SESSIONS.remove(self)

    def validate_connection(self) -> None:
        if self.password != PASSWORD:
            raise AuthenticationFailed(cloud="paper", username="u", reason="no")

    def list_networks(self, env: Environment) -> Sequence[Network]:
        return [Network("n1", "net")]

    def does(self, verb: str) -> None:
        with (self.directory / "log").open("a") as log:
            log.write(f"{verb}\n")
        if (self.directory / "fail" / verb).exists():
            raise CloudError(cloud="paper", action=verb, reason="told to")

    def has_worker(self, worker: WorkerVm) -> bool:
        return self.path(ResourceKind.SERVER, worker.name).exists()

    def path(self, kind: ResourceKind, name: str) -> Path:
        return self.directory / f"{kind}-{name}"

    def create(self, op: Operation, kind: ResourceKind, name: str, content: bytes = b"") -> str:
        with op.ledger.creating(kind, name) as row:
            self.path(kind, name).write_bytes(content)
            row.created(name)
        return name

    def remove(self, op: Operation, kind: ResourceKind, name: str) -> None:
        if op.ledger.find(kind, name) is not None:
            self.path(kind, name).unlink(missing_ok=True)
            op.ledger.removed(kind, name)

    def worker(self, op: Operation, role: str, disks: Mapping[str, str]) -> WorkerVm:
        name = self.create(op, ResourceKind.SERVER, op.name(role))
        login = SshLogin(str(self.directory), "root", password=Secret(PASSWORD))
        return WorkerVm(name, name, login, tuple(WorkerDisk(d, serial, 4) for d, serial in disks.items()))


class PaperSource(PaperCloud, SourceCloud):
    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        names = sorted(p.name for p in (self.directory / "vm").iterdir())
        return [InstanceSummary(n, n, 1, 64, OsType.LINUX) for n in names if n > (marker or "")][:limit]

    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        place = self.directory / "vm" / name_or_id
        if not place.exists():
            raise InstanceNotFound(name=name_or_id, endpoint="paper")
        disks = tuple(Disk(p.name, p.stat().st_size) for p in sorted(place.iterdir()))
        nics = (Nic("net", "00:00:00:00:00:01"),)
        on = not (self.directory / "off" / name_or_id).exists()
        return Instance(name_or_id, name_or_id, 1, 64, OsType.LINUX, Firmware.BIOS, disks, nics, running=on)

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return [ProviderOption("o", ("a",))]

    def validate_source(self, env: Environment, instance: Instance) -> None:
        self.does("validate-source")

    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        self.does("deploy-source")
        for disk in instance.disks:
            content = (self.directory / "vm" / instance.name / disk.id).read_bytes()
            self.create(op, ResourceKind.SNAPSHOT, op.name("snap", disk.id), content)
        serials = {d.id: f"{ResourceKind.SNAPSHOT}-{op.name('snap', d.id)}" for d in instance.disks}
        return SourceResources(self.worker(op, "export", serials), {})

    def delete_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> None:
        self.does("delete-source")
        self.remove(op, ResourceKind.SERVER, op.name("export"))
        for disk in instance.disks:
            self.remove(op, ResourceKind.SNAPSHOT, op.name("snap", disk.id))

    def shutdown_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        self.does("shutdown")
        (self.directory / "off").mkdir(exist_ok=True)
        (self.directory / "off" / instance.name).touch()

    def start_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        self.does("start")
        (self.directory / "off" / instance.name).unlink(missing_ok=True)


class PaperDestination(PaperCloud, DestinationCloud):
    def list_storage(self, env: Environment) -> Sequence[StorageBackend]:
        return [StorageBackend("s", "store")]

    def destination_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return []

    def validate_destination(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk] = ()
    ) -> None:
        self.does("validate-destination")

    def validate_deployment(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self.does("validate-deployment")

    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        known = {replica.disk_id: replica for replica in replicas}
        answer = []
        for disk in instance.disks:
            name = op.name("replica", disk.id)
            if disk.id not in known:
                self.create(op, ResourceKind.VOLUME, name, bytes(disk.size_bytes))
                op.ledger.keep(ResourceKind.VOLUME, name, "a replica")
                dirty = (self.directory / "fail" / "not-zeroed").exists()
                known[disk.id] = ReplicaDisk(disk.id, name, name, disk.size_bytes, dirty=dirty)
            answer.append(known[disk.id])
        self.does("deploy-disks")
        return answer

    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        self.does("delete-disks")
        for replica in replicas:
            self.remove(op, ResourceKind.VOLUME, replica.volume_name)

    def deploy_target_resources(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> TargetResources:
        worker = self.worker(
            op, "copy", {r.disk_id: f"{ResourceKind.VOLUME}-{r.volume_id}" for r in replicas}
        )
        self.does("deploy-target")
        return TargetResources(worker, {})

    def delete_target_resources(
        self, op: Operation, env: Environment, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self.does("delete-target")
        self.remove(op, ResourceKind.SERVER, op.name("copy"))

    def clone_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        clones = []
        for replica in replicas:
            content = self.path(ResourceKind.VOLUME, replica.volume_id).read_bytes()
            name = self.create(op, ResourceKind.VOLUME, op.name("clone", replica.disk_id), content)
            clones.append(ClonedDisk(replica.disk_id, name, name, replica.size_bytes, not clones))
        self.does("clone-disks")
        return clones

    def delete_cloned_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        self.does("delete-clones")
        for disk in instance.disks:
            self.remove(op, ResourceKind.VOLUME, op.name("clone", disk.id))

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
        self.does("deploy-morphing")
        serials = {disk.disk_id: f"{ResourceKind.VOLUME}-{disk.volume_id}" for disk in disks}
        return MorphingResources(self.worker(op, "morph", serials), {})

    def delete_os_morphing_resources(
        self, op: Operation, env: Environment, disks: Sequence[ClonedDisk]
    ) -> None:
        self.does("delete-morphing")
        self.remove(op, ResourceKind.SERVER, op.name("morph"))

    def finalize_instance(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        name = self.create(op, ResourceKind.VM, op.name("vm"), str(detected_os).encode())
        self.does("finalize")
        for disk in disks:
            op.ledger.keep(ResourceKind.VOLUME, disk.volume_name, "of the VM")
        op.ledger.keep(ResourceKind.VM, name, "the VM")
        return DeployedInstance(name, instance.name, ("10.0.0.1",), True)

    def delete_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        self.does("delete-instance")
        self.remove(op, ResourceKind.VM, op.name("vm"))


class PaperProvider(Provider):
    platform = "paper"
    capabilities = (ProviderType.ENDPOINT, ProviderType.TRANSFER_EXPORT, ProviderType.TRANSFER_IMPORT)

    def connection_schema(self) -> Mapping[str, Any]:
        return {"title": "connection"}

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return None

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return {"title": "destination"}

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        if "directory" not in connection_info:
            raise InvalidInput(message="directory is missing")

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        return PaperSource(Path(connection_info["directory"]), connection_info["password"])

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return PaperDestination(Path(connection_info["directory"]), connection_info["password"])


def copy_files(
    job: CopyJob, *, report: Callable[[DiskProgress], None], check: Callable[[], None], **_: object
) -> tuple[DiskResult, ...]:
    """The data path between two directories; a `fail/copy` on the destination breaks off in the middle."""
    results = []
    for copy in job.copies:
        check()
        source = Path(copy.source.login.address) / copy.source.disk.serial
        target = Path(copy.destination.login.address) / copy.destination.disk.serial
        content = source.read_bytes()
        report(DiskProgress(copy.disk_id, copy.size_bytes, 0, 0))
        target.write_bytes(content[: len(content) // 2])
        if (target.parent / "fail" / "copy").exists():
            raise CloudError(cloud="paper", action="copy", reason="told to")
        target.write_bytes(content)
        copy.manifest.write_text(
            f"{copy.generation} {copy.previous} {copy.compare_destination} {copy.destination_zeroed}"
        )
        report(DiskProgress(copy.disk_id, copy.size_bytes, copy.size_bytes, len(content)))
        results.append(
            DiskResult(copy.disk_id, copy.size_bytes, len(content), 0, 0, 9, 0.1, "d", str(copy.manifest))
        )
    return tuple(results)


def morph_files(job: MorphJob, *, report: Callable[[str], None], check: Callable[[], None]) -> DetectedOs:
    """Writes the scripts over the boot disk; a `fail/morph` fails after that."""
    check()
    disk = Path(job.login.address) / job.disks[0].serial
    disk.write_text(repr(job.user_scripts))
    report("morphing")
    if (disk.parent / "fail" / "morph").exists():
        raise CloudError(cloud="paper", action="morph", reason="told to")
    return DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12")
