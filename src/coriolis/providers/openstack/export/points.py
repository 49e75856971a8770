"""What an export leaves in the cloud for the next one, as it stands in a replica's `source_point`."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation, Points


class Kept(NamedTuple):
    """`name` is the one that the ledger knows it by."""

    kind: ResourceKind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Point:
    """`head` is the snapshot or backup whose content was read; `chain` what it needs to be read, the oldest first;
    `stale` what nobody needs any more and could not be removed before this point was made.

    `place`: where the content is in storage, in the mechanism's own words; `size_gb` that of the volume then.
    """

    mechanism: str
    head: Kept
    size_gb: int
    chain: tuple[Kept, ...] = ()
    stale: tuple[Kept, ...] = ()
    place: str = ""

    @property
    def id(self) -> str:
        return self.head.id

    def __str__(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def everything(self) -> tuple[Kept, ...]:
        """In the order in which it can be removed: what was made last first."""
        return (*self.stale, self.head, *reversed(self.chain))

    def followed_by(self, later: "Point", *, on_top: bool) -> "Point":
        """`later` with what remains of this one. `on_top`: it needs this one to be read."""
        if on_top and later.mechanism == self.mechanism:
            return replace(later, chain=(*self.chain, self.head), stale=self.stale)
        return replace(later, stale=self.everything)


def parse_point(text: str) -> Point:
    """Of our own making. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(text)
    head = _kept(fields.pop("head"))
    chain, stale = (tuple(_kept(item) for item in fields.pop(name)) for name in ("chain", "stale"))
    return Point(head=head, chain=chain, stale=stale, **fields)


def _kept(item: list[str]) -> Kept:
    kind, cloud_id, name = item
    return Kept(ResourceKind(kind), cloud_id, name)


def parsed_points(points: Points) -> dict[str, Point]:
    """By disk id."""
    return {disk_id: parse_point(text) for disk_id, text in points.items()}


def stale_of(op: Operation, point: Point) -> Iterator[Kept]:
    """What of it is still in the ledger."""
    for kept in point.stale:
        if op.ledger.find(kept.kind, kept.name) is not None:
            yield kept
