"""The frames that reader, relay and writer exchange.

A frame is a header of 28 bytes (big endian), the digests of the leaves it carries (16 bytes each), in some kinds a
seal of 16 bytes, and a payload:

    magic "DPA1" | kind u8 | codec u8 | leaves u16 | seq u32 | offset u64 | raw u32 | wire u32

`offset` and `raw` are bytes of the disk, `wire` the bytes of payload that follow. Every field is checked
against hard limits before anything is allocated for it, so a peer that sends garbage costs neither memory nor
a wrong write.

The seal is a keyed BLAKE2b over header and digests. Reader, conductor and writer have its key from the second HELLO, a
new one for each copy of a disk. So what was right for one place of one disk is never written to another, whatever
happens to a header on its way.
"""

import hashlib
import hmac
import json
import struct
from typing import Any, Dict, NamedTuple

VERSION = 2
MAGIC = b"DPA1"
HEADER = struct.Struct("!4sBBHIQII")

HELLO = 1  # JSON payload: the handshake, both ways
DATA = 2  # leaves and their digests
ZERO = 3  # a range that reads as zeros; no payload
BARRIER = 4  # the writer answers ACK with the same seq once all before it is durable
EOF = 5  # JSON payload: the run is complete; a writer says so after its last flush
ACK = 6
ERROR = 7  # JSON payload: kind, message, offset, length
LEAVES = 8  # a piece of a leaf list; `offset` is the position in the list, in bytes
STATUS = 9  # JSON payload: how far a reader or hasher is
ROUTE = 10  # JSON payload, both ways, before the second HELLO: a data connection besides the SSH session
DIGESTS = 11  # header and digests of a DATA frame that goes over the data connection; no payload
LIMIT = 12  # JSON payload: how fast a reader may read from now on
EXPECT = 13  # a reader may send any leaf of this range from the ACK with the same range on; no payload
END = 14  # to a writer: that was all; `seq` is the number of DATA and ZERO frames, modulo 2^32

KINDS = frozenset(range(HELLO, END + 1))
JSON_KINDS = frozenset((HELLO, EOF, ERROR, STATUS, ROUTE, LIMIT))
SEALED_KINDS = frozenset((DATA, ZERO, BARRIER, DIGESTS, END))

CODEC_NONE = 0
CODEC_ZSTD = 1
CODEC_ZLIB = 2
CODECS = frozenset((CODEC_NONE, CODEC_ZSTD, CODEC_ZLIB))

FRAME_BYTES = 1 << 20  # the most a DATA or LEAVES frame carries, raw and on the wire
JSON_BYTES = 1 << 16
DIGEST_BYTES = 16  # of each leaf's digest; 2^64 work for a collision that harms only the guest that made it
MIN_LEAF_BYTES = 4096
SEAL_BYTES = 16
SEAL_KEY_BYTES = 32


class ProtocolError(Exception):
    """The peer sent something that no peer of ours sends."""


class Geometry(NamedTuple):
    """The disk a stream of frames is about: bytes and bytes a leaf. `size` 0: only the handshake is
    allowed.
    """

    size: int
    leaf: int

    @property
    def leaves(self) -> int:
        return -(-self.size // self.leaf)

    @property
    def list_bytes(self) -> int:
        return self.leaves * DIGEST_BYTES


HANDSHAKE = Geometry(0, FRAME_BYTES)


class Header(NamedTuple):
    kind: int
    codec: int
    leaves: int
    seq: int
    offset: int
    raw: int
    wire: int

    def pack(self) -> bytes:
        return HEADER.pack(MAGIC, *self)

    @property
    def digest_bytes(self) -> int:
        return self.leaves * DIGEST_BYTES

    @property
    def is_sealed(self) -> bool:
        return self.kind in SEALED_KINDS


def end_of(count: int) -> Header:
    """END, after so many DATA and ZERO frames."""
    return Header(END, 0, 0, count & 0xFFFFFFFF, 0, 0, 0)


def sealed(header: Header, digests: bytes, key: bytes) -> bytes:
    """All of a frame of a sealed kind but its payload."""
    content = header.pack() + digests
    return content + _seal(content, key)


def check_seal(header: Header, digests: bytes, seal: bytes, key: bytes) -> None:
    """Raises ProtocolError where header and digests are not what was sealed with this key."""
    if not hmac.compare_digest(_seal(header.pack() + digests, key), seal):
        raise ProtocolError(f"frame that was changed on its way: {header!r}")


def _seal(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=SEAL_BYTES).digest()


def check_geometry(geometry: Geometry) -> None:
    leaf = geometry.leaf
    if leaf < MIN_LEAF_BYTES or leaf > FRAME_BYTES or leaf & (leaf - 1):
        raise ProtocolError(f"leaf size {leaf} is not a power of two from 4 KiB to 1 MiB")
    if geometry.size <= 0 or geometry.size >= 1 << 60:
        raise ProtocolError(f"disk size {geometry.size} cannot be")


def parse_header(data: bytes, geometry: Geometry) -> Header:
    """`data` is HEADER.size bytes. Raises ProtocolError for anything outside the limits of `geometry`."""
    magic, *fields = HEADER.unpack(data)
    header = Header(*fields)
    if magic != MAGIC or header.kind not in KINDS:
        raise ProtocolError(f"not a frame: {bytes(data)!r}")
    if header.kind == DATA:
        _check_data(header, geometry)
    elif header.kind == DIGESTS:
        _check_leaves(header, geometry)
        _require(header.wire == 0, header)
    elif header.kind in JSON_KINDS:
        _require(header.wire <= JSON_BYTES and header.leaves == 0, header)
    elif header.kind == LEAVES:
        _require(header.wire == header.raw <= FRAME_BYTES and header.leaves == 0, header)
        _require(header.offset + header.raw <= geometry.list_bytes, header)
    else:
        _require(header.wire == 0 and header.leaves == 0, header)
        if header.kind in (ZERO, EXPECT):
            _check_range(header, geometry)
    return header


def _check_leaves(header: Header, geometry: Geometry) -> None:
    _check_range(header, geometry)
    _require(header.raw <= FRAME_BYTES and header.codec in CODECS, header)
    _require(header.leaves == -(-header.raw // geometry.leaf), header)


def _check_data(header: Header, geometry: Geometry) -> None:
    _check_leaves(header, geometry)
    _require(0 < header.wire <= FRAME_BYTES, header)
    _require(header.wire == header.raw if header.codec == CODEC_NONE else header.wire < header.raw, header)


def _check_range(header: Header, geometry: Geometry) -> None:
    """A run of whole leaves; only the disk's last leaf may be short."""
    end = header.offset + header.raw
    _require(header.raw > 0 and end <= geometry.size and header.offset % geometry.leaf == 0, header)
    _require(end % geometry.leaf == 0 or end == geometry.size, header)


def _require(condition: bool, header: Header) -> None:
    if not condition:
        raise ProtocolError(f"frame outside its limits: {header!r}")


def json_frame(kind: int, message: Dict[str, Any]) -> bytes:
    payload = json.dumps(message).encode()
    if len(payload) > JSON_BYTES:
        raise ProtocolError(f"message of {len(payload)} bytes")
    return Header(kind, 0, 0, 0, 0, 0, len(payload)).pack() + payload


def parse_json(payload: bytes) -> Dict[str, Any]:
    try:
        message = json.loads(bytes(payload).decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"message is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("message is not an object")
    return message
