"""The contract of shapes.json: which fields an answer has, of which types."""

import json
import re
from pathlib import Path
from typing import Any

SHAPES: dict[str, Any] = json.loads((Path(__file__).parent / "shapes.json").read_text())
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def assert_shape(value: Any, kind: str, where: str = "") -> None:
    """`kind` as in shapes.json: "str|null", "[{task}]", "{endpoint}"."""
    where = where or kind
    for alternative in _alternatives(kind):
        if _fits(value, alternative):
            if alternative.startswith("["):
                for number, item in enumerate(value):
                    assert_shape(item, alternative[1:-1], f"{where}[{number}]")
            elif alternative.startswith("{") and alternative != "{*}":
                _assert_fields(value, alternative[1:-1], where)
            return
    raise AssertionError(f"{where}: {value!r} is not {kind}")


def _assert_fields(value: dict[str, Any], name: str, where: str) -> None:
    for field, kind in SHAPES[name].items():
        assert field in value, f"{where}: {field} is missing"
        assert_shape(value[field], kind, f"{where}.{field}")


def _alternatives(kind: str) -> list[str]:
    """Split at the bars that stand outside of brackets."""
    return re.findall(r"\[[^\]]*\]|\{[^}]*\}|[^|]+", kind)


def _fits(value: Any, kind: str) -> bool:
    if kind.startswith("["):
        return isinstance(value, list)
    if kind.startswith("{"):
        return isinstance(value, dict)
    if kind == "time":
        return isinstance(value, str) and _TIME.fullmatch(value) is not None
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool, "null": type(None)}[kind])
