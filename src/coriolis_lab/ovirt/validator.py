"""Strict checking of XML documents against the model of the API.

The SDK's readers skip what they do not know and turn unknown enumerated values into None; this does not: it
tells every difference. It is used on all that the front answers and all that clients send in tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from coriolis_lab.ovirt import sdk_model
from coriolis_lab.ovirt.document import MalformedXmlError, Node, parse
from coriolis_lab.ovirt.sdk_model import Kind, Member, SdkModel, TypeModel

_FORMS = {
    Kind.BOOLEAN: re.compile(r"true|false"),
    Kind.INTEGER: re.compile(r"-?\d+"),
    Kind.DECIMAL: re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?"),
    Kind.DATE: re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}
_REPEATABLE = ("link", "actions")


@dataclass(frozen=True)
class Problem:
    """`path` such as /vms/vm[2]/cpu/topology/cores. `is_value`: a scalar is none of its kind."""

    path: str
    text: str
    is_value: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def check(document: bytes) -> list[Problem]:
    """All problems of a document, in its order; none means that a real engine or client might have written
    it.
    """
    try:
        root = parse(document)
    except MalformedXmlError as error:
        return [Problem("/", f"malformed: {error}")]
    model = sdk_model.load()
    known = model.roots.get(root.tag)
    path = f"/{root.tag}"
    if known is None:
        return [Problem(path, "unknown root element")]
    checker = _Checker(model)
    if known.is_list:
        singulars = model.singulars.get(known.type, frozenset())
        return list(checker.structs(root, path, Member(Kind.STRUCTS, known.type, singulars)))
    return list(checker.struct(root, path, model.types[known.type]))


def wrong_values(node: Node, member: Member) -> Iterator[Problem]:
    """The scalars of a member, as a client sends it, that are none of their kind. Unknown elements are passed over."""
    checker = _Checker(sdk_model.load())
    for problem in checker.member(node, node.tag, member):
        if problem.is_value:
            yield problem


@dataclass(frozen=True)
class _Checker:
    model: SdkModel

    def struct(self, node: Node, path: str, known: TypeModel) -> Iterator[Problem]:
        yield from _attributes(node, path, {"href", "id"} if known.has_id else {"href"})
        if node.text.strip():
            yield Problem(path, f"text {node.text.strip()!r} in a structure")
        seen: set[str] = set()
        for child in node.children:
            place = f"{path}/{child.tag}"
            if child.tag in seen and child.tag not in _REPEATABLE:
                yield Problem(place, "repeated element")
            seen.add(child.tag)
            member = known.members.get(child.tag)
            if member is not None:
                yield from self.member(child, place, member)
            elif child.tag == "link":
                yield from _link(child, place, known.links)
            elif child.tag == "actions":
                for number, action in enumerate(child.children, 1):
                    yield from _link(action, f"{place}/{action.tag}[{number}]", known.actions)
            else:
                yield Problem(place, f"unknown element of {known.name}")

    def structs(self, node: Node, path: str, member: Member) -> Iterator[Problem]:
        yield from _attributes(node, path, {"href"})
        for number, child in enumerate(node.children, 1):
            place = f"{path}/{child.tag}[{number}]"
            if child.tag == "actions" and node.tag in self.model.roots:
                continue
            if member.items and child.tag not in member.items:
                yield Problem(place, f"is no item of {node.tag}")
            else:
                yield from self.struct(child, place, self.model.types[member.target])

    def member(self, node: Node, path: str, member: Member) -> Iterator[Problem]:
        if member.kind == Kind.STRUCT:
            yield from self.struct(node, path, self.model.types[member.target])
        elif member.kind == Kind.STRUCTS:
            yield from self.structs(node, path, member)
        elif member.kind in (Kind.STRINGS, Kind.ENUMS):
            for number, child in enumerate(node.children, 1):
                place = f"{path}/{child.tag}[{number}]"
                if member.items and child.tag not in member.items:
                    yield Problem(place, f"is no item of {node.tag}")
                single = Kind.STRING if member.kind == Kind.STRINGS else Kind.ENUM
                yield from self._scalar(child, place, Member(single, member.target))
        else:
            yield from self._scalar(node, path, member)

    def _scalar(self, node: Node, path: str, member: Member) -> Iterator[Problem]:
        if node.children:
            yield Problem(path, f"elements in a {member.kind.value}")
        yield from _attributes(node, path, set())
        form = _FORMS.get(member.kind)
        if form is not None and not form.fullmatch(node.text):
            yield Problem(path, f"{node.text!r} is no {member.kind.value}", is_value=True)
        if member.kind == Kind.ENUM and node.text not in self.model.enums[member.target]:
            yield Problem(path, f"{node.text!r} is no {member.target}", is_value=True)


def _attributes(node: Node, path: str, allowed: set[str]) -> Iterator[Problem]:
    for name in node.attributes:
        if name not in allowed:
            yield Problem(path, f"unknown attribute {name}")


def _link(node: Node, path: str, legal: set[str]) -> Iterator[Problem]:
    rel, href = node.attributes.get("rel"), node.attributes.get("href")
    if node.tag != "link" or not rel or not href:
        yield Problem(path, "is no link with rel and href")
    elif rel not in legal:
        yield Problem(path, f"unknown link rel {rel!r}")
