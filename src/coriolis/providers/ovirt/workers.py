"""Temporary worker VMs made from a template."""

from collections.abc import Collection, Sequence
from functools import partial

from ovirtsdk4 import types

from coriolis.errors import CloudTimeout, InvalidInput
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WinRmLogin, WorkerDisk, WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.keys import new_key_pair
from coriolis.providers.lifecycle import wait_until
from coriolis.providers.ovirt.addresses import reported_addresses
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.nics import Nics, PlannedNic
from coriolis.providers.ovirt.vms import Vms
from coriolis.providers.ovirt.worker_plans import WorkerPlan
from coriolis.workers.ssh import wait_for_ssh
from coriolis.workers.winrm import wait_for_winrm

COPY_ROLE = "copy-worker"
MORPHING_ROLE = "morphing-worker"
WORKER_USER = "coriolis"


class Workers:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._vms = Vms(client)
        self._nics = Nics(client)

    def create(
        self, op: Operation, role: str, plan: WorkerPlan, disk_ids: Sequence[tuple[str, str, int]]
    ) -> WorkerVm:
        """Boots a worker and attaches disks, given as (source disk id, disk id, size in bytes).

        The caller has removed what an earlier attempt left: the private key of that attempt died with it.
        """
        name = op.name(role)
        if plan.weakness:
            op.event(EventLevel.WARNING, plan.weakness)
        op.progress("Creating a worker VM")
        vm_id = self.create_vm(op, name, plan)
        if not self._nics.of(vm_id):
            self.add_nic(op, vm_id, plan)
        login = self.boot(op, vm_id, name, plan)
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

    def runs(self, worker: WorkerVm) -> bool:
        vm = self._vms.get(worker.id)
        return vm is not None and vm.status != types.VmStatus.DOWN

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

    def create_vm(self, op: Operation, name: str, plan: WorkerPlan) -> str:
        """From the template; returns its id once it can be started."""
        vm = types.Vm(
            name=name,
            description="Temporary worker VM of Coriolis",
            cluster=types.Cluster(id=plan.cluster_id),
            template=types.Template(id=plan.template_id),
        )
        if plan.clones:
            vm.disk_attachments = list(plan.clones)
        vm_id = self._vms.create(op, name, vm, what="a worker VM", clone=bool(plan.clones))
        self._vms.wait_disks_ok(op, vm_id)
        return vm_id

    def add_nic(self, op: Operation, vm_id: str, plan: WorkerPlan, name: str = "nic1") -> None:
        if plan.profile_id is None:
            raise InvalidInput(
                message=f"{self._client.cloud}: no network for the worker VM has a vNIC profile."
            )
        self._nics.add(op, vm_id, [PlannedNic(name, plan.profile_id)])

    def boot(self, op: Operation, vm_id: str, name: str, plan: WorkerPlan) -> SshLogin | WinRmLogin:
        """Run once with cloud-init, or plainly where the template has a user; returns the working login. `name`: the
        host's, and the worker's for messages."""
        service = self._vms.service(vm_id)
        start = partial(service.start, query=self._client.query)
        private_key = None
        if plan.user is None:
            key = new_key_pair()
            private_key = key.private
            initialization = types.Initialization(
                user_name=WORKER_USER, authorized_ssh_keys=key.public, host_name=name
            )
            start = partial(start, use_cloud_init=True, vm=types.Vm(initialization=initialization))
        op.progress("Booting the worker VM")
        self._client.call("start the worker VM", start, idempotent=False)
        self._vms.wait_status(op, vm_id, types.VmStatus.UP)
        op.progress("Waiting for the worker VM's address")
        addresses = self._wait_for_address(op, vm_id, name, plan)
        return _wait_for_login(op, name, _login(plan, addresses[0], private_key))

    def _wait_for_address(self, op: Operation, vm_id: str, name: str, plan: WorkerPlan) -> tuple[str, ...]:
        """Raises CloudTimeout that says what a template needs for an address to be told."""
        action = f"learn the address of worker VM {name} from its guest agent"
        patience = self._client.patience

        def look() -> tuple[str, ...] | None:
            return reported_addresses(self._client, self._vms, vm_id) or None

        try:
            return wait_until(op, look, patience, cloud=self._client.cloud, action=action)
        except CloudTimeout as late:
            reason = (
                f"{late.fields['reason']}. Template {plan.template_name!r} needs qemu-guest-agent installed and "
                "enabled, and a network whose DHCP gives it an address."
            )
            raise CloudTimeout(cloud=self._client.cloud, action=action, reason=reason) from late


def _login(plan: WorkerPlan, address: str, private_key: Secret | None) -> SshLogin | WinRmLogin:
    if plan.user is None:
        return SshLogin(address, WORKER_USER, private_key=private_key)
    if plan.kind == "windows":
        return WinRmLogin(address, plan.user.name, plan.user.password)
    return SshLogin(address, plan.user.name, password=plan.user.password)


def _wait_for_login(op: Operation, name: str, login: SshLogin | WinRmLogin) -> SshLogin | WinRmLogin:
    settings = op.settings.transfer
    if isinstance(login, WinRmLogin):
        op.progress("Waiting for WinRM on the worker VM")
        return wait_for_winrm(login, name, settings.winrm_connect_timeout, op.check)
    op.progress("Waiting for SSH on the worker VM")
    return wait_for_ssh(login, name, settings.connect_timeout, op.check)
