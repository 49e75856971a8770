"""NICs of a VM. They take a vNIC profile, not a network; a MAC is used once in the whole engine."""

from dataclasses import replace

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import NIC_ADDED, NIC_REMOVED, EventKind
from coriolis_lab.ovirt.launch import NIC_MODELS
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.names import check_nic_name, normal_mac
from coriolis_lab.ovirt.records import SUSPENSION, Nic, Template, Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict, gone, illegal_status, incomplete
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.web import (
    Call,
    Reply,
    action,
    completed,
    delete,
    empty_list,
    found,
    get,
    post,
    put,
    removed,
)

LINKS = ("reporteddevices", "networkfilterparameters", "statistics")


def render(vm: Vm, nic: Nic) -> Element:
    return _render(
        nic,
        f"vms/{vm.id}/nics/{nic.id}",
        reference("vm", "vms", vm.id),
        actions=("activate", "deactivate"),
        links=LINKS,
    )


def render_of_template(template: Template, nic: Nic) -> Element:
    path = f"templates/{template.id}/nics/{nic.id}"
    return _render(nic, path, reference("template", "templates", template.id), (), ())


def _render(nic: Nic, path: str, owner: Element, actions: tuple[str, ...], links: tuple[str, ...]) -> Element:
    profile = reference("vnic_profile", "vnicprofiles", nic.vnic_profile_id) if nic.vnic_profile_id else None
    return entity(
        "nic",
        path,
        nic.id,
        owner,
        leaf("interface", nic.interface),
        leaf("linked", nic.linked),
        struct("mac", leaf("address", nic.mac)) if nic.mac else None,
        leaf("plugged", nic.plugged),
        leaf("synced", True),
        profile,
        actions=actions,
        name=nic.name,
        links=links,
    )


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        vm = call.engine.vm(call.ids["vm"])
        return listing(call, "nics", vm.nics.values(), lambda nic: render(vm, nic))


def _nic(call: Call) -> tuple[Vm, Nic]:
    vm = call.engine.vm(call.ids["vm"])
    nic = vm.nics.get(call.ids["nic"])
    if nic is None:
        raise gone()
    return vm, nic


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(*_nic(call)))


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        name = body.string("name")
        if not name:
            raise incomplete("Nic", "name", "add")
        plugged = body.boolean("plugged") is not False
        _check_changeable(vm, plugged, "add")
        nic = Nic(
            id=new_id(),
            name=_free_name(vm, name),
            interface=_interface(body) or "virtio",
            mac=_mac(engine, body) or engine.free_mac(),
            vnic_profile_id=_profile_id(engine, vm, body),
            linked=body.boolean("linked") is not False,
            plugged=plugged,
        )
        _give_address(engine, nic)
        vm.nics[nic.id] = nic
        _tell(call, NIC_ADDED, vm, f"Interface {nic.name} ({nic.interface}) was added to VM {vm.name}.")
        return Reply(201, render(vm, nic))


_PLUGGED = {
    "add": "Cannot activate Interface. The host does not support hot plug of network interfaces.",
    "remove": "Cannot remove Interface. The VM Network Interface is plugged to a running VM.",
    "edit": "Cannot edit Interface. Updating some of the properties is not supported while the interface is plugged "
    "into a running virtual machine. Please un-plug the interface, update the properties, and then plug it back.",
}


def _check_changeable(vm: Vm, plugged: bool, verb: str) -> None:
    if vm.status == VmStatus.IMAGE_LOCKED:
        raise conflict(f"Cannot {verb} Interface: VM is locked. Please try again in a few minutes.")
    if vm.status in SUSPENSION:
        raise illegal_status(verb, "Interface", vm.status)
    if vm.is_running and plugged:
        raise conflict(_PLUGGED[verb])


def _free_name(vm: Vm, name: str) -> str:
    check_nic_name(name)
    if any(nic.name == name for nic in vm.nics.values()):
        raise conflict("Cannot add Interface. The network interface name is already in use.")
    return name


