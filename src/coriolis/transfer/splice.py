"""Carries bytes between two sockets through this machine's kernel, without looking at them."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Protocol

from coriolis.agent.pipes import enlarge

_PIECE_BYTES = 1 << 20


class Pace(Protocol):
    """How fast bytes may go; `coriolis.agent.bucket.Bucket` is one."""

    def piece(self, most: int) -> int: ...

    def take(self, count: int) -> None: ...


class Splice:
    """Both directions until both ended. `pace` holds for the one from `source` to `destination`, whose bytes
    are counted in `wire`. Owns the sockets.
    """

    def __init__(self, source: socket.socket, destination: socket.socket, pace: Pace) -> None:
        self.wire = 0
        self._pace = pace
        self._sockets = (source, destination)
        pumps: list[Callable[[], None]] = [
            lambda: self._pump(source, destination, forth=True),
            lambda: self._pump(destination, source, forth=False),
        ]
        self._threads = [threading.Thread(target=pump, daemon=True) for pump in pumps]
        for thread in self._threads:
            thread.start()

    def _pump(self, incoming: socket.socket, outgoing: socket.socket, *, forth: bool) -> None:
        """Hands on an orderly end as one; a broken connection breaks the other one too."""
        taken, given = os.pipe()
        enlarge(given)
        try:
            while count := os.splice(incoming.fileno(), given, self._pace.piece(_PIECE_BYTES)):
                if forth:
                    self._pace.take(count)
                    self.wire += count
                while count:
                    count -= os.splice(taken, outgoing.fileno(), count)
            outgoing.shutdown(socket.SHUT_WR)
        except OSError:
            self._shut_down()
        finally:
            os.close(taken)
            os.close(given)

    def _shut_down(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):  # not connected any more
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Whatever is still under way is lost."""
        self._shut_down()
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()
