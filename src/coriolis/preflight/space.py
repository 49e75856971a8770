"""What is to be created must fit on its storage."""

from collections.abc import Mapping
from dataclasses import dataclass

from coriolis.errors import StorageTooSmall


@dataclass(frozen=True, slots=True)
class Storage:
    """`available` bytes; None where the storage does not tell."""

    id: str
    name: str
    available: int | None


def check_space(needed: Mapping[Storage, int]) -> None:
    """`needed` bytes by storage, for thin disks too: a thin disk that outgrows its storage stops its VM.

    Raises StorageTooSmall for the first that is too small.
    """
    for storage, size in needed.items():
        if storage.available is not None and size > storage.available:
            raise StorageTooSmall(needed=size, storage=storage.name, available=storage.available)
