"""A name must be one that the destination accepts."""

import re
import unicodedata
from dataclasses import dataclass

from coriolis.errors import NameNotAllowed


@dataclass(frozen=True, slots=True)
class NameRule:
    """`allowed` is a character class body such as `A-Za-z0-9._-`, `wording` says the same to a person."""

    cloud: str
    kind: str
    allowed: str
    wording: str
    max_length: int


def check_name(name: str, rule: NameRule) -> None:
    """Raises NameNotAllowed with a name that would do."""
    if not name:
        reason = "it is empty"
    elif len(name) > rule.max_length:
        reason = f"it has {len(name)} characters, at most {rule.max_length} are allowed"
    elif not re.fullmatch(f"[{rule.allowed}]+", name):
        reason = f"only {rule.wording} are allowed"
    else:
        return
    raise NameNotAllowed(
        cloud=rule.cloud, name=name, kind=rule.kind, reason=reason, suggestion=sanitised(name, rule)
    )


def sanitised(name: str, rule: NameRule) -> str:
    """The nearest allowed name: accents dropped where they are not allowed, other characters to `-`."""
    text = name
    if not re.fullmatch(f"[{rule.allowed}]*", text):
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(f"[^{rule.allowed}]+", "-", text).strip("-")
    return text[: rule.max_length].rstrip("-") or "vm"
