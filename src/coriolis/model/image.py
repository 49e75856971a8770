"""Disks that no worker VM has attached: images that the conductor itself opens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from coriolis.model.secret import IN_CLEAR, Secret


@dataclass(frozen=True, slots=True)
class ImageDisk:
    """A disk behind an interface of its cloud's storage. `kind` names the driver in `coriolis.images.registry`, which
    `parameters` (JSON) and `secrets` are for.

    Of a source: `point` names the point in time that is read, for the runs after this one; `since` an earlier one that
    the image can tell the changes from. Both are made by the provider and mean something only to it and the driver.
    `digest`: what its leaves are to be hashed with, as long as there is no list of them yet; None: the fastest.
    """

    disk_id: str
    size_bytes: int
    kind: str
    parameters: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    point: str | None = None
    since: str | None = None
    digest: str | None = None


_DISK: TypeAdapter[ImageDisk] = TypeAdapter(ImageDisk)


def dump_image(disk: ImageDisk) -> bytes:
    """JSON with the secrets in clear: for a private pipe only."""
    return _DISK.dump_json(disk, context=IN_CLEAR)


def load_image(data: bytes) -> ImageDisk:
    return _DISK.validate_json(data, context=IN_CLEAR)
