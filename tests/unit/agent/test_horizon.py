"""A reader over a data connection goes no further than what the conductor has noted."""

import os
import random
import threading
from collections.abc import Iterator

import pytest

from coriolis.agent import frames
from coriolis.agent.frames import FRAME_BYTES, Geometry, ProtocolError
from coriolis.agent.horizon import WINDOW_BYTES, GrantedHorizon
from coriolis.agent.pipes import FrameStream

SIZE = 3 * WINDOW_BYTES + 512


class Conductor:
    """The other end of the reader's SSH session."""

    def __init__(self, size: int) -> None:
        taken, given = os.pipe()
        self.descriptors = (taken, given)
        self.stream = FrameStream(taken, given)
        self.stream.geometry = Geometry(size, 65536)
        self.horizon = GrantedHorizon(self.stream, size)

    def asked(self) -> tuple[int, int]:
        header = self.stream.receive_header()
        assert header.kind == frames.EXPECT
        return header.offset, header.raw

    def silent(self) -> bool:
        return not self.stream.wait(0)


@pytest.fixture
def conductor() -> Iterator[Conductor]:
    conductor = Conductor(SIZE)
    yield conductor
    for descriptor in conductor.descriptors:
        os.close(descriptor)


def frames_of(window: int) -> list[int]:
    end = min((window + 1) * WINDOW_BYTES, SIZE)
    return list(range(window * WINDOW_BYTES, end, FRAME_BYTES))


def visit(horizon: GrantedHorizon, offsets: list[int]) -> None:
    for offset in offsets:
        horizon.visited(offset, min(FRAME_BYTES, SIZE - offset))


def test_two_windows_at_once_and_the_next_when_the_first_is_done(conductor: Conductor) -> None:
    horizon = conductor.horizon
    horizon.begin()
    assert [conductor.asked() for _ in range(2)] == [(0, WINDOW_BYTES), (WINDOW_BYTES, WINDOW_BYTES)]
    visit(horizon, frames_of(1))  # a fast thread; the window before is not done
    assert conductor.silent()
    first = frames_of(0)
    random.Random(1).shuffle(first)  # noqa: S311 - test data
    visit(horizon, first[:-1])
    assert conductor.silent()
    visit(horizon, first[-1:])
    assert conductor.asked() == (2 * WINDOW_BYTES, WINDOW_BYTES)
    assert conductor.asked() == (3 * WINDOW_BYTES, 512)
    visit(horizon, [*frames_of(2), *frames_of(3)])
    assert conductor.silent()


def test_nobody_passes_the_horizon(conductor: Conductor) -> None:
    horizon = conductor.horizon
    horizon.begin()
    passed = threading.Event()

    def go_on() -> None:
        horizon.wait_for(WINDOW_BYTES)
        passed.set()

    waiting = threading.Thread(target=go_on)
    waiting.start()
    horizon.grant(0, WINDOW_BYTES)
    horizon.wait_for(WINDOW_BYTES - 1)
    assert not passed.wait(0.2)
    horizon.grant(WINDOW_BYTES, WINDOW_BYTES)
    waiting.join(20)
    assert passed.is_set()


@pytest.mark.parametrize(
    ("offset", "length"), [(WINDOW_BYTES, WINDOW_BYTES), (0, 3 * WINDOW_BYTES), (512, 512)]
)
def test_a_grant_that_nobody_asked_for_is_refused(conductor: Conductor, offset: int, length: int) -> None:
    conductor.horizon.begin()
    with pytest.raises(ProtocolError):
        conductor.horizon.grant(offset, length)
