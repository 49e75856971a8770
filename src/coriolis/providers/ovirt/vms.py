"""VMs and their disk attachments: states, attach, detach, and a removal that never takes a replica along."""

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import CloudError, CloudTimeout, Conflict, DiskStillAttached
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience, create_resource, delete_and_wait, wait_until
from coriolis.providers.ovirt.client import OvirtClient

OUR_PREFIX = "coriolis-"
_UNPLUG_SECONDS = (
    60.0  # a live guest lets a disk go within 10 s; one that hangs never does, and is switched off
)
_RISE_SECONDS = 10.0  # after which a started VM that is down has failed rather than not begun
_NOT_RUNNING = (types.VmStatus.DOWN, types.VmStatus.IMAGE_LOCKED)


class Vms:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client

    def service(self, vm_id: str) -> Any:
        return self._client.system.vms_service().vm_service(vm_id)

    def get(self, vm_id: str) -> Any | None:
        """None where it is gone."""
        return self._client.optional(f"read VM {vm_id}", self.service(vm_id).get)

    def named(self, name: str) -> list[Any]:
        """All that have exactly this name; the engine's search knows wildcards and no case."""
        service = self._client.system.vms_service()
        listed = self._client.call(
            "list VMs", lambda: service.list(search=f'name="{name}"', case_sensitive=True)
        )
        return [vm for vm in listed if vm.name == name]

    def create(
        self,
        op: Operation,
        name: str,
        wanted: Any,
        *,
        what: str = "a temporary VM",
        find: Callable[[], str | None] | None = None,
        clone: bool = False,
    ) -> str:
        """Returns its id once it is down. `name`: of its ledger row; `find` looks for what an earlier attempt left,
        by that name where nothing else is given; `clone`: with a full copy of its template's disks."""
        service = self._client.system.vms_service()

        def create() -> str:
            made = self._client.call(
                f"create {what}",
                lambda: service.add(wanted, clone=clone or None, query=self._client.query),
                idempotent=False,
            )
            return str(made.id)

        vm_id = create_resource(
            op,
            ResourceKind.VM,
            name,
            find=find or (lambda: next((found.id for found in self.named(name)), None)),
            create=create,
            discard=self.discard,
        )
        self.wait_status(op, vm_id, types.VmStatus.DOWN)
        return vm_id

    def wait_status(self, op: Operation, vm_id: str, goal: Any, patience: Patience | None = None) -> Any:
        """Returns the VM. Raises CloudError when it is gone, or down where it should come up."""
        began = time.monotonic()

        def look() -> Any | None:
            vm = self.get(vm_id)
            if vm is None:
                raise self._failure(f"bring VM {vm_id} to {goal}", "it is gone")
            if vm.status == goal:
                return vm
            fell = goal == types.VmStatus.UP and vm.status == types.VmStatus.DOWN
            if fell and time.monotonic() - began > _RISE_SECONDS:
                raise self._failure(f"start VM {vm.name}", self._why_down(vm))
            return None

        action = f"wait for VM {vm_id} to be {goal}"
        return wait_until(
            op, look, patience or self._client.patience, cloud=self._client.cloud, action=action
        )

    def wait_disks_ok(self, op: Operation, vm_id: str) -> None:
        def look() -> bool | None:
            disks = [attachment.disk for attachment in self.attachments(vm_id)]
            for disk in disks:
                if disk.status == types.DiskStatus.ILLEGAL:
                    raise self._failure(f"prepare VM {vm_id}", f"its disk {disk.id} is illegal")
            return True if all(disk.status == types.DiskStatus.OK for disk in disks) else None

        action = f"wait for the disks of VM {vm_id}"
        wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

    def attachments(self, vm_id: str) -> Sequence[Any]:
        """With their disks. Raises NotFound when the VM is gone."""
        service = self.service(vm_id).disk_attachments_service()
        found: Sequence[Any] = self._client.call(
            f"list disks of VM {vm_id}", lambda: service.list(follow="disk")
        )
        return found

    def attach(
        self, op: Operation, vm_id: str, disk_id: str, interface: Any, *, bootable: bool = False
    ) -> None:
        """Plugs the disk in; returns once it is active, which has to be asked for."""
        service = self.service(vm_id).disk_attachments_service()
        attachment = types.DiskAttachment(
            disk=types.Disk(id=disk_id), interface=interface, bootable=bootable, active=True
        )

        def attach() -> None:
            service.add(attachment, query=self._client.query)

        if not self._attachment(vm_id, disk_id):
            self._client.call(f"attach disk {disk_id} to VM {vm_id}", attach, idempotent=False)

        def active() -> bool | None:
            found = self._attachment(vm_id, disk_id)
            return True if found is not None and found.active else None

        action = f"attach disk {disk_id} to VM {vm_id}"
        wait_until(op, active, self._client.patience, cloud=self._client.cloud, action=action)

    def plug(self, op: Operation, vm_id: str, disk_id: str, *, active: bool = True) -> None:
        """An attached disk becomes one that the guest has, or not; of a VM that is down, one that it will have."""
        service = self.service(vm_id).disk_attachments_service().attachment_service(disk_id)
        change = types.DiskAttachment(active=active)
        action = f"{'plug' if active else 'unplug'} disk {disk_id} of VM {vm_id}"
        self._client.call(action, lambda: service.update(change, query=self._client.query))

        def done() -> bool | None:
            found = self._attachment(vm_id, disk_id)
            return True if found is not None and bool(found.active) is active else None

        wait_until(op, done, self._client.patience, cloud=self._client.cloud, action=action)

    def make_bootable(self, vm_id: str, disk_id: str) -> None:
        """Of a VM that is down, and boots from no other."""
        service = self.service(vm_id).disk_attachments_service().attachment_service(disk_id)
        change = types.DiskAttachment(bootable=True)
        self._client.call(
            f"boot VM {vm_id} from disk {disk_id}", lambda: service.update(change, query=self._client.query)
        )

    def update(self, vm_id: str, change: Any) -> None:
        """A running VM takes most changes with its next start."""
        service = self.service(vm_id)
        self._client.call(f"update VM {vm_id}", lambda: service.update(change, query=self._client.query))

    def detach(self, op: Operation, vm_id: str, disk_id: str) -> None:
        """Unplugs if the VM runs, then detaches. The disk stays."""
        service = self.service(vm_id).disk_attachments_service().attachment_service(disk_id)
        self._unplug(op, vm_id, disk_id)
        self._client.optional(
            f"detach disk {disk_id}",
            lambda: service.remove(detach_only=True, query=self._client.query),
        )

        def gone() -> bool | None:
            return True if self._attachment(vm_id, disk_id) is None else None

        action = f"detach disk {disk_id} from VM {vm_id}"
        wait_until(op, gone, self._client.patience, cloud=self._client.cloud, action=action)

    def shut_down(self, op: Operation, vm_id: str) -> None:
        """By ACPI; a guest that is not down after the time for changes of state has its plug pulled."""
        vm = self.get(vm_id)
        if vm is None or vm.status in _NOT_RUNNING:
            return
        service = self.service(vm_id)
        with contextlib.suppress(Conflict):  # on its way already
            self._client.call(f"shut down VM {vm.name}", lambda: service.shutdown(query=self._client.query))
        try:
            self.wait_status(op, vm_id, types.VmStatus.DOWN)
        except CloudTimeout:
            op.event(EventLevel.WARNING, f"VM {vm.name} did not shut down by itself: it is switched off.")
            self.stop(op, vm_id)

    def start(self, op: Operation, vm_id: str) -> None:
        """Returns once it is up."""
        vm = self.get(vm_id)
        if vm is not None and vm.status == types.VmStatus.DOWN:
            service = self.service(vm_id)
            self._client.call(
                f"start VM {vm.name}", lambda: service.start(query=self._client.query), idempotent=False
            )
        self.wait_status(op, vm_id, types.VmStatus.UP)

    def stop(self, op: Operation, vm_id: str) -> None:
        """Pulls the plug: what matters on a worker's disks was flushed by the agent."""
        vm = self.get(vm_id)
        if vm is None or vm.status in _NOT_RUNNING:
            return
        service = self.service(vm_id)
        with contextlib.suppress(Conflict):  # it went down meanwhile; if it did not, the wait below tells
            self._client.call(f"stop VM {vm.name}", lambda: service.stop(query=self._client.query))
        self.wait_status(op, vm_id, types.VmStatus.DOWN)

    def remove(
        self, op: Operation, vm_id: str, protected: Collection[str] | None, *, clone: bool = False
    ) -> None:
        """Removes a VM with its own disks; `protected` ones (None: all) are detached first and stay.

        The engine deletes every disk that is still attached: this raises DiskStillAttached rather than risk
        one. Disks of ours that the caller did not name count as protected too, unless the VM is a `clone`: its
        disks have the aliases of those that they are copies of.
        """
        vm = self.get(vm_id)
        if vm is None:
            return
        if vm.delete_protected:
            self.update(vm_id, types.Vm(delete_protected=False))
        for disk_id in self._foreign(vm, protected, clone=clone):
            self.detach(op, vm_id, disk_id)
        self.stop(op, vm_id)
        delete_and_wait(
            op,
            vm_id,
            delete=lambda id_: self._remove_now(vm, id_, protected, clone=clone),
            exists=lambda id_: self.get(id_) is not None,
            patience=self._client.patience,
            cloud=self._client.cloud,
            what=f"VM {vm.name}",
        )

    def discard(self, vm_id: str) -> None:
        """Asks once for the removal of a VM that nobody uses. Raises DiskStillAttached, Conflict, NotFound."""
        service = self.service(vm_id)
        vm = self._client.call(f"read VM {vm_id}", service.get)
        self._remove_now(vm, vm_id, ())

    def _remove_now(
        self, vm: Any, vm_id: str, protected: Collection[str] | None, *, clone: bool = False
    ) -> None:
        attached = self._foreign(
            vm, protected, clone=clone
        )  # listed anew, right before the call that cannot be undone
        if attached:
            reason = f"disk {', '.join(attached)} is still attached, and would be deleted with it"
            raise DiskStillAttached(cloud=self._client.cloud, action=f"remove VM {vm.name}", reason=reason)
        service = self.service(vm_id)
        self._client.call(f"remove VM {vm.name}", lambda: service.remove(query=self._client.query))

    def _foreign(self, vm: Any, protected: Collection[str] | None, *, clone: bool) -> list[str]:
        """Ids of the attached disks that are not the VM's own."""
        found = []
        for attachment in self.attachments(vm.id):
            alias = attachment.disk.name or ""
            ours = not clone and alias.startswith(OUR_PREFIX) and not alias.startswith(vm.name)
            if protected is None or attachment.disk.id in protected or ours:
                found.append(str(attachment.disk.id))
        return found

    def _unplug(self, op: Operation, vm_id: str, disk_id: str) -> None:
        vm = self.get(vm_id)
        found = self._attachment(vm_id, disk_id)
        if vm is None or found is None or vm.status in _NOT_RUNNING or not found.active:
            return
        service = self.service(vm_id).disk_attachments_service().attachment_service(disk_id)
        inactive = types.DiskAttachment(active=False)

        def unplugged() -> bool | None:
            now = self._attachment(vm_id, disk_id)
            return True if now is None or not now.active else None

        patience = Patience(
            min(_UNPLUG_SECONDS, self._client.patience.timeout), self._client.patience.interval
        )
        action = f"unplug disk {disk_id} from VM {vm_id}"
        try:
            self._client.call(action, lambda: service.update(inactive, query=self._client.query))
            wait_until(op, unplugged, patience, cloud=self._client.cloud, action=action)
        except (
            CloudTimeout,
            Conflict,
        ):  # powering up, paused or hanging: without power every disk can be detached
            self.stop(op, vm_id)

    def _attachment(self, vm_id: str, disk_id: str) -> Any | None:
        service = self.service(vm_id).disk_attachments_service().attachment_service(disk_id)
        return self._client.optional(f"read the attachment of disk {disk_id}", service.get)

    def _why_down(self, vm: Any) -> str:
        """The engine's last words on it: events with severity error."""
        service = self._client.system.events_service()
        events = self._client.call("list events", lambda: service.list(search="severity>normal", max=50))
        for event in events:
            if event.vm is not None and event.vm.id == vm.id and event.description:
                return str(event.description)
        return str(vm.stop_reason or vm.status_detail or "it went down, and the engine gives no reason")

    def _failure(self, action: str, reason: str) -> CloudError:
        return CloudError(cloud=self._client.cloud, action=action, reason=reason)
