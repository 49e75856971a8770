"""Guest operating systems. The list's tag is `<operation_systems>`: the real engine never mended the typing
error.
"""

from coriolis_lab.ovirt.markup import Element, entity, leaf
from coriolis_lab.ovirt.operating_systems import OsType, known_types, tpm_support
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.web import Call, Reply, found, get


def render(os_type: OsType) -> Element:
    return entity(
        "operating_system",
        f"operatingsystems/{os_type.number}",
        str(os_type.number),
        leaf("architecture", "x86_64"),
        leaf("tpm_support", tpm_support(os_type.name)),
        name=os_type.name,
        description=os_type.description,
    )


def list_all(call: Call) -> Reply:
    return listing(call, "operation_systems", known_types(call.engine.look), render)


def show(call: Call) -> Reply:
    number = call.ids["os"]
    os_type = next(
        (os_type for os_type in known_types(call.engine.look) if str(os_type.number) == number), None
    )
    if os_type is None:
        raise gone()
    return found(render(os_type))


ROUTES = [get("operatingsystems", list_all), get("operatingsystems/{os}", show)]
