"""OpenStack as a source: exports through a worker VM that reads clones of volume snapshots."""

from collections.abc import Callable, Sequence
from functools import partial

from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption
from coriolis.model.worker import WorkerDisk, WorkerVm
from coriolis.providers.base import Environment, Operation, Points, SourceCloud, SourceResources
from coriolis.providers.lifecycle import run_all, wait_until
from coriolis.providers.openstack import validation, versions
from coriolis.providers.openstack.checks import EXPORT_ROLE, check_disks, check_quota, export_plan
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.inventory import Inventory
from coriolis.providers.openstack.listing import Listing
from coriolis.providers.openstack.offers import source_offers
from coriolis.providers.openstack.options import source_environment
from coriolis.providers.openstack.volumes import ExportVolumes
from coriolis.providers.openstack.workers import Workers


class OpenStackSource(SourceCloud):
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._volumes = ExportVolumes(client)
        self._workers = Workers(client)

    def validate_connection(self) -> None:
        """Logs in and asks each service that an export needs, so that a hole in the catalog shows now."""
        validation.validate(self._client)

    def remarks(self) -> Sequence[str]:
        return [*validation.remarks(self._client), *versions.remarks(self._client)]

    def list_networks(self, env: Environment) -> Sequence[Network]:
        return self._inventory(env).networks()

    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        listing = Listing(self._client, source_environment(env).custom_os_type_map)
        return listing.page(marker=marker, limit=limit, name=name)

    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        return self._inventory(env).instance(name_or_id)

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        source_environment(env)
        return source_offers(self._client, names)

    def validate_source(self, env: Environment, instance: Instance) -> None:
        options = source_environment(env).coriolis_backups_options
        check_disks(self._client, instance)
        check_quota(self._client, instance, export_plan(self._client, options))

    def deploy_source_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        points: Points,  # noqa: ARG002 - a worker tells no changes
    ) -> SourceResources:
        """An earlier attempt's rests are removed first, not adopted: its snapshots may be of different
        instants, and the private key of its worker died with it."""
        options = source_environment(env).coriolis_backups_options
        with self._client.during(op):
            plan = export_plan(self._client, options)
            self._delete(op, instance)
            snapshots = self._volumes.create_snapshots(op, instance.disks)
            clones = self._volumes.create_clones(
                op, instance.disks, snapshots, options.export_interim_volume_type
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

    def delete_source_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
        points: Points,  # noqa: ARG002 - nothing is kept for them
    ) -> None:
        """Needs no valid environment: what is to be removed stands in the ledger."""
        with self._client.during(op):
            self._delete(op, instance)

    def shutdown_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
    ) -> None:
        """Nova asks the guest by ACPI and pulls the plug after its own time-out (60 s unless configured)."""
        op.progress(f"Shutting down instance {instance.name}")
        self._power(op, instance, "SHUTOFF", "shut down", self._client.compute.stop_server)

    def start_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
    ) -> None:
        op.progress(f"Starting instance {instance.name}")
        self._power(op, instance, "ACTIVE", "start", self._client.compute.start_server)

    def close(self) -> None:
        self._client.close()

    def _power(
        self, op: Operation, instance: Instance, wanted: str, verb: str, ask: Callable[[str], object]
    ) -> None:
        """Asks once, as soon as no other task holds the server, and waits for the status."""
        compute = self._client.compute
        asked = False

        def look() -> bool | None:
            nonlocal asked
            server = self._client.call(
                f"read server {instance.name!r}", lambda: compute.get_server(instance.id)
            )
            if server.status == wanted and server.task_state is None:
                return True
            if not asked and server.task_state is None:
                self._client.call(f"{verb} server {instance.name!r}", partial(ask, instance.id))
                asked = True
            return None

        with self._client.during(op):
            action = f"{verb} instance {instance.name!r}"
            wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def _delete(self, op: Operation, instance: Instance) -> None:
        """The worker first: it holds the clones, which hold the snapshots."""
        run_all(
            [
                partial(self._workers.delete, op, EXPORT_ROLE),
                partial(self._volumes.delete, op, instance),
            ]
        )

    def _inventory(self, env: Environment) -> Inventory:
        return Inventory(self._client, source_environment(env).custom_os_type_map)
