"""The engine's search language, as far as its clients use it.

    name="x*" and status=ok or id!=7 sortby name desc page 2

Keys, values and keywords are matched without regard to case (values with it on request); `*` is a wildcard,
"and" binds tighter than "or", a bare word matches names.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from coriolis_lab.ovirt.refusals import bad_request

Record = TypeVar("Record")
Keys = Mapping[str, Callable[[Record], Iterable[str]]]

PAGE_SIZE = 100
_OPERATORS = ("=", "!=", ">", "<", ">=", "<=")
_TOKEN = re.compile(r'\s*(?:"([^"]*)"|(!=|>=|<=|=|>|<)|([^\s"=!<>]+))')


@dataclass(frozen=True)
class Condition:
    key: str
    operator: str
    value: str


@dataclass(frozen=True)
class Query:
    """`alternatives`: any of them, all conditions of one."""

    alternatives: tuple[tuple[Condition, ...], ...]
    sort_key: str | None = None
    descending: bool = False
    page: int | None = None


@dataclass(frozen=True)
class _Token:
    text: str
    quoted: bool = False

    def is_word(self, *words: str) -> bool:
        return not self.quoted and self.text.lower() in words


def select(
    records: Iterable[Record], text: str | None, keys: Keys[Record], *, case_sensitive: bool = False
) -> list[Record]:
    """Raises a 400 refusal on bad syntax or an unknown key. `keys` are in lower case."""
    chosen = list(records)
    if not text or not text.strip():
        return chosen
    query = parse(text)
    for key in {condition.key for group in query.alternatives for condition in group} | {
        query.sort_key or "name"
    }:
        if key not in keys and key != "name":
            raise bad_request("Operation Failed", f"Invalid search expression: unknown key {key}")
    if query.alternatives:
        chosen = [
            record
            for record in chosen
            if any(
                all(_holds(keys[condition.key](record), condition, case_sensitive) for condition in group)
                for group in query.alternatives
            )
        ]
    if query.sort_key:
        sorting = keys[query.sort_key]
        chosen.sort(key=lambda record: [value.lower() for value in sorting(record)], reverse=query.descending)
    if query.page:
        chosen = chosen[(query.page - 1) * PAGE_SIZE : query.page * PAGE_SIZE]
    return chosen


def parse(text: str) -> Query:
    tokens = _tokenize(text)
    alternatives: list[list[Condition]] = [[]]
    while tokens and not tokens[0].is_word("sortby", "page"):
        alternatives[-1].append(_condition(tokens))
        if tokens and tokens[0].is_word("or"):
            tokens.pop(0)
            alternatives.append([])
        elif tokens and tokens[0].is_word("and"):
            tokens.pop(0)
    sort_key, descending, page = None, False, None
    if tokens and tokens[0].is_word("sortby"):
        tokens.pop(0)
        sort_key = _next(tokens, text).lower()
        if tokens and tokens[0].is_word("asc", "desc"):
            descending = tokens.pop(0).is_word("desc")
    if tokens and tokens[0].is_word("page"):
        tokens.pop(0)
        number = _next(tokens, text)
        if not number.isdigit() or int(number) < 1:
            raise _syntax_error(text)
        page = int(number)
    if tokens:
        raise _syntax_error(text)
    return Query(tuple(tuple(group) for group in alternatives if group), sort_key, descending, page)


def _condition(tokens: list[_Token]) -> Condition:
    word = tokens.pop(0)
    if word.is_word(*_OPERATORS):
        raise _syntax_error(word.text)
    if tokens and tokens[0].is_word(*_OPERATORS):
        operator = tokens.pop(0).text
        return Condition(word.text.lower(), operator, _next(tokens, word.text))
    return Condition("name", "=", word.text)


def _next(tokens: list[_Token], text: str) -> str:
    if not tokens:
        raise _syntax_error(text)
    return tokens.pop(0).text


def _tokenize(text: str) -> list[_Token]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _syntax_error(text)
        quoted, operator, word = match.groups()
        tokens.append(_Token(quoted, quoted=True) if quoted is not None else _Token(operator or word))
        position = match.end()
    return tokens


def _syntax_error(text: str) -> Exception:
    return bad_request("Operation Failed", f"Invalid search expression: {text}")


def _holds(values: Iterable[str], condition: Condition, case_sensitive: bool) -> bool:
    wanted = condition.value if case_sensitive else condition.value.lower()
    found: Sequence[str] = [value if case_sensitive else value.lower() for value in values]
    if condition.operator in ("=", "!="):
        pattern = wanted.replace("[", "[[]").replace("?", "[?]")
        hit = any(fnmatchcase(value, pattern) for value in found)
        return hit == (condition.operator == "=")
    return any(_compares(value, condition.operator, wanted) for value in found)


def _compares(value: str, operator: str, wanted: str) -> bool:
    left, right = (int(value), int(wanted)) if value.isdigit() and wanted.isdigit() else (value, wanted)
    if operator.startswith(">"):
        return left > right or (operator == ">=" and left == right)  # type: ignore[operator]  # both int or both str
    return left < right or (operator == "<=" and left == right)  # type: ignore[operator]  # both int or both str
