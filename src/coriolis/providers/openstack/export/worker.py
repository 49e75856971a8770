"""coriolis_backups: a temporary worker VM reads clones of volume snapshots."""

from collections.abc import Mapping

from coriolis.model.instance import Instance
from coriolis.model.worker import WorkerDisk, WorkerVm
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.openstack.checks import check_disks, check_quota, export_plan
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.points import Point
from coriolis.providers.openstack.options import CoriolisBackupsOptions
from coriolis.providers.openstack.volumes import ExportVolumes
from coriolis.providers.openstack.workers import Workers


class WorkerExport:
    def __init__(self, client: OpenStackClient, options: CoriolisBackupsOptions) -> None:
        self._client = client
        self._options = options
        self._volumes = ExportVolumes(client)
        self._workers = Workers(client)

    def validate(self, instance: Instance) -> None:
        check_disks(self._client, instance)
        check_quota(self._client, instance, export_plan(self._client, self._options))

    def deploy(
        self,
        op: Operation,
        instance: Instance,
        points: Mapping[str, Point],  # noqa: ARG002 - a worker tells no changes
    ) -> SourceResources:
        plan = export_plan(self._client, self._options)
        snapshots = self._volumes.create_snapshots(op, instance.disks)
        clones = self._volumes.create_clones(
            op, instance.disks, snapshots, self._options.export_interim_volume_type
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
        extra = {f"snapshot/{d.id}": s for d, s in zip(instance.disks, snapshots, strict=True)}
        extra |= {f"clone/{d.id}": c for d, c in zip(instance.disks, clones, strict=True)}
        return SourceResources(WorkerVm(worker.id, worker.name, worker.login, disks), extra)
