"""OpenStack as a source; how disks are read is one of the mechanisms in `export`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from coriolis.config import OpenStackSection
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption
from coriolis.model.worker import WorkerVm
from coriolis.providers.base import Environment, Operation, Points, SourceCloud, SourceResources
from coriolis.providers.lifecycle import wait_until
from coriolis.providers.openstack import validation, versions
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.backups import Backups
from coriolis.providers.openstack.export.ceph_backups import CephBackupsExport
from coriolis.providers.openstack.export.ceph_snapshots import CephSnapshotsExport
from coriolis.providers.openstack.export.freeze import Freezer
from coriolis.providers.openstack.export.leftovers import Leftovers
from coriolis.providers.openstack.export.mechanism import Export
from coriolis.providers.openstack.export.points import parsed_points
from coriolis.providers.openstack.export.swift_backups import SwiftBackupsExport
from coriolis.providers.openstack.export.worker import WorkerExport
from coriolis.providers.openstack.inventory import Inventory
from coriolis.providers.openstack.listing import Listing
from coriolis.providers.openstack.offers import source_offers
from coriolis.providers.openstack.options import SourceEnvironment, source_environment
from coriolis.providers.openstack.workers import Workers


class OpenStackSource(SourceCloud):
    def __init__(self, client: OpenStackClient, section: OpenStackSection) -> None:
        self._client = client
        self._backups = Backups(client, section.backup_timeout, section.full_backup_every)
        self._section = section
        self._leftovers = Leftovers(client, self._backups)

    def validate_connection(self) -> None:
        """Logs in and asks each service that an export needs, so that a hole in the catalog shows now."""
        validation.validate(self._client)

    def remarks(self) -> Sequence[str]:
        return [*validation.remarks(self._client), *versions.remarks(self._client)]

    def list_networks(self, env: Environment) -> Sequence[Network]:
        return Inventory(self._client, source_environment(env).custom_os_type_map).networks()

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
        environment = source_environment(env)
        found = Inventory(self._client, environment.custom_os_type_map).instance(name_or_id)
        return replace(
            found,
            os_type=environment.guest_os_type or found.os_type,
            firmware=environment.guest_firmware_type or found.firmware,
        )

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return source_offers(self._client, source_environment(env), names)

    def has_worker(self, worker: WorkerVm) -> bool:
        return Workers(self._client).runs(worker)

    def validate_source(self, env: Environment, instance: Instance) -> None:
        self._export(source_environment(env)).validate(instance)

    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        """An earlier attempt's rests are removed first, not adopted: its snapshots may be of different
        instants, and the private key of its worker died with it."""
        with self._client.during(op):
            export, known = self._export(source_environment(env)), parsed_points(points)
            self._leftovers.delete(op, instance, known)
            return export.deploy(op, instance, known)

    def delete_source_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
        points: Points,
    ) -> None:
        """Needs no valid environment: what is to be removed stands in the ledger."""
        with self._client.during(op):
            self._leftovers.delete(op, instance, parsed_points(points))

    def delete_points(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        points: Points,
    ) -> None:
        with self._client.during(op):
            self._leftovers.delete_points(op, parsed_points(points).values())

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

    def _export(self, env: SourceEnvironment) -> Export:
        client, freezer = self._client, Freezer(self._client, env.guest_quiesce)
        match env.replica_export_mechanism:
            case "coriolis_backups":
                return WorkerExport(
                    client, env.coriolis_backups_options, freezer, self._section.image_timeout
                )
            case "swift_backups":
                container = env.swift_backups_options.volume_backups_container
                return SwiftBackupsExport(client, self._backups, freezer, container=container)
            case "ceph_backups":
                wanted = self._section.cinder_ceph_backups_diff_hash_algorithm
                digest = None if wanted == "auto" else wanted
                return CephBackupsExport(client, self._backups, env.guest_quiesce, digest)
            case "ceph_snapshots":
                return CephSnapshotsExport(client, freezer)
