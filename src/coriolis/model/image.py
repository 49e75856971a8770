"""Disks that no worker VM has attached: images that the conductor itself opens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coriolis.model.secret import Secret


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
