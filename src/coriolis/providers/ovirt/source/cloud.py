"""oVirt as a source: backups of VMs, read by the conductor without a worker."""

from collections.abc import Sequence

from coriolis.model.enums import EventLevel
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption
from coriolis.providers.base import Environment, Operation, Points, SourceCloud, SourceResources
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.source.backups import ROLE, Backups, Point
from coriolis.providers.ovirt.source.checks import check_export
from coriolis.providers.ovirt.source.incremental import IncrementalDisks
from coriolis.providers.ovirt.source.instances import Instances
from coriolis.providers.ovirt.source.options import SourceEnvironment, source_environment
from coriolis.providers.ovirt.vms import Vms


class OvirtSource(SourceCloud):
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._backups = Backups(client)
        self._vms = Vms(client)

    def validate_connection(self) -> None:
        self._client.call("log in", self._client.system.get)
        Inventory(self._client).clusters()

    def list_networks(self, env: Environment) -> Sequence[Network]:
        self._environment(env)
        return Instances(self._client).networks()

    def list_instances(
        self,
        env: Environment,
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        self._environment(env)
        return Instances(self._client).page(marker, limit, name)

    def get_instance(self, env: Environment, name_or_id: str) -> Instance:
        self._environment(env)
        return Instances(self._client).instance(name_or_id)

    def source_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        """No option has values that an engine could offer."""
        del names
        self._environment(env)
        return ()

    def validate_source(self, env: Environment, instance: Instance) -> None:
        self._environment(env)
        check_export(self._client, instance)

    def deploy_source_resources(
        self, op: Operation, env: Environment, instance: Instance, points: Points
    ) -> SourceResources:
        environment = self._environment(env)
        with self._client.during(op, ROLE):
            self._backups.close(op, instance)
            if environment.automatically_enable_incremental_backups:
                IncrementalDisks(self._client).enable(op, instance)
            since = self._since(op, instance, points)
            return SourceResources(None, {}, self._backups.open(op, instance, since))

    def delete_source_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
        points: Points,
    ) -> None:
        kept = {Point.parse(text).checkpoint_id for text in points.values()}
        with self._client.during(op, ROLE):
            self._backups.close(op, instance)
            self._backups.prune(op, instance.id, kept)

    def delete_points(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        points: Points,
    ) -> None:
        known = {Point.parse(text) for text in points.values()}
        with self._client.during(op, ROLE):
            for vm_id in {point.vm_id for point in known}:
                self._backups.prune(op, vm_id, ())
            for point in known:
                self._backups.forget_if_gone(op, point)

    def shutdown_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
    ) -> None:
        """By ACPI; a guest that does not listen for `timeout` seconds has its plug pulled."""
        op.progress(f"Shutting down instance {instance.name}")
        with self._client.during(op, "shutdown"):
            self._vms.shut_down(op, instance.id)

    def start_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - of the contract
        instance: Instance,
    ) -> None:
        op.progress(f"Starting instance {instance.name}")
        with self._client.during(op, "start"):
            self._vms.start(op, instance.id)

    def close(self) -> None:
        self._client.close()

    def _since(self, op: Operation, instance: Instance, points: Points) -> Point | None:
        """The checkpoint that all replicas stand at, if it still exists; an event tells why not."""
        texts = {points[disk.id] for disk in instance.disks if disk.id in points}
        if not texts:
            return None
        if len(texts) > 1:
            why = "the replicas are of different runs"
        else:
            point = Point.parse(texts.pop())
            self._backups.forget_if_gone(op, point)
            if point.vm_id == instance.id and self._backups.has(point):
                return point
            why = f"checkpoint {point.checkpoint_id} of the last run is gone"
        op.event(EventLevel.WARNING, f"The disks of {instance.name} are read in full: {why}.")
        return None

    def _environment(self, env: Environment) -> SourceEnvironment:
        return source_environment(env, self._client.settings.ovirt_migration_provider)
