"""Settings of a VM that change nothing in the lab, kept and told as the client set them: display, USB, placement …

They are kept as the API's own elements. What the client names replaces what was there, member by member.
"""

from collections.abc import Iterable

from coriolis_lab.ovirt import sdk_model
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.markup import Element
from coriolis_lab.ovirt.refusals import bad_request
from coriolis_lab.ovirt.sdk_model import Kind, Member
from coriolis_lab.ovirt.validator import wrong_values

TAGS = (
    "console",
    "cpu_shares",
    "custom_cpu_model",
    "custom_emulated_machine",
    "display",
    "io",
    "lease",
    "migration",
    "migration_downtime",
    "multi_queues_enabled",
    "placement_policy",
    "rng_device",
    "serial_number",
    "soundcard_enabled",
    "sso",
    "storage_error_resume_behaviour",
    "tunnel_migration",
    "usb",
    "virtio_scsi",
    "virtio_scsi_multi_queues_enabled",
)


def read_extras(body: Node, base: tuple[Element, ...]) -> tuple[Element, ...]:
    """Raises the engine's 400 for values that are none of their kind."""
    members = sdk_model.load().types["Vm"].members
    extras = {element.tag: element for element in base}
    for tag in TAGS:
        node = body.find(tag)
        if node is None:
            continue
        problem = next(wrong_values(node, members[tag]), None)
        if problem is not None:
            raise bad_request("Invalid value", str(problem))
        extras[tag] = _merged(extras.get(tag), _element(node, members[tag]))
    return tuple(extras.values())


def _element(node: Node, member: Member) -> Element:
    attributes = tuple(node.attributes.items())
    if member.kind == Kind.STRUCT:
        known = sdk_model.load().types[member.target].members
        inside = [_element(child, known[child.tag]) for child in node.children if child.tag in known]
        return Element(node.tag, attributes, tuple(inside))
    if member.kind == Kind.STRUCTS:
        one = Member(Kind.STRUCT, member.target)
        return Element(node.tag, attributes, tuple(_element(child, one) for child in node.children))
    if member.kind in (Kind.STRINGS, Kind.ENUMS):
        return Element(
            node.tag, children=tuple(Element(child.tag, text=child.text) for child in node.children)
        )
    return Element(node.tag, text=node.text)


def _merged(default: Element | None, given: Element) -> Element:
    if default is None or given.text is not None or not given.children:
        return given
    replaced = {child.tag: child for child in given.children}
    kept = [
        _merged(child, replaced.pop(child.tag)) if child.tag in replaced else child
        for child in default.children
    ]
    return Element(given.tag, given.attributes or default.attributes, (*kept, *replaced.values()))


def with_extras(
    defaults: Iterable[Element | None], extras: tuple[Element, ...]
) -> tuple[Element | None, ...]:
    """The defaults of an engine with the client's wishes in their places; what has no default comes last."""
    wished = {element.tag: element for element in extras}
    shown = [
        _merged(element, wished.pop(element.tag))
        if element is not None and element.tag in wished
        else element
        for element in defaults
    ]
    return (*shown, *wished.values())
