"""XML as the engine writes it: standalone declaration, four spaces of indent, `<a></a>` for an empty string
and `<a/>` for an empty structure, ids and hrefs as attributes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from xml.sax.saxutils import escape, quoteattr

API_ROOT = "/ovirt-engine/api"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

Scalar = str | int | bool | float | datetime | Enum


@dataclass(frozen=True)
class Element:
    """`text` None together with no children is an empty structure; "" is an empty string."""

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple["Element", ...] = ()
    text: str | None = None

    @property
    def href(self) -> str | None:
        return dict(self.attributes).get("href")

    def with_children(self, children: Iterable["Element"]) -> "Element":
        return replace(self, children=tuple(children))


def render_scalar(value: Scalar) -> str:
    """Booleans in lower case, dates with milliseconds and the offset, everything else as it prints."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone().isoformat(timespec="milliseconds")
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


def leaf(tag: str, value: Scalar | None) -> Element | None:
    """None writes nothing: the engine leaves out what it does not know."""
    return None if value is None else Element(tag, text=render_scalar(value))


def struct(tag: str, *children: Element | None, attributes: tuple[tuple[str, str], ...] = ()) -> Element:
    return Element(tag, attributes, tuple(child for child in children if child is not None))


def leaves(tag: str, item_tag: str, values: Iterable[Scalar]) -> Element:
    """`<devices><device>hd</device></devices>`"""
    return struct(tag, *(leaf(item_tag, value) for value in values))


def reference(tag: str, path: str, identifier: str) -> Element:
    """A link to another entity: `<cluster href="/ovirt-engine/api/clusters/ID" id="ID"/>`; `path` has no
    leading slash.
    """
    return Element(tag, (("href", f"{API_ROOT}/{path}/{identifier}"), ("id", identifier)))


def entity(
    tag: str,
    path: str,
    identifier: str,
    *fields: Element | None,
    actions: Iterable[str] = (),
    name: str | None = None,
    description: str | None = None,
    comment: str | None = None,
    links: Iterable[str] = (),
) -> Element:
    """One resource in the engine's order: actions, name, description, comment, links, then the given fields.

    `path` is that of the entity itself, below the API root and without a leading slash.
    """
    href = f"{API_ROOT}/{path}"
    action_links = [_link(f"{href}/{action}", action) for action in actions]
    head = (
        struct("actions", *action_links) if action_links else None,
        leaf("name", name),
        leaf("description", description),
        leaf("comment", comment),
    )
    attributes = (("href", href), ("id", identifier))
    return struct(tag, *head, *(_link(f"{href}/{rel}", rel) for rel in links), *fields, attributes=attributes)


def _link(href: str, rel: str) -> Element:
    return Element("link", (("href", href), ("rel", rel)))


def write(element: Element) -> bytes:
    lines: list[str] = []
    _write(element, "", lines)
    return (DECLARATION + "\n".join(lines) + "\n").encode()


def _write(element: Element, indent: str, lines: list[str]) -> None:
    start = element.tag + "".join(f" {name}={quoteattr(value)}" for name, value in element.attributes)
    if element.text is not None:
        lines.append(f"{indent}<{start}>{escape(element.text)}</{element.tag}>")
    elif not element.children:
        lines.append(f"{indent}<{start}/>")
    else:
        lines.append(f"{indent}<{start}>")
        for child in element.children:
            _write(child, indent + "    ", lines)
        lines.append(f"{indent}</{element.tag}>")
