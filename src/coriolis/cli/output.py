"""How objects of the API become columns."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cliff.columns import FormattableColumn

Columns = tuple[Sequence[str], Sequence[Any]]
Rows = tuple[Sequence[str], Iterable[Sequence[Any]]]


class JsonColumn(FormattableColumn[Any]):
    """Structured data: indented JSON for people, itself for programs."""

    def human_readable(self) -> str:
        return json.dumps(self._value, indent=2, ensure_ascii=False)


class LinesColumn(FormattableColumn[Any]):
    """A list of texts, one a line for people."""

    def human_readable(self) -> str:
        return "\n".join(str(item) for item in self._value)


class TextColumn(FormattableColumn[Any]):
    """A value that people read otherwise than programs do."""

    def __init__(self, value: Any, text: str) -> None:
        super().__init__(value)
        self._text = text

    def human_readable(self) -> str:
        return self._text


class BytesColumn(FormattableColumn[int]):
    def human_readable(self) -> str:
        return size(self._value)


def size(count: float) -> str:
    """Bytes in powers of 1024, with at most one decimal: "512 B", "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count == int(count) else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """ "9 s", "2 min 05 s", "3 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def shown(value: Any) -> Any:
    """A field of the API as a cell: what is structured is shown as JSON, a list of texts line by line."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return LinesColumn(value)
    return JsonColumn(value) if isinstance(value, dict | list) else value


def one(item: Mapping[str, Any], fields: Sequence[str], **special: Any) -> Columns:
    """`fields` of one object in that order; `special` values stand in for fields of that name."""
    return fields, [special[name] if name in special else shown(item.get(name)) for name in fields]


def many(
    items: Iterable[Mapping[str, Any]],
    columns: Sequence[tuple[str, str | Callable[[Mapping[str, Any]], Any]]],
) -> Rows:
    """`columns`: title, and the field or the function that gives the cell."""
    titles = [title for title, _ in columns]
    rows = [
        [shown(item.get(how)) if isinstance(how, str) else how(item) for _, how in columns] for item in items
    ]
    return titles, rows
