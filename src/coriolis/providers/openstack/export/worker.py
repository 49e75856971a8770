"""coriolis_backups: a temporary worker VM reads clones of volume snapshots, and of the image of a local root disk."""

from collections.abc import Mapping

from coriolis.model.instance import Disk, Instance
from coriolis.model.worker import WorkerDisk, WorkerVm
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.lifecycle import Patience
from coriolis.providers.openstack.checks import check_disks, check_quota, check_server, export_plan
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.freeze import Freezer
from coriolis.providers.openstack.export.points import Point
from coriolis.providers.openstack.inventory import is_local
from coriolis.providers.openstack.options import CoriolisBackupsOptions
from coriolis.providers.openstack.server_images import ServerImages
from coriolis.providers.openstack.volumes import ExportVolumes
from coriolis.providers.openstack.workers import Workers

MECHANISM = "coriolis_backups"


class WorkerExport:
    def __init__(
        self, client: OpenStackClient, options: CoriolisBackupsOptions, freezer: Freezer, image_seconds: float
    ) -> None:
        """`image_seconds`: how long the image of a local root disk, and the volume made of it, may take."""
        self._client = client
        self._options = options
        self._freezer = freezer
        self._images = ServerImages(client)
        self._volumes = ExportVolumes(client)
        self._workers = Workers(client)
        self._patience = Patience(image_seconds, client.patience.interval)

    def validate(self, instance: Instance) -> None:
        check_disks(self._client, instance, MECHANISM, local_root=True)
        if is_local(instance.disks[0]):
            check_server(self._client, instance)
        self._freezer.validate(instance)
        check_quota(self._client, instance, export_plan(self._client, self._options))

    def deploy(
        self,
        op: Operation,
        instance: Instance,
        points: Mapping[str, Point],  # noqa: ARG002 - a worker tells no changes
    ) -> SourceResources:
        plan = export_plan(self._client, self._options)
        origins = self._freeze(op, instance)
        clones = self._volumes.create_clones(
            op,
            instance.disks,
            [origins[disk.id] for disk in instance.disks],
            self._options.export_interim_volume_type,
            self._patience,
        )
        worker = self._workers.create(op, plan)
        for number, clone in enumerate(clones):
            op.progress("Attaching clones to the export worker", number, len(clones))
            self._workers.attach(op, worker.id, clone)
        op.progress("Attaching clones to the export worker", len(clones), len(clones))
        disks = tuple(
            # libvirt gives a Cinder volume its id as the serial
            WorkerDisk(disk_id=disk.id, serial=clone, size_bytes=disk.size_bytes)
            for disk, clone in zip(instance.disks, clones, strict=True)
        )
        extra = {f"{kind}/{i}": made for i, origin in origins.items() for kind, made in _frozen(origin)}
        extra |= {f"clone/{d.id}": c for d, c in zip(instance.disks, clones, strict=True)}
        return SourceResources(WorkerVm(worker.id, worker.name, worker.login, disks), extra)

    def _freeze(self, op: Operation, instance: Instance) -> dict[str, dict[str, str]]:
        """What to clone, by disk id: the volumes as soon as the local root disk, if there is one, is frozen."""
        root = next((disk for disk in instance.disks if is_local(disk)), None)
        image_id = self._begin_image(op, instance) if root else ""
        snapshots = self._freezer.freeze(op, instance)
        origins = {disk_id: {"snapshot_id": snapshot_id} for disk_id, snapshot_id in snapshots.items()}
        return origins | (self._image_origin(op, root, image_id) if root else {})

    def _begin_image(self, op: Operation, instance: Instance) -> str:
        image_id = self._images.create(op, instance.id, root_image_name(op))
        self._images.wait_taken(op, instance.id, image_id, self._patience)
        return image_id

    def _image_origin(self, op: Operation, root: Disk, image_id: str) -> dict[str, dict[str, str]]:
        self._images.wait_active(op, image_id, self._patience)
        return {root.id: {"image_id": image_id}}


def root_image_name(op: Operation) -> str:
    return op.name("root-image")


def _frozen(origin: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(kind.removesuffix("_id"), made) for kind, made in origin.items()]
