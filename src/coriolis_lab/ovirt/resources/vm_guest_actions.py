"""Actions on VMs beside their power: migration, consoles' tickets, the guest's file systems, MAC addresses, export.

A cluster of the lab has one host, and no export domain: what needs more is refused as an engine refuses it then.
"""

import secrets
from collections.abc import Callable
from typing import NoReturn

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.markup import leaf, reference, struct
from coriolis_lab.ovirt.records import Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, failed, illegal_status, incomplete
from coriolis_lab.ovirt.running import host_name
from coriolis_lab.ovirt.web import Call, Reply, action, completed

TICKET_SECONDS = 7200
PASSWORD_BYTES = 9


def _vm_that_is_up(call: Call, verb: str) -> Vm:
    vm = call.engine.vm(call.ids["vm"])
    if vm.status != VmStatus.UP:
        raise illegal_status(verb, "VM", vm.status)
    return vm


def migrate(call: Call) -> Reply:
    with call.engine.lock:
        vm = _vm_that_is_up(call, "migrate")
        host = host_name(call.engine, vm)
        raise conflict(
            "Cannot migrate VM. There is no host that satisfies current scheduling constraints. "
            "See below for details:",
            f"The host {host} did not satisfy internal filter Migration because it currently hosts the VM.",
        )


def cancel_migration(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.vm(call.ids["vm"])
        raise conflict("Cannot cancel migration for non migrating VM.")


def maintenance(call: Call) -> Reply:
    """Of the VM that the engine runs in; the lab's runs in none."""
    with call.engine.lock:
        call.engine.vm(call.ids["vm"])
        if call.document.boolean("maintenance_enabled") is None:
            raise incomplete("Action", "maintenanceEnabled", "maintenance")
        raise conflict("Cannot set VM. The VM is not the hosted engine VM.")


def freeze(call: Call) -> Reply:
    return _ask_agent(call, "freeze", "Freezing", call.engine.hypervisor.freeze_guest)


def thaw(call: Call) -> Reply:
    return _ask_agent(call, "thaw", "Thawing", call.engine.hypervisor.thaw_guest)


def _ask_agent(call: Call, verb: str, doing: str, ask: Callable[[str], None]) -> Reply:
    """The agent's answer is waited for outside the engine's lock."""
    with call.engine.lock:
        vm = _vm_that_is_up(call, verb)
        job = call.done(f"{doing} guest filesystems of VM {vm.name}")
    try:
        ask(vm.id)
    except HypervisorError as error:
        raise failed(f"Failed to {verb} guest filesystems on VM {vm.name}: {error}") from error
    return completed(job)


def log_on(call: Call) -> Reply:
    with call.engine.lock:
        vm = _vm_that_is_up(call, "log on")
        return completed(call.done(f"Logging on to VM {vm.name}"))


def ticket(call: Call) -> Reply:
    """The password for a console; the given one, or a new one. Nothing listens, so it opens nothing."""
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if not vm.is_on_host:
            raise conflict("Cannot set Virtual Machine Ticket. VM is not running.")
        value = call.document.string("ticket/value") or secrets.token_urlsafe(PASSWORD_BYTES)
        expiry = call.document.integer("ticket/expiry") or TICKET_SECONDS
        job = call.done(f"Setting VM ticket for VM {vm.name}")
        return Reply(
            200,
            struct(
                "action",
                reference("job", "jobs", job.id),
                leaf("status", "complete"),
                struct("ticket", leaf("expiry", expiry), leaf("value", value)),
            ),
        )


def export(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.vm(call.ids["vm"])
        _refuse_export(call, "VM")


def export_template(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.template(call.ids["template"])
        _refuse_export(call, "Template")


def _refuse_export(call: Call, kind: str) -> NoReturn:
    """To an export domain, which the lab has none of, or into a file on a host."""
    body = call.document
    if body.string("filename") or body.string("directory"):
        raise conflict(f"Cannot export {kind}. The lab's hosts write no virtual appliances.")
    node = body.find("storage_domain")
    if node is None or not (node.id or node.string("name")):
        raise incomplete("Action", "storageDomain.id|name", "export")
    domain = call.engine.named_storage_domain(node)
    raise conflict(f"Cannot export {kind}. The specified domain '{domain.name}' is not an export domain.")


def reorder_macs(call: Call) -> Reply:
    """The lowest MAC goes to the first NIC by name, and so on."""
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if vm.status != VmStatus.DOWN:
            raise conflict("Cannot reorder MAC addresses VM. At least one of the VMs is not down.")
        nics = sorted(vm.nics.values(), key=lambda nic: nic.name)
        for nic, mac in zip(nics, sorted(nic.mac for nic in nics), strict=True):
            nic.mac = mac
        return completed(call.done(f"Reordering MAC addresses of VM {vm.name}"))


def pin(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.vm(call.ids["vm"])
        raise conflict("Cannot edit VM. VM must be pinned to a host.")


ROUTES = [
    action("vms/{vm}/migrate", migrate),
    action("vms/{vm}/cancelmigration", cancel_migration),
    action("vms/{vm}/maintenance", maintenance),
    action("vms/{vm}/freezefilesystems", freeze),
    action("vms/{vm}/thawfilesystems", thaw),
    action("vms/{vm}/logon", log_on),
    action("vms/{vm}/ticket", ticket),
    action("vms/{vm}/export", export),
    action("templates/{template}/export", export_template),
    action("vms/{vm}/reordermacaddresses", reorder_macs),
    action("vms/{vm}/autopincpuandnumanodes", pin),
]
