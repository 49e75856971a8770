import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent import compression
from coriolis.agent.compression import Buffer, Compressor, Decompressor, Policy
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


class Machine:
    """A clock, and how fast the bytes of the disk go with each codec."""

    def __init__(self, **paces: float) -> None:
        self.now = 0.0
        self.paces = {compression.CODEC_NAMES[name]: pace for name, pace in paces.items()}
        self.policy = Policy("auto", ["none", "zstd"], threads=1, clock=lambda: self.now)

    def windows(self, count: int, held_up: float = 0.9) -> list[int]:
        """The codec after each."""
        found = []
        for _ in range(count):
            for _ in range(Policy.WINDOW_FRAMES):
                seconds = (1 << 20) / self.paces[self.policy.codec]
                self.now += seconds
                wire = (1 << 20) // (2 if self.policy.codec == CODEC_ZSTD else 1)
                self.policy.sent(seconds * held_up, wire, 1 << 20)
            found.append(self.policy.codec)
        return found


def test_policy_keeps_what_moves_more() -> None:
    machine = Machine(none=50e6, zstd=90e6)
    assert machine.policy.codec == CODEC_NONE
    found = machine.windows(50)
    assert found[0] == CODEC_ZSTD
    assert found.count(CODEC_NONE) <= 4  # it looks again


def test_policy_gives_up_what_does_not_pay() -> None:
    found = Machine(none=50e6, zstd=40e6).windows(50)
    assert found[:2] == [CODEC_ZSTD, CODEC_NONE]
    assert found.count(CODEC_ZSTD) <= 4


def test_policy_notices_that_the_machine_has_changed() -> None:
    machine = Machine(none=50e6, zstd=40e6)
    machine.windows(5)
    machine.paces[CODEC_ZSTD] = 80e6
    assert machine.windows(40)[-1] == CODEC_ZSTD


def test_policy_leaves_a_wire_alone_that_is_not_short() -> None:
    assert set(Machine(none=50e6, zstd=90e6).windows(40, held_up=0.1)) == {CODEC_NONE}
    assert set(Machine(none=300e6, zstd=900e6).windows(40)) == {CODEC_NONE}


def test_policy_does_not_wait_for_many_slow_frames() -> None:
    machine = Machine(none=1 << 20, zstd=2 << 20)
    for _ in range(Policy.FEWEST_FRAMES):
        machine.now += 1.0
        machine.policy.sent(1.0, 1 << 20, 1 << 20)
    assert machine.policy.codec == CODEC_ZSTD


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
        policy.sent(10.0, 1, 1)
    assert policy.codec == codec
