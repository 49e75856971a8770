"""Temporary worker VMs made from a template."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import InvalidInput
from coriolis.model.enums import ResourceKind
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WorkerDisk, WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.keys import new_key_pair
from coriolis.providers.lifecycle import create_resource, wait_until
from coriolis.providers.ovirt.addresses import reported_addresses
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Inventory
from coriolis.providers.ovirt.options import DestinationEnvironment, GuestKind
from coriolis.providers.ovirt.vms import Vms
from coriolis.workers.ssh import wait_for_ssh

COPY_ROLE = "copy-worker"
MORPHING_ROLE = "morphing-worker"
WORKER_USER = "coriolis"


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What to boot, by ids.

    `profile_id`: of the NIC, where the template brings none. `username` and `password`: those preset in the
    template; None: cloud-init makes a user with a key of ours.
    """

    template_id: str
    cluster_id: str
    profile_id: str | None
    domain_id: str | None = None
    username: str | None = None
    password: Secret | None = None


def worker_plan(
    client: OvirtClient, environment: DestinationEnvironment, kind: GuestKind = "linux"
) -> WorkerPlan:
    """Resolves the names. Raises InvalidInput naming the option or what is not there."""
    inventory = Inventory(client)
    template = environment.migr_template_map.get(kind)
    if not template:
        raise InvalidInput(message=f"Destination environment: migr_template_map.{kind} is needed.")
    cluster = inventory.cluster(environment.migr_minion_cluster or environment.cluster)
    domain = environment.migr_minion_storage_domain
    username = environment.migr_template_username_map.get(kind)
    password = environment.migr_template_password_map.get(kind)
    if (username is None) != (password is None):
        raise InvalidInput(
            message=f"Destination environment: give both migr_template_username_map.{kind} and "
            f"migr_template_password_map.{kind}, or neither."
        )
    return WorkerPlan(
        template_id=inventory.template(template).id,
        cluster_id=cluster.id,
        profile_id=_profile(inventory, cluster, environment),
        domain_id=inventory.domain(cluster, domain).id if domain else None,
        username=username,
        password=password,
    )


def _profile(inventory: Inventory, cluster: Any, environment: DestinationEnvironment) -> str | None:
    """Of the first mapped network that the worker's cluster has: the conductor likely reaches that one."""
    there = {name for network in inventory.networks(cluster) for name in (network.id, network.name)}
    for target in environment.network_map.values():
        if target in there:
            return inventory.vnic_profile(cluster, target)
    return inventory.any_vnic_profile(cluster)


class Workers:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)

    def create(
        self, op: Operation, role: str, plan: WorkerPlan, disk_ids: Sequence[tuple[str, str, int]]
    ) -> WorkerVm:
        """Boots a worker and attaches disks, given as (source disk id, disk id, size in bytes).

        The caller has removed what an earlier attempt left: the private key of that attempt died with it.
        """
        name = op.name(role)
        op.progress("Creating a worker VM")
        vm_id = self._create_vm(op, name, plan)
        self._vms.wait_status(op, vm_id, types.VmStatus.DOWN)
        self._vms.wait_disks_ok(op, vm_id)
        self._ensure_nic(vm_id, plan)
        login = self._start(op, vm_id, name, plan)
        for number, (_, disk_id, _) in enumerate(disk_ids):
            op.progress("Attaching disks to the worker VM", number, len(disk_ids))
            self._vms.attach(op, vm_id, disk_id, types.DiskInterface.VIRTIO_SCSI)
        op.progress("Attaching disks to the worker VM", len(disk_ids), len(disk_ids))
        disks = tuple(
            # the engine gives every disk its id as the drive's serial
            WorkerDisk(disk_id=source_id, serial=disk_id, size_bytes=size)
            for source_id, disk_id, size in disk_ids
        )
        return WorkerVm(vm_id, name, login, disks)

    def delete(self, op: Operation, role: str, protected: Collection[str]) -> None:
        """Detaches the `protected` disks, makes sure that none is left, and removes the VM.

        Raises DiskStillAttached.
        """
        name = op.name(role)
        row = op.ledger.find(ResourceKind.VM, name)
        if row is None:
            return
        ids = [row.cloud_id] if row.cloud_id else []
        for vm_id in dict.fromkeys([*ids, *(vm.id for vm in self._vms.named(name))]):
            self._vms.remove(op, vm_id, protected)
        op.ledger.removed(ResourceKind.VM, name)

    def _create_vm(self, op: Operation, name: str, plan: WorkerPlan) -> str:
        vm = types.Vm(
            name=name,
            description="Temporary worker VM of Coriolis",
            cluster=types.Cluster(id=plan.cluster_id),
            template=types.Template(id=plan.template_id),
        )
        if plan.domain_id:
            vm.storage_domain = types.StorageDomain(id=plan.domain_id)
        service = self._client.system.vms_service()

        def create() -> str:
            made = self._client.call(
                "create a worker VM",
                lambda: service.add(vm, clone=False, query=self._client.query),
                idempotent=False,
            )
            return str(made.id)

        return create_resource(
            op,
            ResourceKind.VM,
            name,
            find=lambda: next((found.id for found in self._vms.named(name)), None),
            create=create,
            discard=self._vms.discard,
        )

    def _ensure_nic(self, vm_id: str, plan: WorkerPlan) -> None:
        service = self._vms.service(vm_id).nics_service()
        if self._client.call("list the worker's NICs", service.list):
            return
        if plan.profile_id is None:
            raise InvalidInput(
                message=f"{self._client.cloud}: no network for the worker VM has a vNIC profile."
            )
        nic = types.Nic(
            name="nic1",
            interface=types.NicInterface.VIRTIO,
            vnic_profile=types.VnicProfile(id=plan.profile_id),
        )
        self._client.call(
            "give the worker a NIC", lambda: service.add(nic, query=self._client.query), idempotent=False
        )

    def _start(self, op: Operation, vm_id: str, name: str, plan: WorkerPlan) -> SshLogin:
        """Run once with cloud-init, or plainly where the template has a user; returns the working login."""
        service = self._vms.service(vm_id)
        login = SshLogin("", plan.username or WORKER_USER, password=plan.password)
        start = partial(service.start, query=self._client.query)
        if plan.password is None:
            key = new_key_pair()
            login = SshLogin("", WORKER_USER, private_key=key.private)
            initialization = types.Initialization(
                user_name=WORKER_USER, authorized_ssh_keys=key.public, host_name=name
            )
            start = partial(start, use_cloud_init=True, vm=types.Vm(initialization=initialization))
        op.progress("Booting the worker VM")
        self._client.call("start the worker VM", start, idempotent=False)
        self._vms.wait_status(op, vm_id, types.VmStatus.UP)
        op.progress("Waiting for the worker VM's address")
        addresses = wait_until(
            op,
            lambda: reported_addresses(self._client, self._vms, vm_id) or None,
            self._client.patience,
            cloud=self._client.cloud,
            action=f"learn the address of worker VM {name} from its guest agent",
        )
        op.progress("Waiting for SSH on the worker VM")
        login = SshLogin(addresses[0], login.username, private_key=login.private_key, password=login.password)
        return wait_for_ssh(login, name, op.settings.transfer.connect_timeout, op.check)
