"""What the frame parser lets through."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent import frames
from coriolis.agent.frames import HANDSHAKE, HEADER, Geometry, Header, ProtocolError, parse_header

GEOMETRY = Geometry(size=(10 << 20) + 512, leaf=65536)

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
headers = st.builds(Header, st.sampled_from(sorted(frames.KINDS)) | u8, u8, u16, u32, u64, u32, u32)
near = st.builds(
    Header,
    st.sampled_from([frames.DATA, frames.ZERO, frames.LEAVES]),
    st.integers(0, 3),
    st.integers(0, 18),
    u32,
    st.integers(0, 170).map(lambda n: n * 65536) | st.integers(0, GEOMETRY.size + 10),
    st.integers(0, 18).map(lambda n: n * 65536) | st.integers(0, 2 << 20),
    st.integers(0, 2 << 20),
)


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_garbage_is_refused(data: bytes) -> None:
    if not data.startswith(frames.MAGIC):
        with pytest.raises(ProtocolError):
            parse_header(data, GEOMETRY)


@given(headers | near)
def test_what_passes_is_within_the_limits(header: Header) -> None:
    try:
        parsed = parse_header(header.pack(), GEOMETRY)
    except ProtocolError:
        return
    assert parsed == header
    assert parsed.wire <= frames.FRAME_BYTES
    assert parsed.digest_bytes <= frames.FRAME_BYTES // GEOMETRY.leaf * frames.DIGEST_BYTES
    if parsed.kind in (frames.DATA, frames.ZERO):
        assert parsed.offset + parsed.raw <= GEOMETRY.size
        assert parsed.offset % GEOMETRY.leaf == 0
    if parsed.kind == frames.DATA:
        assert parsed.raw <= frames.FRAME_BYTES
    if parsed.kind == frames.LEAVES:
        assert parsed.offset + parsed.raw <= GEOMETRY.list_bytes


@pytest.mark.parametrize("kind", [frames.DATA, frames.ZERO])
def test_no_data_before_the_handshake(kind: int) -> None:
    with pytest.raises(ProtocolError):
        parse_header(Header(kind, 0, 1, 1, 0, 4096, 4096 if kind == frames.DATA else 0).pack(), HANDSHAKE)


def test_the_last_leaf_may_be_short_and_no_other() -> None:
    parse_header(Header(frames.DATA, 0, 1, 1, 10 << 20, 512, 512).pack(), GEOMETRY)
    with pytest.raises(ProtocolError):
        parse_header(Header(frames.DATA, 0, 1, 1, 0, 512, 512).pack(), GEOMETRY)


def test_a_payload_does_not_grow_by_compression() -> None:
    with pytest.raises(ProtocolError):
        parse_header(Header(frames.DATA, frames.CODEC_ZSTD, 1, 1, 0, 65536, 65536).pack(), GEOMETRY)


@given(st.binary(max_size=200))
def test_json_is_an_object_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(frames.parse_json(data), dict)


@pytest.mark.parametrize(
    "geometry", [Geometry(0, 65536), Geometry(1, 1000), Geometry(1, 2 << 20), Geometry(1 << 62, 65536)]
)
def test_impossible_geometries(geometry: Geometry) -> None:
    with pytest.raises(ProtocolError):
        frames.check_geometry(geometry)
