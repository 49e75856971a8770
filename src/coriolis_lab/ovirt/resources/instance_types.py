"""Instance types: the sizes of VMs that an engine is set up with."""

from dataclasses import dataclass, replace

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.machine_settings import MEBIBYTE, MachineSettings
from coriolis_lab.ovirt.markup import Element, entity, leaf
from coriolis_lab.ovirt.records import now
from coriolis_lab.ovirt.refusals import gone, missing
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.machines import machine_fields, machine_head
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, empty_list, found, get

CREATED = now()
LINKS = ("nics", "graphicsconsoles", "watchdogs")


@dataclass(frozen=True)
class InstanceType:
    id: str
    name: str
    description: str
    memory_mb: int
    sockets: int = 1
    cores: int = 1

    def apply(self, settings: MachineSettings) -> MachineSettings:
        """The size of a VM that is made of this type."""
        memory = self.memory_mb * MEBIBYTE
        return replace(
            settings,
            memory=memory,
            memory_guaranteed=memory,
            memory_max=4 * memory,
            sockets=self.sockets,
            cores=self.cores,
            threads=1,
        )


INSTANCE_TYPES = (
    InstanceType("00000003-0003-0003-0003-0000000000be", "Tiny", "Tiny instance type", 512),
    InstanceType("00000005-0005-0005-0005-0000000002e6", "Small", "Small instance type", 2048),
    InstanceType("00000007-0007-0007-0007-00000000010a", "Medium", "Medium instance type", 4096, 2),
    InstanceType("00000009-0009-0009-0009-0000000000f1", "Large", "Large instance type", 8192, 2),
    InstanceType("0000000b-000b-000b-000b-00000000021f", "XLarge", "Extra Large instance type", 16384, 4),
)
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


def chosen_type(body: Node) -> InstanceType | None:
    """The one that a VM's body names, if any."""
    node = body.find("instance_type")
    if node is None or not (node.id or node.string("name")):
        return None
    for one in INSTANCE_TYPES:
        if node.id == one.id or (node.id is None and node.string("name") == one.name):
            return one
    raise missing(f"InstanceType: {node.id or node.string('name')}")


def list_all(call: Call) -> Reply:
    return listing(call, "instance_types", INSTANCE_TYPES, render, KEYS)


def show(call: Call) -> Reply:
    for one in INSTANCE_TYPES:
        if one.id == call.ids["one"]:
            return found(render(one))
    raise gone()


ROUTES: list[ApiRoute] = [
    get("instancetypes", list_all),
    get("instancetypes/{one}", show),
    get("instancetypes/{one}/nics", empty_list("nics")),
    get("instancetypes/{one}/graphicsconsoles", empty_list("graphics_consoles")),
    get("instancetypes/{one}/watchdogs", empty_list("watchdogs")),
]
