import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent import compression
from coriolis.agent.compression import Buffer, Compressor, Decompressor, Policy, Stopwatch
from coriolis.agent.frames import CODEC_NONE, CODEC_ZLIB, CODEC_ZSTD, ProtocolError

CODECS = [CODEC_ZLIB] + ([CODEC_ZSTD] if "zstd" in compression.available() else [])


def filled(data: bytes) -> Buffer:
    buffer = Buffer()
    buffer.view[: len(data)] = data
    return buffer


@pytest.mark.parametrize("codec", CODECS)
def test_round_trip(codec: int) -> None:
    text = b"the same line again and again\n" * 10000
    source, compressor, decompressor = filled(text), Compressor(), Decompressor()
    length = compressor.compress(codec, source.address, len(text))
    assert 0 < length < len(text) // 4
    assert decompressor.decompress(codec, compressor.out, length, len(text)) == text


@pytest.mark.parametrize("codec", CODECS)
def test_noise_is_left_alone_and_only_probed_after_misses(codec: int) -> None:
    noise = filled(os.urandom(1 << 20))
    compressor = Compressor()
    assert [compressor.compress(codec, noise.address, 1 << 20) for _ in range(6)] == [0] * 6


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.binary(min_size=1, max_size=300), raw=st.integers(1, 1 << 20))
def test_garbage_is_refused(codec: int, data: bytes, raw: int) -> None:
    try:
        plain = Decompressor().decompress(codec, filled(data), len(data), raw)
    except ProtocolError:
        return
    assert len(plain) == raw


def test_a_bomb_is_refused() -> None:
    import zlib

    bomb = zlib.compress(bytes(1 << 26), 9)
    with pytest.raises(ProtocolError):
        Decompressor().decompress(CODEC_ZLIB, filled(bomb), len(bomb), 1 << 20)


@pytest.mark.parametrize("statistics", [True, False])
def test_a_stopwatch_counts_what_others_hold_up(statistics: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not statistics:  # a kernel without them

        def missing(*_: object) -> int:
            raise FileNotFoundError

        monkeypatch.setattr(compression.os, "open", missing)
    watch = Stopwatch()
    time.sleep(0.2)
    assert watch.held_up() > 0.1


def test_a_stopwatch_does_not_count_the_wait_for_a_processor() -> None:
    """Four threads' worth of work on one processor: each of them waits most of the time."""
    work = (
        "import os, time; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "end = time.monotonic() + 1.5\n"
        "while time.monotonic() < end: pass"
    )
    timed = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from coriolis.agent.compression import Stopwatch\n"
        f"watch = Stopwatch()\n{work}\nprint(watch.held_up())"
    )
    source = str(Path(compression.__file__).parents[2])
    others = [subprocess.Popen([sys.executable, "-c", work]) for _ in range(3)]
    done = subprocess.run([sys.executable, "-c", timed, source], capture_output=True, text=True, check=True)
    for other in others:
        other.wait()
    assert float(done.stdout) < 0.75


class Wire:
    def __init__(self) -> None:
        self.now = 0.0
        self.policy = Policy("auto", ["none", "zstd"], threads=1, clock=lambda: self.now)

    def window(self, held_up: float, rate: float = 50e6, frames: int = Policy.WINDOW_FRAMES) -> int:
        """Share of the time; bytes a second. The codec after that."""
        for _ in range(frames):
            seconds = (1 << 20) / rate
            self.now += seconds
            self.policy.sent(seconds * held_up, 1 << 20)
        return self.policy.codec


def test_policy_compresses_while_the_wire_is_slow() -> None:
    wire = Wire()
    assert wire.policy.codec == CODEC_NONE
    assert wire.window(held_up=0.2) == CODEC_NONE
    assert wire.window(held_up=0.5) == CODEC_ZSTD
    assert wire.window(held_up=0.2) == CODEC_ZSTD
    assert wire.window(held_up=0.01) == CODEC_NONE


def test_policy_leaves_a_fast_wire_alone() -> None:
    assert Wire().window(held_up=0.9, rate=300e6) == CODEC_NONE


def test_policy_does_not_wait_for_many_slow_frames() -> None:
    assert Wire().window(held_up=0.9, rate=1e6, frames=Policy.FEWEST_FRAMES) == CODEC_ZSTD


@pytest.mark.parametrize(
    ("wanted", "codecs", "codec"),
    [
        ("none", ["none", "zstd"], CODEC_NONE),
        ("zstd", ["none", "zstd"], CODEC_ZSTD),
        ("zstd", ["none"], CODEC_NONE),
        ("zlib", ["none", "zlib"], CODEC_ZLIB),
    ],
)
def test_fixed_policies(wanted: str, codecs: list[str], codec: int) -> None:
    policy = Policy(wanted, codecs, 1)
    for _ in range(200):
        policy.sent(10.0, 1)
    assert policy.codec == codec
