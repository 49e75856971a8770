"""Secrets of connection infos and environments: masked in every answer, kept when the mask is sent back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from coriolis.errors import InvalidInput
from coriolis.model.secret import MASK

# Names of secret fields over all platforms. What lies below such a name is secret too ({"linux": "…"} below a
# `…_password_map`). A `secret_ref` is the URL of a secret, not a secret.
_SECRET_NAME = re.compile(
    r"password|passphrase|secret(?!_ref$)|private_?key|^pkey$|access_key|api_?key|(^|_)token$|credential(?!_id$|_name$)"
    r"|keyring|clouds_yaml",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def mask(value: Any, *, secret: bool = False) -> Any:
    """A copy with the mask in place of each secret. Empty texts, booleans and null tell none and stay."""
    if isinstance(value, Mapping):
        return {key: mask(item, secret=secret or is_secret_name(key)) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [mask(item, secret=secret) for item in value]
    if secret and value not in (None, "") and not isinstance(value, bool):
        return MASK
    return value


def unmask(new: Any, stored: Any, field: str) -> Any:
    """`new` with each mask replaced by what is stored at the same place.

    Raises InvalidInput naming the field where nothing is stored there: a mask is never a secret.
    """
    if isinstance(new, Mapping):
        below = stored if isinstance(stored, Mapping) else {}
        return {key: unmask(item, below.get(key), f"{field}.{key}") for key, item in new.items()}
    if isinstance(new, Sequence) and not isinstance(new, str):
        items = stored if isinstance(stored, Sequence) and not isinstance(stored, str) else []
        return [
            unmask(item, items[index] if index < len(items) else None, f"{field}.{index}")
            for index, item in enumerate(new)
        ]
    if new == MASK:
        if stored in (None, "", MASK):
            raise InvalidInput(message=f"{field}: {MASK!r} stands for a stored secret, but none is stored.")
        return stored
    return new
