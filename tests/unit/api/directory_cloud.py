"""A platform whose clouds are directories: instances are JSON files, disks are files, VMs are JSON files.

    instances/<id>.json   {"name", "disks": [names of files below volumes/], "networks": [...]}
    volumes/<id>          the bytes of a disk
    vms/<name>.json       what a deployment made
    workers/<name>        temporary VMs
    stuck                 while this exists, no temporary VM can be removed

`connection_info`: `directory`, and `password`, which must be what the file `password` there says.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from coriolis.config import Settings
from coriolis.errors import AuthenticationFailed, CloudError, InstanceNotFound, InvalidInput, NetworkNotMapped
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

PLATFORM = "directory"
PASSWORD = "correct horse battery staple"


def make_cloud(path: Path, instances: Mapping[str, bytes] | None = None) -> Path:
    """A cloud with one disk of those bytes per instance."""
    for name in ("instances", "volumes", "vms", "workers"):
        (path / name).mkdir(parents=True, exist_ok=True)
    (path / "password").write_text(PASSWORD)
    for number, (name, content) in enumerate(sorted((instances or {}).items()), start=1):
        (path / "volumes" / f"disk-{name}").write_bytes(content)
        described = {"name": name, "disks": [f"disk-{name}"], "networks": ["blue"]}
        (path / "instances" / f"id-{number}.json").write_text(json.dumps(described))
    return path


def connection(path: Path, password: str = PASSWORD) -> dict[str, Any]:
    return {"directory": str(path), "username": "tester", "password": password}


class _DirectoryCloud:
    def __init__(self, connection_info: Mapping[str, Any], endpoint_name: str) -> None:
        self.root = Path(connection_info["directory"])
        self._password = connection_info["password"]
        self._username = connection_info.get("username", "")
        self.endpoint_name = endpoint_name

    def validate_connection(self) -> None:
        if not self.root.is_dir():
            raise CloudError(
                cloud=self.endpoint_name, action="looking around", reason=f"no directory {self.root}"
            )
        if (self.root / "password").read_text() != self._password:
            raise AuthenticationFailed(
                cloud=self.endpoint_name, username=self._username, reason="wrong password"
            )

    def remarks(self) -> Sequence[str]:
        remark = self.root / "remark"
        return (remark.read_text(),) if remark.exists() else ()

    def list_networks(self, env: Environment) -> Sequence[Network]:
        return (Network("net-1", "blue"), Network("net-2", "green"))

    def close(self) -> None:
        pass

    def _worker(self, op: Operation, role: str, disks: Sequence[WorkerDisk]) -> WorkerVm:
        name = op.name(role)
        with op.ledger.creating(ResourceKind.SERVER, name) as row:
            (self.root / "workers" / name).touch()
            row.created(f"id-of-{name}")
        login = SshLogin(address="127.0.0.1", username="worker", password=Secret("worker password"))
        return WorkerVm(id=f"id-of-{name}", name=name, login=login, disks=tuple(disks))

    def _remove_worker(self, op: Operation, role: str) -> None:
        name = op.name(role)
        if (self.root / "stuck").exists():
            raise CloudError(cloud=self.endpoint_name, action=f"removing {name}", reason="it is stuck")
        (self.root / "workers" / name).unlink(missing_ok=True)
        op.ledger.removed(ResourceKind.SERVER, name)


class DirectorySource(_DirectoryCloud, SourceCloud):
    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        self.validate_connection()
        found = [
            InstanceSummary(
                id=item.id,
                name=item.name,
                num_cpu=item.num_cpu,
                memory_mb=item.memory_mb,
                os_type=item.os_type,
                firmware=item.firmware,
                flavor_name=item.flavor_name,
            )
            for item in self._instances()
            if (marker is None or item.id > marker) and (name is None or name in item.name)
        ]
        return found[:limit]

    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        for item in self._instances():
            if name_or_id in (item.id, item.name):
                return item
        raise InstanceNotFound(name=name_or_id, endpoint=self.endpoint_name)

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        options = (ProviderOption("method", ("copy", "link"), "copy"),)
        return [option for option in options if not names or option.name in names]

    def validate_source(self, env: Environment, instance: Instance) -> None:
        self.validate_connection()

    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        disks = [WorkerDisk(d.id, str(self.root / "volumes" / d.id), d.size_bytes) for d in instance.disks]
        return SourceResources(worker=self._worker(op, "export", disks), extra={})

    def delete_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> None:
        self._remove_worker(op, "export")

    def shutdown_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        (self.root / "instances" / f"{instance.id}.off").touch()

    def start_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        (self.root / "instances" / f"{instance.id}.off").unlink(missing_ok=True)

    def _instances(self) -> list[Instance]:
        return [self._instance(path) for path in sorted((self.root / "instances").glob("*.json"))]

    def _instance(self, path: Path) -> Instance:
        described = json.loads(path.read_text())
        disks = tuple(
            Disk(
                id=name,
                size_bytes=(self.root / "volumes" / name).stat().st_size,
                unit_number=number,
                bootable=number == 0,
                storage_backend="shelf",
            )
            for number, name in enumerate(described["disks"])
        )
        nics = tuple(
            Nic(
                network_name=network,
                mac_address="52:54:00:00:00:01",
                id=f"nic-{network}",
                ip_addresses=("10.0.0.5",),
            )
            for network in described["networks"]
        )
        return Instance(
            id=path.stem,
            name=described["name"],
            num_cpu=2,
            memory_mb=1024,
            os_type=OsType.LINUX,
            firmware=Firmware.BIOS,
            disks=disks,
            nics=nics,
            flavor_name="small",
        )


class DirectoryDestination(_DirectoryCloud, DestinationCloud):
    def list_storage(self, env: Environment) -> Sequence[StorageBackend]:
        return (StorageBackend("store-1", "fast"),)

    def destination_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        options = (
            ProviderOption("network", (Network("net-1", "blue"), Network("net-2", "green")), "net-1"),
            ProviderOption("preallocated", ("true", "false"), False),
        )
        return [option for option in options if not names or option.name in names]

    def validate_destination(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk] = ()
    ) -> None:
        self.validate_connection()
        for nic in instance.nics:
            if nic.network_name not in env.get("network_map", {}):
                raise NetworkNotMapped(network=nic.network_name, instance=instance.name)

    def validate_deployment(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self.validate_destination(env, instance)

    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        known = {replica.disk_id: replica for replica in replicas}
        return [known.get(disk.id) or self._new_replica(op, disk) for disk in instance.disks]

    def _new_replica(self, op: Operation, disk: Disk) -> ReplicaDisk:
        name = op.name("replica", disk.id)
        with op.ledger.creating(ResourceKind.DISK, name) as row:
            (self.root / "volumes" / name).write_bytes(bytes(disk.size_bytes))
            row.created(name)
        op.ledger.keep(ResourceKind.DISK, name, f"replica of disk {disk.id}")
        return ReplicaDisk(disk_id=disk.id, volume_id=name, volume_name=name, size_bytes=disk.size_bytes)

    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        for replica in replicas:
            (self.root / "volumes" / replica.volume_id).unlink(missing_ok=True)
            op.ledger.removed(ResourceKind.DISK, replica.volume_name)

    def deploy_target_resources(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> TargetResources:
        disks = [
            WorkerDisk(r.disk_id, str(self.root / "volumes" / r.volume_id), r.size_bytes) for r in replicas
        ]
        return TargetResources(worker=self._worker(op, "copy", disks), extra={})

    def delete_target_resources(
        self, op: Operation, env: Environment, replicas: Sequence[ReplicaDisk]
    ) -> None:
        self._remove_worker(op, "copy")

    def clone_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        return [self._clone(op, replica, bootable=n == 0) for n, replica in enumerate(replicas)]

    def _clone(self, op: Operation, replica: ReplicaDisk, *, bootable: bool) -> ClonedDisk:
        name = op.name("disk", replica.disk_id)
        with op.ledger.creating(ResourceKind.DISK, name) as row:
            shutil.copyfile(self.root / "volumes" / replica.volume_id, self.root / "volumes" / name)
            row.created(name)
        return ClonedDisk(replica.disk_id, name, name, replica.size_bytes, bootable)

    def delete_cloned_disks(self, op: Operation, env: Environment, instance: Instance) -> None:
        for disk in instance.disks:
            name = op.name("disk", disk.id)
            (self.root / "volumes" / name).unlink(missing_ok=True)
            op.ledger.removed(ResourceKind.DISK, name)

    def morphing_profile(self, env: Environment, instance: Instance) -> MorphingProfile:
        return MorphingProfile()

    def deploy_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        kind: GuestKind = "linux",
    ) -> MorphingResources:
        attached = [
            WorkerDisk(d.disk_id, str(self.root / "volumes" / d.volume_id), d.size_bytes) for d in disks
        ]
        return MorphingResources(worker=self._worker(op, "morph", attached), extra={})

    def delete_os_morphing_resources(
        self, op: Operation, env: Environment, disks: Sequence[ClonedDisk]
    ) -> None:
        self._remove_worker(op, "morph")

    def finalize_instance(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        with op.ledger.creating(ResourceKind.VM, instance.name) as row:
            made = {"name": instance.name, "disks": [disk.volume_id for disk in disks]}
            (self.root / "vms" / f"{instance.name}.json").write_text(json.dumps(made))
            row.created(f"vm-{instance.name}")
        op.ledger.keep(ResourceKind.VM, instance.name, "deployed")
        for disk in disks:
            op.ledger.keep(ResourceKind.DISK, disk.volume_name, f"disk of VM {instance.name}")
        return DeployedInstance(f"vm-{instance.name}", instance.name, ("10.1.0.5",), powered_on=True)

    def delete_instance(self, op: Operation, env: Environment, instance: Instance) -> None:
        (self.root / "vms" / f"{instance.name}.json").unlink(missing_ok=True)
        op.ledger.removed(ResourceKind.VM, instance.name)


class DirectoryProvider(Provider):
    platform: ClassVar[str] = PLATFORM
    capabilities: ClassVar[tuple[ProviderType, ...]] = tuple(ProviderType)

    def connection_schema(self) -> Mapping[str, Any]:
        return {
            "type": "object",
            "properties": {
                "directory": {"type": "string", "title": "Directory"},
                "username": {"type": "string"},
                "password": {"type": "string", "format": "password"},
            },
            "required": ["directory", "password"],
        }

    def source_environment_schema(self) -> Mapping[str, Any] | None:
        return {"type": "object", "properties": {"method": {"type": "string", "default": "copy"}}}

    def destination_environment_schema(self) -> Mapping[str, Any] | None:
        return {"type": "object", "properties": {"network": {"type": "string"}}}

    def check_connection_info(self, connection_info: Mapping[str, Any]) -> None:
        for name in ("directory", "password"):
            if not isinstance(connection_info.get(name), str):
                raise InvalidInput(message=f"connection_info.{name}: a string is needed.")

    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        return DirectorySource(connection_info, endpoint_name)

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        return DirectoryDestination(connection_info, endpoint_name)


def find_provider(platform: str) -> Provider:
    if platform != PLATFORM:
        raise InvalidInput(message=f"No provider for platform {platform!r}; there are: {PLATFORM}.")
    return DirectoryProvider()
