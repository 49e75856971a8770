"""What the story needs to know of the VM that is to cross."""

from dataclasses import dataclass
from typing import Any

from demo.guest import Guest


@dataclass(frozen=True)
class SourceVm:
    """`connection_info` and `source_environment` as a user would write them into JSON files."""

    name: str
    guest: Guest
    connection_info: dict[str, Any]
    source_environment: dict[str, Any]
    network: str
