"""Instance types: the sizes of VMs that an engine is set up with, and those that clients add."""

from dataclasses import replace

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.instance_types import InstanceType
from coriolis_lab.ovirt.machine_settings import MEBIBYTE, MachineSettings
from coriolis_lab.ovirt.markup import Element, entity, leaf
from coriolis_lab.ovirt.records import now
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.machines import machine_fields, machine_head
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, empty_list, found, get, post, put, removed

CREATED = now()
DEFAULT_MEMORY_MB = 1024
LINKS = ("nics", "graphicsconsoles", "watchdogs")


KEYS: Keys[InstanceType] = {"name": lambda record: [record.name], "id": lambda record: [record.id]}


def render(one: InstanceType) -> Element:
    settings = one.apply(MachineSettings())
    return entity(
        "instance_type",
        f"instancetypes/{one.id}",
        one.id,
        *machine_head(settings, "undefined"),
        leaf("creation_time", CREATED),
        *machine_fields(settings),
        leaf("status", "ok"),
        name=one.name,
        description=one.description,
        links=LINKS,
    )


def chosen_type(engine: Engine, body: Node) -> InstanceType | None:
    """The one that a VM's body names, if any."""
    node = body.find("instance_type")
    if node is None or not (node.id or node.string("name")):
        return None
    for one in engine.instance_types.values():
        if node.id == one.id or (node.id is None and node.string("name") == one.name):
            return one
    raise missing(f"InstanceType: {node.id or node.string('name')}")


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "instance_types", call.engine.instance_types.values(), render, KEYS)


def _type(call: Call) -> InstanceType:
    one = call.engine.instance_types.get(call.ids["one"])
    if one is None:
        raise gone()
    return one


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(_type(call)))


def _read(engine: Engine, base: InstanceType, body: Node, verb: str) -> InstanceType:
    name = body.string("name") or base.name
    if any(one.name == name and one.id != base.id for one in engine.instance_types.values()):
        raise conflict(
            f"Cannot {verb} Instance Type. The Instance Type name is already in use, please choose a unique name and "
            "try again."
        )
    description, memory = body.string("description"), body.integer("memory")
    return replace(
        base,
        name=name,
        description=base.description if description is None else description,
        memory_mb=base.memory_mb if memory is None else memory // MEBIBYTE,
        sockets=body.integer("cpu/topology/sockets") or base.sockets,
        cores=body.integer("cpu/topology/cores") or base.cores,
    )


def add(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        if not call.document.string("name"):
            raise incomplete("InstanceType", "name", "add")
        one = _read(engine, InstanceType(new_id(), "", "", DEFAULT_MEMORY_MB), call.document, "add")
        engine.instance_types[one.id] = one
        return Reply(201, render(one))


def update(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        one = _read(engine, _type(call), call.document, "edit")
        engine.instance_types[one.id] = one
        return found(render(one))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        one = _type(call)
        call.engine.instance_types.pop(one.id)
        return removed(call, call.done(f"Removing Instance Type {one.name}"))


ROUTES: list[ApiRoute] = [
    get("instancetypes", list_all),
    post("instancetypes", add),
    get("instancetypes/{one}", show),
    put("instancetypes/{one}", update),
    delete("instancetypes/{one}", remove),
    get("instancetypes/{one}/nics", empty_list("nics")),
    get("instancetypes/{one}/graphicsconsoles", empty_list("graphics_consoles")),
    get("instancetypes/{one}/watchdogs", empty_list("watchdogs")),
]
