"""The watchdog of a VM: one at most."""

from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID, Vm, VmStatus, Watchdog
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed

MODELS = ("i6300esb", "diag288")
ACTIONS = ("dump", "none", "pause", "poweroff", "reset")


@dataclass(frozen=True)
class Placed:
    vm: Vm
    watchdog: Watchdog
    id: str = BLANK_TEMPLATE_ID


def _placed(call: Call) -> list[Placed]:
    vm = call.engine.vm(call.ids["vm"])
    return [Placed(vm, vm.watchdog)] if vm.watchdog else []


def render(_call: Call, one: Placed) -> Element:
    return entity(
        "watchdog",
        f"vms/{one.vm.id}/watchdogs/{one.id}",
        one.id,
        leaf("action", one.watchdog.action),
        leaf("model", one.watchdog.model),
        reference("vm", "vms", one.vm.id),
    )


def _changeable(call: Call) -> Vm:
    vm = call.engine.vm(call.ids["vm"])
    if vm.status != VmStatus.DOWN:
        raise conflict("Cannot edit VM. At least one of the VMs is not down.")
    return vm


def _read(call: Call, base: Watchdog | None) -> Watchdog:
    model = call.document.choice("model", MODELS) or (base.model if base else None)
    chosen = call.document.choice("action", ACTIONS) or (base.action if base else None)
    if model is None or chosen is None:
        raise incomplete("Watchdog", "model" if model is None else "action", "add")
    return Watchdog(model, chosen)


def add(call: Call) -> Reply:
    with call.engine.lock:
        vm = _changeable(call)
        if vm.watchdog is not None:
            raise conflict("Cannot add watchdog. The VM already has a watchdog.")
        vm.watchdog = _read(call, None)
        return Reply(201, render(call, Placed(vm, vm.watchdog)))


def _existing(call: Call) -> tuple[Vm, Watchdog]:
    vm = _changeable(call)
    if vm.watchdog is None or call.ids["one"] != BLANK_TEMPLATE_ID:
        raise gone()
    return vm, vm.watchdog


def update(call: Call) -> Reply:
    with call.engine.lock:
        vm, watchdog = _existing(call)
        vm.watchdog = _read(call, watchdog)
        return found(render(call, Placed(vm, vm.watchdog)))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        vm, _watchdog = _existing(call)
        vm.watchdog = None
        return removed(call, call.done(f"Removing the watchdog of VM {vm.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("vms/{vm}/watchdogs", "watchdogs", _placed, render),
    post("vms/{vm}/watchdogs", add),
    put("vms/{vm}/watchdogs/{one}", update),
    delete("vms/{vm}/watchdogs/{one}", remove),
]
