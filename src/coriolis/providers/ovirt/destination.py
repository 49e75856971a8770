"""oVirt as a destination."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from ovirtsdk4 import types

from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Disk, Instance, Network, ProviderOption, StorageBackend
from coriolis.model.morphing import MorphingProfile
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs, ReplicaDisk
from coriolis.model.worker import GuestKind, WorkerVm
from coriolis.providers.base import (
    Environment,
    InPlaceDestination,
    MorphingResources,
    Operation,
    TargetResources,
)
from coriolis.providers.lifecycle import run_all
from coriolis.providers.ovirt.checks import check_deployment, check_in_place, check_transfer, placement
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.disks import Disks, reads_as_zeros
from coriolis.providers.ovirt.final_vm import FinalVm
from coriolis.providers.ovirt.image_targets import ImageTargets
from coriolis.providers.ovirt.in_place import InPlace
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.nics import Nics
from coriolis.providers.ovirt.offers import destination_offers
from coriolis.providers.ovirt.options import DestinationEnvironment, destination_environment
from coriolis.providers.ovirt.snapshot_clones import SnapshotClones
from coriolis.providers.ovirt.worker_plans import worker_plan
from coriolis.providers.ovirt.workers import COPY_ROLE, MORPHING_ROLE, Workers
from coriolis.providers.replica_disks import (
    clone_name,
    delete_replicas,
    deploy_replicas,
    in_order,
    replica_name,
)

_ROUTES = {"ssh": "ssh", "https": "tls"}
"""Through a worker, where the mechanism says it."""


class OvirtDestination(InPlaceDestination):
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._disks = Disks(client)
        self._workers = Workers(client)
        self._final = FinalVm(client)
        self._in_place = InPlace(client)
        self._clones = SnapshotClones(client)
        self._images = ImageTargets(client)
        self._nics = Nics(client)

    # What is there

    def validate_connection(self) -> None:
        self._client.call("log in", self._client.system.get)
        Inventory(self._client).clusters()

    def list_networks(self, env: Environment) -> Sequence[Network]:
        inventory = Inventory(self._client)
        return inventory.network_pairs(inventory.cluster(self._environment(env).cluster))

    def list_storage(self, env: Environment) -> Sequence[StorageBackend]:
        inventory = Inventory(self._client)
        domains = inventory.domains(inventory.cluster(self._environment(env).cluster))
        return [StorageBackend(d.id, d.name) for d in sorted(domains, key=lambda d: d.name) if d.active]

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

    def validate_in_place(
        self, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> None:
        check_in_place(self._client, self._environment(env), instance, replicas)

    # Replica disks

    def deploy_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ReplicaDisk]:
        environment = self._environment(env)
        with self._client.during(op, "deploy-disks"):
            where = placement(self._client, environment, instance)
            thin = environment.use_thin_disk_allocation

            def create(number: int, disk: Disk) -> ReplicaDisk:
                name, domain = replica_name(op, number), where.domains[number]
                disk_id = self._disks.create(op, name, disk.size_bytes, domain, thin=thin)
                # dirty: the first run compares it, rather than take it for empty
                dirty = not reads_as_zeros(domain, thin=thin)
                return ReplicaDisk(disk.id, disk_id, name, disk.size_bytes, dirty=dirty)

            def grow(replica: ReplicaDisk, size_bytes: int) -> ReplicaDisk:
                self._disks.grow(op, replica.volume_id, size_bytes)
                return replace(replica, size_bytes=size_bytes)

            return deploy_replicas(
                op,
                ResourceKind.DISK,
                instance,
                replicas,
                present=partial(self._present, op),
                create=create,
                grow=grow,
                wait=partial(self._disks.wait_ok, op),
            )

    def delete_disks(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> None:
        with self._client.during(op, "delete-disks"):
            delete_replicas(
                op,
                ResourceKind.DISK,
                replicas,
                remove=partial(self._disks.remove, op),
                remove_named=partial(self._disks.remove_named, op),
            )

    # The disk copy worker

    def deploy_target_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,  # noqa: ARG002 - of the contract
        replicas: Sequence[ReplicaDisk],
    ) -> TargetResources:
        environment = self._environment(env)
        with self._client.during(op, COPY_ROLE):
            self._workers.delete(op, COPY_ROLE, _ids(replicas))
            self._images.close(op, replicas)
            images = self._images.open(op, environment.data_transfer_mechanism, replicas)
            if images is not None:
                return TargetResources(None, {}, images)
            plan = worker_plan(self._client, environment)
            disks = [(r.disk_id, r.volume_id, r.size_bytes) for r in replicas]
            worker = self._workers.create(op, COPY_ROLE, plan, disks)
            return TargetResources(worker, {}, route=_ROUTES.get(environment.data_transfer_mechanism))

    def delete_target_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        replicas: Sequence[ReplicaDisk],
    ) -> None:
        with self._client.during(op, COPY_ROLE):
            run_all(
                [
                    partial(self._images.close, op, replicas),
                    partial(self._workers.delete, op, COPY_ROLE, _ids(replicas)),
                ]
            )

    def has_worker(self, worker: WorkerVm) -> bool:
        return self._workers.runs(worker)

    # Deployment

    def clone_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        """A copy stays in the storage domain of its replica."""
        environment = self._environment(env)
        ordered = in_order(instance, replicas)
        with self._client.during(op, "clone-disks"):
            if environment.disk_clone_mechanism == "snapshot":
                copies = self._clone_through_snapshot(op, environment, ordered)
            else:
                copies = self._copy_each(op, ordered)
        return [
            ClonedDisk(
                replica.disk_id, copy, clone_name(op, number), replica.size_bytes, bootable=number == 0
            )
            for number, (replica, copy) in enumerate(zip(ordered, copies, strict=True))
        ]

    def _copy_each(self, op: Operation, replicas: Sequence[ReplicaDisk]) -> list[str]:
        copies = []
        for number, replica in enumerate(replicas):
            op.progress("Copying replica disks", number, len(replicas))
            copies.append(self._disks.copy(op, replica.volume_id, clone_name(op, number)))
        for replica, copy in zip(replicas, copies, strict=True):
            self._disks.wait_ok(op, copy)
            self._disks.wait_ok(op, replica.volume_id)
        op.progress("Copying replica disks", len(copies), len(copies))
        return copies

    def _clone_through_snapshot(
        self, op: Operation, environment: DestinationEnvironment, replicas: Sequence[ReplicaDisk]
    ) -> list[str]:
        """Goes back to the beginning after a crash, unless all of the copies are there."""
        self._clones.delete(op)
        names = [clone_name(op, number) for number in range(len(replicas))]
        rows = [op.ledger.find(ResourceKind.DISK, name) for name in names]
        known = [row.cloud_id for row in rows if row is not None and row.cloud_id]
        if len(known) == len(names) and all(self._disks.get(id_) is not None for id_ in known):
            return known
        for name in names:
            self._disks.remove_named(op, name)
        inventory = Inventory(self._client)
        template = inventory.blank_template(environment.migr_blank_template)
        cluster = inventory.cluster(environment.cluster)
        return self._clones.create(op, cluster.id, template.id, replicas, names)

    def delete_cloned_disks(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
    ) -> None:
        with self._client.during(op, "clone-disks"):
            self._clones.delete(op)
            owned = self._final.owned_disks(op)
            names = [clone_name(op, number) for number in range(len(instance.disks))]
            run_all([partial(self._delete_clone, op, name, owned) for name in names])

    def morphing_profile(self, env: Environment, instance: Instance) -> MorphingProfile:
        environment = self._environment(env)
        kept = [nic for nic in instance.nics if environment.keeps_mac(nic)]
        macs = tuple(nic.mac_address for nic in kept if nic.mac_address)
        if macs:  # one that is taken will be replaced
            taken = self._nics.addresses_in_use()
            macs = tuple(mac for mac in macs if mac.lower() not in taken)
        # with a NIC whose MAC is not known, only DHCP on all of them reaches every one
        return MorphingProfile(mac_addresses=macs if len(macs) == len(instance.nics) else ())

    def deploy_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,
        instance: Instance,  # noqa: ARG002 - of the contract
        disks: Sequence[ClonedDisk],
        kind: GuestKind = "linux",
    ) -> MorphingResources:
        environment = self._environment(env)
        with self._client.during(op, MORPHING_ROLE):
            if self._in_place.under_way(op):
                plan = worker_plan(self._client, environment, kind, whole=True)
                return MorphingResources(self._in_place.start_worker(op, plan, disks), {})
            plan = worker_plan(self._client, environment, kind)
            self._workers.delete(op, MORPHING_ROLE, _ids(disks))
            attached = [(d.disk_id, d.volume_id, d.size_bytes) for d in disks]
            return MorphingResources(self._workers.create(op, MORPHING_ROLE, plan, attached), {})

    def delete_os_morphing_resources(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        disks: Sequence[ClonedDisk],
    ) -> None:
        with self._client.during(op, MORPHING_ROLE):
            if self._in_place.under_way(op):
                self._in_place.delete_worker(op)
            else:
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
        with self._client.during(op, "finalize"):
            where = placement(self._client, environment, instance)
            finish = self._in_place.finish if self._in_place.under_way(op) else self._final.create
            return finish(op, environment, where, instance, disks=disks, detected=detected_os)

    def delete_instance(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
    ) -> None:
        with self._client.during(op, "finalize"):
            if self._in_place.under_way(op):
                self._in_place.stop(op)
            else:
                self._final.delete(op, instance)

    # Deployment of the replica disks themselves

    def secure_disks(
        self, op: Operation, env: Environment, instance: Instance, replicas: Sequence[ReplicaDisk]
    ) -> Sequence[ClonedDisk]:
        environment = self._environment(env)
        ordered = in_order(instance, replicas)
        with self._client.during(op, "secure-disks"):
            where = placement(self._client, environment, instance)
            return self._in_place.secure(op, environment, where, instance, ordered)

    def roll_back_disks(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be undone stands in the ledger
        instance: Instance,
    ) -> None:
        with self._client.during(op, "roll-back"):
            self._in_place.roll_back(op, instance)

    def hand_over_disks(
        self,
        op: Operation,
        env: Environment,  # noqa: ARG002 - what is to be removed stands in the ledger
        instance: Instance,
        disks: Sequence[ClonedDisk],
    ) -> None:
        with self._client.during(op, "hand-over"):
            self._in_place.hand_over(op, instance, disks)

    def close(self) -> None:
        self._client.close()

    def _present(self, op: Operation, replica: ReplicaDisk) -> ReplicaDisk | None:
        """None for one that somebody deleted or that the engine declares illegal: it has to be made and filled
        again."""
        disk = self._disks.settled(op, replica.volume_id)
        if disk is not None and disk.status != types.DiskStatus.ILLEGAL:
            return replica
        state = "gone from" if disk is None else "illegal on"
        op.event(
            EventLevel.WARNING,
            f"Replica disk {replica.volume_name} is {state} {self._client.cloud}: it is created anew.",
        )
        if disk is not None:
            self._disks.remove(op, replica.volume_id, replica.volume_name)
        op.ledger.removed(ResourceKind.DISK, replica.volume_name)
        return None

    def _delete_clone(self, op: Operation, name: str, owned: Collection[str]) -> None:
        row = op.ledger.find(ResourceKind.DISK, name)
        if row is not None and row.cloud_id not in owned:
            self._disks.remove_named(op, name)

    def _environment(self, env: Environment) -> DestinationEnvironment:
        return destination_environment(env, self._client.settings.ovirt_migration_provider)


def _ids(disks: Sequence[ReplicaDisk] | Sequence[ClonedDisk]) -> set[str]:
    return {disk.volume_id for disk in disks}
