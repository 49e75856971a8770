"""Of what goes wrong in a writer, the first thing is told: all that comes after it is its consequence."""

import contextlib
import os

import pytest

from coriolis.agent.block import BlockDisk
from coriolis.agent.digests import Method
from coriolis.agent.frames import Geometry
from coriolis.agent.pipes import FrameStream
from coriolis.agent.tls import RouteClosedError, RouteError
from coriolis.agent.writer import Writer

GEOMETRY = Geometry(1 << 20, 65536)


class BrokenStream(FrameStream):
    """Like a TLS session after a record that does not fit: whoever asks next hears of the end only."""

    def __init__(self) -> None:
        super().__init__(*os.pipe())
        self.asked = 0

    def wait(self, seconds: float) -> bool:
        self.asked += 1
        if self.asked == 1:
            raise RouteError("TLS: bad record")
        raise RouteClosedError("the data connection ended")


def test_another_thread_does_not_overtake() -> None:
    descriptor = os.memfd_create("disk")
    os.truncate(descriptor, GEOMETRY.size)
    with contextlib.closing(BlockDisk(f"/proc/self/fd/{descriptor}", writing=True)) as disk:
        for _ in range(200):  # a race, lost within these where the failure is noted late
            stream = BrokenStream()
            with pytest.raises(RouteError, match="TLS: bad record"):
                Writer(stream, Method(GEOMETRY, "sha256"), disk, threads=4).run()
            os.close(stream.incoming)
            os.close(stream.outgoing)
    os.close(descriptor)
