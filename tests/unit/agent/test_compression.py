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


def test_policy_follows_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    policy = Policy("auto", ["none", "zstd"], threads=1)
    assert policy.codec == CODEC_NONE

    def window(blocked_share: float) -> None:
        for _ in range(Policy.WINDOW):
            now[0] += 0.01
            policy.sent(0.01 * blocked_share)

    window(0.5)
    assert policy.codec == CODEC_ZSTD
    window(0.2)
    assert policy.codec == CODEC_ZSTD
    window(0.01)
    assert policy.codec == CODEC_NONE


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
        policy.sent(10.0)
    assert policy.codec == codec
