"""The guest's mounted root: every path is resolved inside it, every change is told.

The guest's own links (/etc/resolv.conf -> /run/...) must lead into the guest, never to the worker.
"""

import os
import shutil
import stat
from typing import TYPE_CHECKING

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Callable

_LINK_HOPS = 40  # as the kernel


class GuestRoot:
    def __init__(self, path: str, changed: "Callable[[str, str], None]") -> None:
        """`changed(guest path, what was done)` is called for every change."""
        self.path = path.rstrip("/")
        self._changed = changed

    def locate(self, path: str) -> str:
        """Where a path of the guest lies on the worker; a link at its end is not followed."""
        head, name = os.path.split("/" + path.strip("/"))
        return os.path.join(self.resolve(head), name) if name else self.path

    def resolve(self, path: str) -> str:
        """As `locate`, with a link at its end followed. The path need not exist."""
        pending = [part for part in path.split("/") if part]
        done: list[str] = []
        hops = 0
        while pending:
            part = pending.pop(0)
            if part == ".":
                continue
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([self.path, *done, part])
            if not os.path.islink(here):
                done.append(part)
                continue
            hops += 1
            if hops > _LINK_HOPS:
                raise MorphFailure(f"{path} is a loop of links")
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            pending = [piece for piece in target.split("/") if piece] + pending
        return "/".join([self.path, *done])

    def exists(self, path: str) -> bool:
        """Also true for a link that leads nowhere."""
        return os.path.lexists(self.locate(path))

    def is_file(self, path: str) -> bool:
        return os.path.isfile(self.resolve(path))

    def is_link(self, path: str) -> bool:
        return os.path.islink(self.locate(path))

    def names(self, path: str) -> "list[str]":
        """The sorted names in a directory; none if it is not there."""
        directory = self.resolve(path)
        return sorted(os.listdir(directory)) if os.path.isdir(directory) else []

    def read(self, path: str) -> bytes:
        with open(self.resolve(path), "rb") as source:
            return source.read()

    def read_text(self, path: str) -> str:
        return self.read(path).decode("utf-8", errors="surrogateescape")

    def write_text(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replaces at once; a file that was there keeps its mode and owner."""
        target = self.resolve(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fresh = target + ".coriolis-new"
        with open(fresh, "wb") as output:
            output.write(text.encode("utf-8", errors="surrogateescape"))
        existed = os.path.exists(target)
        if existed:
            old = os.stat(target)
            os.chown(fresh, old.st_uid, old.st_gid)
            mode = stat.S_IMODE(old.st_mode)
        os.chmod(fresh, mode)
        os.replace(fresh, target)
        self._changed(path, "rewritten" if existed else "written")

    def link(self, path: str, target: str) -> None:
        place = self.locate(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.lexists(place):
            os.remove(place)
        os.symlink(target, place)
        self._changed(path, "linked to " + target)

    def keep_copy(self, path: str, aside: str) -> None:
        """The first copy stays: what a second run would copy is no original."""
        if not self.exists(aside):
            shutil.copy2(self.resolve(path), self.locate(aside))
            self._changed(aside, "kept as the original")

    def set_aside(self, path: str, aside: str) -> None:
        if self.exists(aside):
            self.remove(path)
            return
        os.rename(self.locate(path), self.locate(aside))
        self._changed(path, "set aside as " + aside)

    def remove(self, path: str) -> None:
        place = self.locate(path)
        if os.path.isdir(place) and not os.path.islink(place):
            shutil.rmtree(place)
        else:
            os.remove(place)
        self._changed(path, "removed")

    def note(self, path: str, how: str) -> None:
        """Tells a change made by other means."""
        self._changed(path, how)
