"""OpenStack as a destination."""

from collections.abc import Sequence

from coriolis.config import OpenStackSection
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Instance, Network, ProviderOption, StorageBackend
from coriolis.model.morphing import MorphingProfile
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs, ReplicaDisk
from coriolis.model.worker import GuestKind, WorkerVm
from coriolis.providers.base import (
    DestinationCloud,
    Environment,
    MorphingResources,
    Operation,
    TargetResources,
)
from coriolis.providers.openstack import validation, versions
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.checks import check_deployment, check_transfer
from coriolis.providers.openstack.destination.final_vm import FinalVm
from coriolis.providers.openstack.destination.offers import destination_offers
from coriolis.providers.openstack.destination.options import DestinationEnvironment, destination_environment
from coriolis.providers.openstack.destination.placement import (
    COPY_ROLE,
    MORPHING_ROLE,
    placement,
    volume_types,
    worker_plan,
)
from coriolis.providers.openstack.destination.profile import morphing_profile
from coriolis.providers.openstack.destination.rbd_volumes import RbdVolumes
from coriolis.providers.openstack.destination.replica_volumes import ReplicaVolumes
from coriolis.providers.openstack.workers import Workers

_ROUTES = {"ssh": "ssh", "https": "tls"}
"""Through a worker, where the mechanism says it."""


class OpenStackDestination(DestinationCloud):
    def __init__(self, client: OpenStackClient, section: OpenStackSection) -> None:
        self._client = client
        self._section = section
        self._replicas = ReplicaVolumes(client)
        self._workers = Workers(client)
        self._final = FinalVm(client)

    # What is there

    def validate_connection(self) -> None:
        """Logs in and asks each service that an import needs, so that a hole in the catalog shows now."""
        validation.validate(self._client)

    def remarks(self) -> Sequence[str]:
        return [*validation.remarks(self._client), *versions.remarks(self._client)]

    def list_networks(self, env: Environment) -> Sequence[Network]:
        """Those that the project can put VMs on: its own and shared ones, unless the environment asks for all."""
        everything = self._environment(env).list_all_destination_networks
        project = self._client.project_id
        found = self._client.rows("list networks", self._client.network.networks)
        usable = [n for n in found if everything or n.is_shared or n.project_id == project]
        return sorted((Network(n.id, n.name) for n in usable), key=lambda network: (network.name, network.id))

    def list_storage(self, env: Environment) -> Sequence[StorageBackend]:
        self._environment(env)
        found = self._client.rows("list volume types", self._client.storage.types)
        return sorted((StorageBackend(t.id, t.name) for t in found), key=lambda backend: backend.name)

    def destination_options(self, env: Environment, names: Sequence[str] = ()) -> Sequence[ProviderOption]:
        return destination_offers(self._client, self._environment(env), names)

    def validate_destination(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk] = ()
    ) -> None:
        check_transfer(self._client, self._environment(env), instance, replicas)

    def validate_deployment(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        check_deployment(self._client, self._environment(env), instance, replicas)

    # Replica disks

    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        environment = self._environment(env)
        with self._client.during(op):
            types = volume_types(self._client, environment, instance)
            return self._replicas.deploy(op, environment, types, instance, replicas)

    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        with self._client.during(op):
            self._replicas.delete(op, replicas)

    # The disk copy worker

    def deploy_target_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,  # noqa: ARG002 - of the contract
        replicas: Sequence[ReplicaDisk],
    ) -> TargetResources:
        environment = self._environment(env)
        mechanism = environment.data_transfer_mechanism
        with self._client.during(op):
            self._workers.delete(op, COPY_ROLE, _ids(replicas))
            if mechanism == "rbd":
                return TargetResources(None, {}, RbdVolumes(self._client).images(replicas))
            plan = worker_plan(self._client, environment, COPY_ROLE)
            disks = [(r.disk_id, r.volume_id, r.size_bytes) for r in replicas]
            worker = self._workers.create_with_disks(op, plan, disks)
            return TargetResources(worker, {}, route=_ROUTES.get(mechanism))

    def delete_target_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        replicas: Sequence[ReplicaDisk],
    ) -> None:
        with self._client.during(op):
            self._workers.delete(op, COPY_ROLE, _ids(replicas))

    def has_worker(self, worker: WorkerVm) -> bool:
        return self._workers.runs(worker)

    # Deployment

    def clone_disks(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - a copy is where its replica is
        instance: Instance,
        replicas: Sequence[ReplicaDisk],
    ) -> Sequence[ClonedDisk]:
        with self._client.during(op):
            return self._replicas.clone(op, instance, replicas)

    def delete_cloned_disks(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
    ) -> None:
        with self._client.during(op):
            self._replicas.delete_clones(op, instance, self._final.owned_volumes(op))

    def morphing_profile(self, env: Environment, instance: Instance) -> MorphingProfile:
        return morphing_profile(self._environment(env), instance)

    def deploy_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,  # noqa: ARG002 - of the contract
        disks: Sequence[ClonedDisk],
        kind: GuestKind = "linux",
    ) -> MorphingResources:
        with self._client.during(op):
            plan = worker_plan(self._client, self._environment(env), MORPHING_ROLE, kind)
            self._workers.delete(op, MORPHING_ROLE, _ids(disks))
            attached = [(d.disk_id, d.volume_id, d.size_bytes) for d in disks]
            return MorphingResources(self._workers.create_with_disks(op, plan, attached), {})

    def clones_to_read(self, env: Environment, disks: Sequence[ClonedDisk]) -> tuple[ImageDisk, ...]:
        if self._environment(env).data_transfer_mechanism != "rbd":
            return ()
        return RbdVolumes(self._client).images(disks)

    def delete_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        disks: Sequence[ClonedDisk],
    ) -> None:
        with self._client.during(op):
            self._workers.delete(op, MORPHING_ROLE, _ids(disks))

    def finalize_instance(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,
        disks: Sequence[ClonedDisk],
        detected_os: DetectedOs | None,
    ) -> DeployedInstance:
        environment = self._environment(env)
        with self._client.during(op):
            where = placement(self._client, environment, instance)
            return self._final.create(op, environment, where, instance, disks=disks, detected=detected_os)

    def delete_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
    ) -> None:
        with self._client.during(op):
            self._final.delete(op, instance)

    def close(self) -> None:
        self._client.close()

    def _environment(self, env: Environment) -> DestinationEnvironment:
        return destination_environment(env, self._section)


def _ids(disks: Sequence[ReplicaDisk] | Sequence[ClonedDisk]) -> set[str]:
    return {disk.volume_id for disk in disks}