def _interface(body: Node) -> str | None:
    return body.choice("interface", tuple(NIC_MODELS))


def _mac(engine: Engine, body: Node) -> str | None:
    """A MAC outside the engine's pool is allowed, one in use is not."""
    given = body.string("mac/address")
    if not given:
        return None
    mac = normal_mac(given)
    holder = engine.mac_holder(mac)
    if holder is not None:
        raise conflict(
            f"Cannot add Interface. MAC Address {mac} is already in use by VM or snapshot: {holder.name}."
        )
    return mac


def _profile_id(engine: Engine, vm: Vm, body: Node) -> str | None:
    node = body.find("vnic_profile")
    if node is None or not (node.id or node.string("name")):
        return None
    profile = engine.named_vnic_profile(node)
    if engine.networks[profile.network_id].data_center_id != engine.clusters[vm.cluster_id].data_center_id:
        raise conflict("Cannot add Interface. Network belongs to a different data-center.")
    return profile.id


def _give_address(engine: Engine, nic: Nic) -> None:
    nic.address = ""
    if nic.vnic_profile_id is not None:
        nic.address = engine.free_guest_address(engine.network_of_profile(nic.vnic_profile_id))


def update(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        vm, nic = _nic(call)
        _check_changeable(vm, nic.plugged, "edit")
        name = body.string("name")
        mac = body.string("mac/address")
        changed = replace(nic, interface=_interface(body) or nic.interface)
        if name and name != nic.name:
            changed.name = _free_name(vm, name)
        if mac and normal_mac(mac) != nic.mac:
            changed.mac = _mac(engine, body) or nic.mac
        if body.find("vnic_profile") is not None:
            changed.vnic_profile_id = _profile_id(engine, vm, body)
        linked, plugged = body.boolean("linked"), body.boolean("plugged")
        changed.linked = nic.linked if linked is None else linked
        changed.plugged = nic.plugged if plugged is None else plugged
        if changed.vnic_profile_id != nic.vnic_profile_id:
            _give_address(engine, changed)
        vm.nics[nic.id] = changed
        return found(render(vm, changed))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        vm, nic = _nic(call)
        _check_changeable(vm, nic.plugged, "remove")
        vm.nics.pop(nic.id)
        job = call.done(f"Removing Interface {nic.name} from VM {vm.name}")
        _tell(call, NIC_REMOVED, vm, f"Interface {nic.name} was removed from VM {vm.name}.")
        return removed(call, job)


def activate(call: Call) -> Reply:
    return _set_plugged(call, plugged=True)


def deactivate(call: Call) -> Reply:
    return _set_plugged(call, plugged=False)


def _set_plugged(call: Call, *, plugged: bool) -> Reply:
    with call.engine.lock:
        vm, nic = _nic(call)
        if nic.plugged != plugged:
            _check_changeable(vm, True, "add" if plugged else "edit")
            nic.plugged = plugged
        verb = "Activating" if plugged else "Deactivating"
        return completed(call.done(f"{verb} Interface {nic.name} of VM {vm.name}"))


def _tell(call: Call, kind: EventKind, vm: Vm, text: str) -> None:
    call.engine.journal.tell(kind, text, correlation_id=call.correlation_id, vm_id=vm.id)


ROUTES = [
    get("vms/{vm}/nics", list_all),
    post("vms/{vm}/nics", add),
    get("vms/{vm}/nics/{nic}", show),
    put("vms/{vm}/nics/{nic}", update),
    delete("vms/{vm}/nics/{nic}", remove),
    action("vms/{vm}/nics/{nic}/activate", activate),
    action("vms/{vm}/nics/{nic}/deactivate", deactivate),
    get("vms/{vm}/nics/{nic}/networkfilterparameters", empty_list("network_filter_parameters")),
]
