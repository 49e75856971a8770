"""A VM's graphical consoles (VNC by default) and its one CD drive. Both are only told: nothing listens."""

import base64
import secrets

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID, Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.vm_guest_actions import PASSWORD_BYTES, TICKET_SECONDS
from coriolis_lab.ovirt.web import Call, Reply, action, delete, found, get, post, put, removed

# the engine's ids of consoles are the protocols' names, spelled in hexadecimal
CONSOLE_IDS = {"vnc": "766e63", "spice": "7370696365"}
CD_ID = BLANK_TEMPLATE_ID
VNC_PORT = 5900


def render(vm: Vm, protocol: str) -> Element:
    """`?current=true` of a running VM also tells where it would listen; the lab has no display."""
    identifier = CONSOLE_IDS[protocol]
    return entity(
        "graphics_console",
        f"vms/{vm.id}/graphicsconsoles/{identifier}",
        identifier,
        leaf("address", "127.0.0.1" if vm.is_on_host else None),
        leaf("port", VNC_PORT if vm.is_on_host else None),
        leaf("protocol", protocol),
        reference("vm", "vms", vm.id),
        actions=("remoteviewerconnectionfile", "proxyticket", "ticket"),
    )


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        return listing(call, "graphics_consoles", vm.consoles, lambda protocol: render(vm, protocol))


def _console(call: Call) -> tuple[Vm, str]:
    vm = call.engine.vm(call.ids["vm"])
    for protocol in vm.consoles:
        if CONSOLE_IDS[protocol] == call.ids["console"]:
            return vm, protocol
    raise gone()


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(*_console(call)))


def add(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        protocol = call.document.choice("protocol", tuple(CONSOLE_IDS))
        if protocol is None:
            raise incomplete("GraphicsConsole", "protocol", "add")
        if protocol in vm.consoles:
            raise conflict(
                "Cannot add Graphics Device. One VM can not contain more than one device with the same graphics type."
            )
        vm.consoles = (*vm.consoles, protocol)
        return Reply(201, render(vm, protocol))


def viewer_file(call: Call) -> Reply:
    """For remote-viewer, in base 64, as the portal offers it."""
    with call.engine.lock:
        vm, protocol = _running_console(call)
        text = f"[virt-viewer]\ntype={protocol}\nhost=127.0.0.1\nport={VNC_PORT}\ntitle={vm.name}\n"
        encoded = base64.b64encode(text.encode()).decode()
        return _told(call, vm, leaf("remote_viewer_connection_file", encoded))


def proxy_ticket(call: Call) -> Reply:
    with call.engine.lock:
        vm, _protocol = _running_console(call)
        value = leaf("value", secrets.token_urlsafe(PASSWORD_BYTES))
        return _told(call, vm, struct("proxy_ticket", value))


def ticket(call: Call) -> Reply:
    with call.engine.lock:
        vm, _protocol = _running_console(call)
        password = leaf("value", secrets.token_urlsafe(PASSWORD_BYTES))
        return _told(call, vm, struct("ticket", leaf("expiry", TICKET_SECONDS), password))


def _running_console(call: Call) -> tuple[Vm, str]:
    vm, protocol = _console(call)
    if not vm.is_on_host:
        raise conflict("Cannot set Virtual Machine Ticket. VM is not running.")
    return vm, protocol


def _told(call: Call, vm: Vm, answer: Element | None) -> Reply:
    job = call.done(f"Setting VM ticket for VM {vm.name}")
    return Reply(200, struct("action", reference("job", "jobs", job.id), answer, leaf("status", "complete")))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        vm, protocol = _console(call)
        vm.consoles = tuple(other for other in vm.consoles if other != protocol)
        return removed(call, call.done(f"Removing a graphics device of VM {vm.name}"))


def render_cd(vm: Vm) -> Element:
    """Empty: no image is in it."""
    return entity(
        "cdrom", f"vms/{vm.id}/cdroms/{CD_ID}", CD_ID, struct("file"), reference("vm", "vms", vm.id)
    )


def list_cds(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        return listing(call, "cdroms", [vm], render_cd)


def show_cd(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        if call.ids["cdrom"] != CD_ID:
            raise gone()
        return found(render_cd(vm))


def eject(call: Call) -> Reply:
    """Ejecting from an empty drive changes nothing; there is no ISO domain to take an image from."""
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        file = call.document.find("file")
        if file is not None and file.id:
            raise conflict("Cannot change CD. There is no ISO domain in the Data Center of the VM.")
        if call.flag("current") and vm.status != VmStatus.UP:
            raise conflict("Cannot change CD. VM is not running.")
        return found(render_cd(vm))


ROUTES = [
    get("vms/{vm}/graphicsconsoles", list_all),
    post("vms/{vm}/graphicsconsoles", add),
    get("vms/{vm}/graphicsconsoles/{console}", show),
    delete("vms/{vm}/graphicsconsoles/{console}", remove),
    action("vms/{vm}/graphicsconsoles/{console}/remoteviewerconnectionfile", viewer_file),
    action("vms/{vm}/graphicsconsoles/{console}/proxyticket", proxy_ticket),
    action("vms/{vm}/graphicsconsoles/{console}/ticket", ticket),
    get("vms/{vm}/cdroms", list_cds),
    get("vms/{vm}/cdroms/{cdrom}", show_cd),
    put("vms/{vm}/cdroms/{cdrom}", eject),
]
