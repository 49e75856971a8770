"""The agent's entry: handshake, then one role, until the run or the SSH session ends.

1. HELLO in: role ("reader", "writer", "hasher"), serial, size, leaf, wait; for a writer also scope, disk and
   token.
2. HELLO out: version, path, codecs, rates. A writer holds the fence by then.
3. HELLO in: algorithm, threads (0: choose); for a reader also baseline, codecs, compression. Its baseline
   follows.
4. The role's frames. Any failure ends with an ERROR frame.
"""

import os
import platform
import sys
import threading
from typing import Any, Dict, Type

from coriolis.agent import compression, devices, digests, frames, hasher, reader, scan
from coriolis.agent.devices import DeviceError
from coriolis.agent.fence import Fence, FencedError
from coriolis.agent.frames import Geometry, ProtocolError
from coriolis.agent.pipes import FrameStream, StreamClosedError
from coriolis.agent.writer import VerificationError, Writer

EXIT_FAILED = 1
EXIT_CLOSED = 3

_FAILURES: Dict[Type[BaseException], str] = {
    VerificationError: "verification",
    FencedError: "fenced",
    ProtocolError: "protocol",
    KeyError: "protocol",
    ValueError: "protocol",
    DeviceError: "device",
    OSError: "device",
    MemoryError: "memory",
}


def main() -> int:
    outgoing = os.dup(1)
    os.dup2(2, 1)  # a stray print must not break the stream
    stream = FrameStream(0, outgoing)
    try:
        return serve(stream)
    except StreamClosedError:
        return EXIT_CLOSED


def serve(stream: FrameStream) -> int:
    """Plays the role asked for; returns the exit status."""
    try:
        _play(stream, stream.receive_json(frames.HELLO))
    except tuple(_FAILURES) as error:
        stream.send_json(frames.ERROR, _described(error))
        return EXIT_FAILED
    return 0


def _described(error: BaseException) -> Dict[str, Any]:
    kind = next(kind for failure, kind in _FAILURES.items() if isinstance(error, failure))
    message = f"the handshake lacks {error}" if isinstance(error, KeyError) else str(error)[:2000]
    described: Dict[str, Any] = {"kind": kind, "message": message}
    if isinstance(error, VerificationError):
        described.update(offset=error.offset, length=error.length)
    return described


def _play(stream: FrameStream, options: Dict[str, Any]) -> None:
    role = options["role"]
    geometry = Geometry(int(options["size"]), int(options["leaf"]))
    frames.check_geometry(geometry)
    if role not in ("reader", "writer", "hasher"):
        raise ProtocolError(f"there is no role {role!r}")
    path = devices.find(str(options["serial"]), float(options["wait"]))
    descriptor = _open(role, path, geometry, options)
    stream.send_json(frames.HELLO, _introduction(path))
    start = stream.receive_json(frames.HELLO)
    stream.geometry = geometry
    threads = int(start["threads"]) or scan.default_threads()
    if role == "writer":
        Writer(stream, geometry, str(start["algorithm"]), descriptor, threads).run()
        return
    algorithm = str(start["algorithm"])
    if role == "hasher":
        _end_with_session(stream)
        hasher.run(stream, path, geometry, algorithm, threads)
        return
    leaves = reader.baseline_leaves(stream, geometry, algorithm, str(start["baseline"]))
    _end_with_session(stream)
    policy = reader.make_policy(start, threads)
    plan = reader.Plan(geometry, algorithm, str(start["baseline"]), threads)
    reader.Reader(stream, plan, leaves, policy).run(path)


def _open(role: str, path: str, geometry: Geometry, options: Dict[str, Any]) -> int:
    """Checks the disk's size; for a writer takes the fence first, which lives as long as this process."""
    if role == "writer":
        Fence(str(options["scope"]), str(options["disk"]), int(options["token"])).take()
        descriptor = devices.open_for_writing(path)
    else:
        descriptor = devices.open_for_reading(path)
    size = devices.size_of(descriptor)
    if size < geometry.size or (role == "reader" and size > geometry.size):
        raise DeviceError(f"{path} has {size} bytes, not {geometry.size}")
    return descriptor


def _introduction(path: str) -> Dict[str, Any]:
    return {
        "version": frames.VERSION,
        "python": platform.python_version(),
        "path": path,
        "codecs": compression.available(),
        "rates": digests.rates(),
        "cpus": os.cpu_count() or 1,
    }


def _end_with_session(stream: FrameStream) -> None:
    """From now on nothing is to come on stdin but its end, which ends this process wherever it is."""

    def watch() -> None:
        os.read(stream.incoming, 1)
        os._exit(EXIT_CLOSED)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
