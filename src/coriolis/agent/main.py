"""The agent's entry: handshake, then one role, until the run or the SSH session ends.

1. HELLO in: role ("reader", "writer", "hasher"), serial, size, leaf, wait; for a writer also scope, disk and
   token.
2. HELLO out: version, path, codecs, rates, cpus, tls. A writer holds the fence by then.
3. ROUTE in and out, or not: a data connection besides the SSH session (`meeting`).
4. HELLO in: algorithm, key (hex, of a keyed algorithm), threads (0: choose), route; for reader and writer seal (hex,
   `frames`); for a reader also baseline, codecs, compression, read, and perhaps since and also (`reader.Plan`). Its
   baseline follows. For a hasher perhaps sample: numbers of leaves.
5. The role's frames. Any failure ends with an ERROR frame.
"""

import os
import platform
import sys
from typing import Any, Callable, Dict, Optional, Tuple, Type

from coriolis.agent import commands, compression, digests, frames, hasher, reader, scan, tls
from coriolis.agent.block import open_disk
from coriolis.agent.bucket import Bucket
from coriolis.agent.commands import EXIT_CLOSED
from coriolis.agent.digests import Method
from coriolis.agent.disk import DeviceError, Disk, DiskUnavailableError
from coriolis.agent.fence import FencedError
from coriolis.agent.frames import Geometry, ProtocolError
from coriolis.agent.meeting import Meeting
from coriolis.agent.outlet import Outlet, SplitOutlet
from coriolis.agent.pipes import FrameStream, StreamClosedError
from coriolis.agent.tls import RouteClosedError, RouteError
from coriolis.agent.writer import VerificationError, Writer

EXIT_FAILED = 1
_MOST_THREADS = 64  # each takes a few MiB of buffers

_FAILURES: Dict[Type[BaseException], str] = {
    VerificationError: "verification",
    RouteError: "route",
    RouteClosedError: "route closed",
    FencedError: "fenced",
    ProtocolError: "protocol",
    KeyError: "protocol",
    ValueError: "protocol",
    TypeError: "protocol",
    OverflowError: "protocol",
    DeviceError: "device",
    DiskUnavailableError: "unavailable",
    OSError: "device",
    MemoryError: "memory",
}


OpenDisk = Callable[[str, Dict[str, Any]], Disk]
"""Takes the role and the first HELLO. For a writer it keeps every earlier writer out."""


def main() -> int:
    """On a worker."""
    return speak(open_disk)


def speak(open_disk: OpenDisk) -> int:
    """Serves whoever is on stdin and stdout; returns the exit status."""
    outgoing = os.dup(1)
    os.dup2(2, 1)  # a stray print must not break the stream
    stream = FrameStream(0, outgoing)
    try:
        return serve(stream, open_disk)
    except StreamClosedError:
        return EXIT_CLOSED


def serve(stream: FrameStream, open_disk: OpenDisk) -> int:
    """Plays the role asked for; returns the exit status."""
    try:
        _play(stream, stream.receive_json(frames.HELLO), open_disk)
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


def _play(stream: FrameStream, options: Dict[str, Any], open_disk: OpenDisk) -> None:
    role = options["role"]
    geometry = Geometry(int(options["size"]), int(options["leaf"]))
    frames.check_geometry(geometry)
    if role not in ("reader", "writer", "hasher"):
        raise ProtocolError(f"there is no role {role!r}")
    disk = open_disk(role, options)
    try:
        if disk.size < geometry.size or (role == "reader" and disk.size > geometry.size):
            raise DeviceError(f"{disk.name} has {disk.size} bytes, not {geometry.size}")
        stream.send_json(frames.HELLO, _introduction(disk))
        _play_with(stream, role, geometry, disk)
    finally:
        disk.close()


def _play_with(stream: FrameStream, role: str, geometry: Geometry, disk: Disk) -> None:
    start, connection = _take_orders(stream, is_reader=role == "reader")
    seal_key = bytes.fromhex(start.get("seal", ""))
    if role != "hasher" and len(seal_key) != frames.SEAL_KEY_BYTES:
        raise ProtocolError(f"a {role} needs a key for seals")
    for one in (stream,) if connection is None else (stream, connection):
        one.geometry, one.seal_key = geometry, seal_key
    threads = _threads(start) or disk.threads or scan.default_threads()
    method = Method.ordered(geometry, start)
    if role == "writer":
        if connection is not None:
            commands.end_with_session(stream)
        Writer(stream, method, disk, threads=threads, connection=connection).run()
    elif role == "hasher":
        commands.end_with_session(stream)
        if "sample" in start:
            hasher.run_sample(stream, disk, method, threads=threads, numbers=start["sample"])
        else:
            hasher.run(stream, disk, method, threads)
    else:
        outlet = Outlet(stream) if connection is None else SplitOutlet(stream, connection)
        _read(outlet, reader.make_plan(start, method, threads), start, disk)


def _threads(start: Dict[str, Any]) -> int:
    threads = int(start["threads"])
    if not 0 <= threads <= _MOST_THREADS:
        raise ProtocolError(f"there are no {threads} threads")
    return threads


def _take_orders(stream: FrameStream, *, is_reader: bool) -> Tuple[Dict[str, Any], Optional[FrameStream]]:
    """The second HELLO, and the data connection if that wants one. ROUTE frames may come before it."""
    meeting = Meeting(is_reader)
    while True:
        kind, message = stream.receive_message(frames.ROUTE, frames.HELLO)
        if kind == frames.HELLO:
            return message, meeting.stream(message.get("route", "ssh") != "ssh")
        stream.send_json(frames.ROUTE, meeting.arrange(message))


def _read(outlet: Outlet, plan: reader.Plan, start: Dict[str, Any], disk: Disk) -> None:
    leaves = reader.baseline_leaves(outlet.control, plan)
    pace = Bucket(commands.read_limit({"read": start.get("read", 0)}))

    def fail(error: BaseException) -> None:
        try:
            outlet.control.send_json(frames.ERROR, _described(error))
        finally:
            os._exit(EXIT_FAILED)

    commands.obey(outlet, pace, fail)
    reader.Reader(outlet, plan, leaves, reader.make_policy(start, plan.threads), pace).run(disk)


def _introduction(disk: Disk) -> Dict[str, Any]:
    return {
        "version": frames.VERSION,
        "python": platform.python_version(),
        "path": disk.name,
        "codecs": compression.available(),
        "rates": digests.rates(),
        "cpus": os.cpu_count() or 1,
        "tls": tls.supported(),
    }


if __name__ == "__main__":
    sys.exit(main())
