"""The API's other language. The engine derives it from the same types as its XML:

    {"vm": [{"id": "…", "status": "up", "memory": "1073741824", "creation_time": 1665068704618,
             "os": {"boot": {"devices": {"device": ["hd"]}}}, "link": [{"href": "…", "rel": "nics"}]}]}

One entity stands alone, a list holds its items under their tag; every scalar is a string but dates, which are
milliseconds since 1970 (seen in documents recorded from a real engine).
"""

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from coriolis_lab.ovirt import sdk_model
from coriolis_lab.ovirt.document import MalformedXmlError, Node
from coriolis_lab.ovirt.markup import Element
from coriolis_lab.ovirt.sdk_model import Kind, Member, TypeModel

_ATTRIBUTES = ("id", "href")


def write(element: Element) -> bytes:
    model = sdk_model.load()
    root = model.roots[element.tag]
    value = _items(element, root.type) if root.is_list else _struct(element, model.types[root.type])
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def _struct(element: Element, known: TypeModel) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for child in element.children:
        if child.tag == "link":
            value.setdefault("link", []).append(dict(child.attributes))
        elif child.tag == "actions":
            value["actions"] = {"link": [dict(action.attributes) for action in child.children]}
        else:
            value[child.tag] = _member(child, known.members[child.tag])
    return {**value, **dict(element.attributes)}


def _items(element: Element, type_name: str) -> dict[str, Any]:
    known = sdk_model.load().types[type_name]
    items: dict[str, list[Any]] = defaultdict(list)
    for child in element.children:
        items[child.tag].append(_struct(child, known))
    return dict(items)


def _member(element: Element, member: Member) -> Any:
    if member.kind == Kind.STRUCT:
        return _struct(element, sdk_model.load().types[member.target])
    if member.kind == Kind.STRUCTS:
        return _items(element, member.target)
    if member.kind in (Kind.STRINGS, Kind.ENUMS):
        values: dict[str, list[str]] = defaultdict(list)
        for child in element.children:
            values[child.tag].append(child.text or "")
        return dict(values)
    if member.kind == Kind.DATE:
        return round(datetime.fromisoformat(element.text or "").timestamp() * 1000)
    return element.text or ""


def read(text: bytes) -> Node:
    """Raises MalformedXmlError, as for XML: the caller answers both alike. The root has no tag."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedXmlError(str(error)) from error
    if not isinstance(value, dict):
        raise MalformedXmlError("an object is expected")
    return _node("", value)


def _node(tag: str, value: Any) -> Node:
    if isinstance(value, dict):
        node = Node(tag)
        for name, inner in value.items():
            if name in _ATTRIBUTES and isinstance(inner, str):
                node.attributes[name] = inner
            elif isinstance(inner, list):
                node.children += [_node(name, item) for item in inner]
            elif inner is not None:
                node.children.append(_node(name, inner))
        return node
    if isinstance(value, bool):
        return Node(tag, text="true" if value else "false")
    return Node(tag, text=str(value))
