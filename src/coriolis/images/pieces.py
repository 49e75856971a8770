"""Which object holds which bytes of a volume, where later backups lie over earlier ones."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`length` bytes from `offset` of the volume, before `compression` (Cinder's name of it)."""

    container: str
    name: str
    offset: int
    length: int
    compression: str
    md5: str

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `end` of the volume stand in `source`."""

    start: int
    end: int
    source: StoredObject


class PieceMap:
    """Of a whole volume; sorted, without overlaps."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._starts = [piece.start for piece in pieces]

    def between(self, start: int, end: int) -> Iterator[Piece]:
        """What stands there, cut to it."""
        for place in range(max(0, bisect_right(self._starts, start) - 1), len(self.pieces)):
            piece = self.pieces[place]
            if piece.start >= end:
                return
            if piece.end > start:
                yield replace(piece, start=max(piece.start, start), end=min(piece.end, end))


def layered(layers: Iterable[Iterable[StoredObject]]) -> PieceMap:
    """`layers`: the full backup first."""
    below: list[Piece] = []
    for objects in layers:
        above = sorted((Piece(o.offset, o.end, o) for o in objects), key=lambda piece: piece.start)
        below = list(_over(above, below))
    return PieceMap(below)


def _over(above: Sequence[Piece], below: Sequence[Piece]) -> Iterator[Piece]:
    """Both sorted; `above` hides what is under it."""
    upper = iter(above)
    top = next(upper, None)
    for piece in below:
        start = piece.start
        while top is not None and top.start < piece.end:
            if top.start > start:
                yield replace(piece, start=start, end=top.start)
            if top.end > piece.end:
                start = piece.end
                break
            yield top
            start = max(start, top.end)
            top = next(upper, None)
        if start < piece.end:
            yield replace(piece, start=start)
    while top is not None:
        yield top
        top = next(upper, None)
