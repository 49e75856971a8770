"""Coverage-guided fuzzing of what is received, by either end; not a part of the test suite.

.venv/bin/pip install atheris
.venv/bin/python -m tests.fuzz.streams [writer|receive|words] -max_total_time=600 [libFuzzer options]

`writer` feeds a writer after its handshake, `receive` all that frames are received with, `words` the
conductor's reading of what agents say and the files it keeps. It ends at the first exception that is not one of
those that stand for a broken peer, or if the disk is written to where it must not be.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from coriolis.agent import frames
    from coriolis.agent.block import BlockDisk
    from coriolis.agent.compression import Buffer, Decompressor
    from coriolis.agent.digests import Method
    from coriolis.agent.frames import DIGEST_BYTES, Geometry, Header, ProtocolError
    from coriolis.agent.pipes import FrameStream, StreamClosedError
    from coriolis.agent.writer import VerificationError, Writer
    from coriolis.transfer.introduction import read_introduction
    from coriolis.transfer.manifest import LeafList, UnusableLeafListError

from tests.unit.agent.hostile import resealed

LEAF = 4096
GEOMETRY = Geometry(5 * LEAF + 512, LEAF)
SEAL_KEY = bytes(frames.SEAL_KEY_BYTES)
GUARD = b"\xdd" * LEAF
_PIPE_BYTES = 60000  # what a pipe takes at once
_DISK = os.memfd_create("disk")


def _stream(data: bytes) -> tuple[FrameStream, int]:
    """The stream that brings `data` and then ends, and a descriptor to close afterwards."""
    incoming, feed = os.pipe()
    os.write(feed, data[:_PIPE_BYTES])
    os.close(feed)
    stream = FrameStream(incoming, os.open(os.devnull, os.O_WRONLY))
    stream.geometry, stream.seal_key = GEOMETRY, SEAL_KEY
    return stream, incoming


def writer(data: bytes) -> None:
    os.ftruncate(_DISK, 0)
    os.pwrite(_DISK, bytes(GEOMETRY.size) + GUARD, 0)
    stream, incoming = _stream(resealed(_data_frame(b"x" * LEAF) + data, SEAL_KEY))
    try:
        disk = BlockDisk(f"/proc/self/fd/{_DISK}", writing=True)
        Writer(stream, Method(GEOMETRY, "sha256"), disk, threads=1).run()
    except (ProtocolError, StreamClosedError, VerificationError):
        pass
    finally:
        os.close(incoming)
        os.close(stream.outgoing)
    if os.pread(_DISK, 1 << 20, GEOMETRY.size) != GUARD:
        raise AssertionError("written behind the disk")


def _data_frame(leaf: bytes) -> bytes:
    digest = hashlib.sha256(leaf).digest()[:DIGEST_BYTES]
    return Header(frames.DATA, 0, 1, 1, 0, len(leaf), len(leaf)).pack() + digest + leaf


def receive(data: bytes) -> None:
    def receive_data(stream: FrameStream) -> None:
        header, buffer = stream.receive_header(), Buffer()
        if header.kind == frames.DATA:
            stream.receive_sealed(header)
            stream.read_into(buffer.view[: header.wire])
            if header.codec != frames.CODEC_NONE:
                Decompressor().decompress(header.codec, buffer, header.wire, header.raw)

    for how in (receive_data, FrameStream.receive_leaves, lambda one: one.receive_json(frames.HELLO)):
        stream, incoming = _stream(resealed(data, SEAL_KEY))
        with contextlib.suppress(ProtocolError, StreamClosedError):
            how(stream)
        os.close(incoming)
        os.close(stream.outgoing)


def words(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read_introduction(frames.parse_json(data))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(UnusableLeafListError):
            LeafList(Path(file.name)).close()


TARGETS: dict[str, Callable[[bytes], None]] = {"writer": writer, "receive": receive, "words": words}


def main() -> None:
    chosen = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in TARGETS else "writer"
    atheris.Setup(sys.argv, TARGETS[chosen])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
