"""What is known of each leaf of a disk before it is read."""

from typing import Iterator, Optional, Sequence, Tuple

from coriolis.agent.disk import Disk, Extent
from coriolis.agent.frames import Geometry, ProtocolError

SAME, ZERO, READ = 0, 1, 2


class Marks:
    """One byte a leaf: SAME as in the list a reader starts from, ZERO, or to be READ."""

    def __init__(self, geometry: Geometry, unlisted: int) -> None:
        """`unlisted`: the mark of what no extent is about."""
        self._leaf = geometry.leaf
        self._size = geometry.size
        self._marks = bytearray([unlisted]) * geometry.leaves

    def put(self, extents: Sequence[Extent]) -> None:
        """What any extent wants to be read is read; a leaf that is only partly known to be zeros is too."""
        for extent in extents:
            if extent.zero:
                self._put_zeros(extent)
        for extent in extents:
            if not extent.zero:
                self._fill(*self._touched(extent), READ)

    def _put_zeros(self, extent: Extent) -> None:
        first, end = self._touched(extent)
        whole = -(-extent.offset // self._leaf)
        whole_end = end if extent.offset + extent.length >= self._size else self._end(extent) // self._leaf
        for leaf in {first, end - 1} if end > first else ():
            if not whole <= leaf < whole_end and self._marks[leaf] == SAME:
                self._marks[leaf] = READ
        self._fill(whole, whole_end, ZERO)

    def _touched(self, extent: Extent) -> Tuple[int, int]:
        """First leaf and the one after the last."""
        if extent.offset < 0 or extent.length < 0:
            raise ProtocolError(f"no extent: {extent!r}")
        if not extent.length or extent.offset >= self._size:
            return 0, 0
        return extent.offset // self._leaf, -(-self._end(extent) // self._leaf)

    def _end(self, extent: Extent) -> int:
        return min(extent.offset + extent.length, self._size)

    def _fill(self, first: int, end: int, mark: int) -> None:
        if end > first:
            self._marks[first:end] = bytes([mark]) * (end - first)

    def runs(self, offset: int, length: int) -> Iterator[Tuple[int, int, int]]:
        """Offset, bytes and mark of the runs of equal leaves in a range of whole leaves."""
        end = offset + length
        while offset < end:
            first = offset // self._leaf
            mark, leaf = self._marks[first], first + 1
            while leaf * self._leaf < end and self._marks[leaf] == mark:
                leaf += 1
            stop = min(leaf * self._leaf, end)
            yield offset, stop - offset, mark
            offset = stop


def marks_of(disk: Disk, geometry: Geometry, since: Optional[str], also: Sequence[Extent]) -> Optional[Marks]:
    """None where the disk cannot tell anything. `since` names what the reader's list was made from; `also` is to be
    read whatever the disk says.
    """
    for base in (since, None) if since is not None else (None,):
        extents = disk.changes(base)
        if extents is not None:
            marks = Marks(geometry, ZERO if base is None else SAME)
            marks.put(extents)
            marks.put(also)
            return marks
    return None
