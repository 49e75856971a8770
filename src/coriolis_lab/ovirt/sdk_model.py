"""The API's data model, derived at run time from the installed ovirt-engine-sdk-python.

Its readers, writers and services are generated from the engine's own model and perfectly regular, so that
plain patterns over their text give every type with its elements, every enumeration, every root tag, and the
legal links and actions.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cache
from pathlib import Path

import ovirtsdk4


class Kind(StrEnum):
    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    ENUM = "enum"
    STRUCT = "struct"
    STRUCTS = "list of structures"
    STRINGS = "list of strings"
    ENUMS = "list of enumerated values"


@dataclass(frozen=True)
class Member:
    """`target`: the type or enumeration. `items`: the tags of a list's items; empty for any."""

    kind: Kind
    target: str = ""
    items: frozenset[str] = frozenset()


@dataclass
class TypeModel:
    """`links` and `actions` are the legal `rel` values."""

    name: str
    has_id: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Root:
    type: str
    is_list: bool


@dataclass(frozen=True)
class SdkModel:
    """`enums`: name -> values. `singulars`: type -> the tags of a single one."""

    types: dict[str, TypeModel]
    enums: dict[str, frozenset[str]]
    roots: dict[str, Root]
    singulars: dict[str, frozenset[str]]


_CLASS = re.compile(r"^class (\w+)\((\w+)\):$", re.MULTILINE)
_MEMBER = re.compile(r"tag == '(\w+)':\n\s+obj\.\w+ = (\w+)Reader\.read_(\w+)\((?:types\.(\w+), )?reader\)")
_BASE_MEMBER = re.compile(r"tag == '(\w+)':\n\s+obj\.\w+ = Reader\.read_(\w+)\((?:types\.(\w+), )?reader\)")
_RELATION = re.compile(r'rel == "(\w+)"')
_REGISTRATION = re.compile(r"^Reader\.register\('(\w+)', (\w+)Reader\.read_(one|many)\)", re.MULTILINE)
_WRITTEN_LIST = re.compile(r"Writer\.write_many\(obj\.\w+, writer, '(\w+)', '(\w+)'\)")
_WRITTEN_VALUES = re.compile(
    r"write_start\('(\w+)'\)\n\s+for item in .*\n(?:.*\n)?\s+Writer\.write_string\(writer, '(\w+)'"
)
_SUBSERVICE = re.compile(r"'%s/(\w+)' % self\._path")
_ACTION = re.compile(r"_internal_action\(action, '(\w+)'")
_SCALARS = {
    "string": Kind.STRING,
    "boolean": Kind.BOOLEAN,
    "integer": Kind.INTEGER,
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "enum": Kind.ENUM,
    "strings": Kind.STRINGS,
    "enums": Kind.ENUMS,
}


@cache
def load() -> SdkModel:
    """Takes a few tenths of a second, once a process."""
    package = Path(ovirtsdk4.__path__[0])
    readers = (package / "readers.py").read_text()
    item_tags = _item_tags((package / "writers.py").read_text())
    types = {name: _read_type(name, text, item_tags) for name, text in _classes(readers, "Reader")}
    roots, singulars = {}, defaultdict(set)
    for tag, name, count in _REGISTRATION.findall(readers):
        roots[tag] = Root(name, count == "many")
        if count == "one":
            singulars[name].add(tag)
    _add_relations(types, (package / "services.py").read_text())
    return SdkModel(types, _enums(), roots, {name: frozenset(tags) for name, tags in singulars.items()})


def _classes(text: str, suffix: str) -> Iterator[tuple[str, str]]:
    """(name without the suffix, body) of each class."""
    starts = list(_CLASS.finditer(text))
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        body = text[start.end() : following.start() if following else len(text)]
        yield start.group(1).removesuffix(suffix), body


def _read_type(name: str, text: str, item_tags: dict[str, frozenset[str]]) -> TypeModel:
    model = TypeModel(name, has_id="get_attribute('id')" in text, links=set(_RELATION.findall(text)))
    for tag, kind, enum in _BASE_MEMBER.findall(text):
        model.members[tag] = Member(_SCALARS[kind], enum, item_tags.get(tag, frozenset()))
    for tag, target, count, _enum in _MEMBER.findall(text):
        kind = Kind.STRUCTS if count == "many" else Kind.STRUCT
        model.members[tag] = Member(kind, target, item_tags.get(tag, frozenset()))
    return model


def _item_tags(writers: str) -> dict[str, frozenset[str]]:
    """List tag -> item tags, over all types: the generator names items alike wherever the list occurs."""
    tags: dict[str, set[str]] = defaultdict(set)
    for singular, plural in _WRITTEN_LIST.findall(writers):
        tags[plural].add(singular)
    for plural, singular in _WRITTEN_VALUES.findall(writers):
        tags[plural].add(singular)
    return {plural: frozenset(singulars) for plural, singulars in tags.items()}


def _add_relations(types: dict[str, TypeModel], services: str) -> None:
    """Every service whose name ends in a type's name serves it: VmNicService and TemplateNicService serve
    Nic.
    """
    bases = dict(_CLASS.findall(services))
    bodies = {f"{name}Service": body for name, body in _classes(services, "Service")}
    for service, body in bodies.items():
        base = bodies.get(bases[service], "")
        links = {*_SUBSERVICE.findall(body), *_SUBSERVICE.findall(base)}
        actions = {*_ACTION.findall(body), *_ACTION.findall(base)}
        for name, model in types.items():
            if service.endswith(f"{name}Service"):
                model.links |= links
                model.actions |= actions
    system = set(_SUBSERVICE.findall(bodies["SystemService"]))
    types["Api"].links |= system | {f"{rel}/search" for rel in system}


def _enums() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(str(item.value) for item in value)
        for name, value in vars(ovirtsdk4.types).items()
        if isinstance(value, type) and issubclass(value, Enum) and value is not Enum
    }
