"""Byte streams that no peer of ours sends: garbage, and valid streams that something happened to."""

import os
import resource
import select
import signal
import time
import traceback
from dataclasses import dataclass

from hypothesis import strategies as st

from coriolis.agent import frames, main
from coriolis.agent.frames import HEADER, MAGIC, Header

_MIB = 1 << 20
_MEMORY = 96 * _MIB  # of the agent's own: buffers and the stacks of its threads, and no list or frame beyond
_SECONDS = 60.0  # an end takes milliseconds; only a hang takes this long

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
any_header = st.builds(Header, st.sampled_from(sorted(frames.KINDS)) | u8, u8, u16, u32, u64, u32, u32)


def near_headers(size: int, leaf: int) -> st.SearchStrategy[Header]:
    """Headers whose fields are about what they may be for such a disk."""
    counts = st.integers(0, 20)
    ranges = counts.map(lambda n: n * leaf) | st.integers(0, size + leaf) | u32
    kinds = st.sampled_from(sorted(frames.KINDS))
    return st.builds(Header, kinds, st.integers(0, 3), counts, u32, ranges, ranges, ranges | st.just(0))


def mutations(most: int) -> st.SearchStrategy[list[tuple[str, int, int, bytes]]]:
    """What `mutated` does, in order: up to `most` changes."""
    kind = st.sampled_from(("flip", "cut", "repeat", "insert", "end"))
    return st.lists(st.tuples(kind, u32, u32, st.binary(min_size=1, max_size=64)), min_size=1, max_size=most)


def mutated(stream: bytes, changes: list[tuple[str, int, int, bytes]], first: int = 0) -> bytes:
    """The stream with the changes made to it, none before byte `first`."""
    for kind, place, extent, noise in changes:
        start = first + place % max(1, len(stream) - first)
        end = start + extent % 5000
        if kind == "flip" and start < len(stream):
            flipped = stream[start] ^ (1 << extent % 8)
            stream = stream[:start] + bytes([flipped]) + stream[start + 1 :]
        elif kind == "cut":
            stream = stream[:start] + stream[end:]
        elif kind == "repeat":
            stream = stream[:end] + stream[start:]
        elif kind == "insert":
            stream = stream[:start] + noise + stream[start:]
        elif kind == "end":
            stream = stream[:start]
    return stream


def resealed(stream: bytes, key: bytes) -> bytes:
    """A stream of frames without seals, with a fitting one in each frame that wants one: else nothing that is behind
    the seals would ever see garbage.
    """
    out, place = b"", 0
    while stream[place : place + len(MAGIC)] == MAGIC and len(stream) - place >= HEADER.size:
        header = Header(*HEADER.unpack_from(stream, place)[1:])
        start = place + HEADER.size
        end = start + (header.digest_bytes if header.is_sealed else 0)
        digests = stream[start:end]
        out += frames.sealed(header, digests, key) if header.is_sealed else stream[place:end]
        place = end + header.wire
        out += stream[end:place]
    return out + stream[place:]


@dataclass(frozen=True)
class Outcome:
    status: int
    output: bytes

    @property
    def error(self) -> dict[str, object] | None:
        """The ERROR frame it ended with, if it did."""
        end = self.output.rfind(frames.MAGIC + bytes([frames.ERROR]))
        return None if end < 0 else frames.parse_json(self.output[end + HEADER.size :])


def play(stream: bytes) -> Outcome:
    """What the agent makes of a stream that then ends: the whole agent, in a forked process that may take only
    so much memory. Raises AssertionError if it hangs.
    """
    incoming, feed = os.pipe()
    result, outgoing = os.pipe()
    agent = os.fork()
    if agent == 0:
        _be_agent(incoming, outgoing, (feed, result))
    os.close(incoming)
    os.close(outgoing)
    try:
        os.write(feed, stream)  # at once: it is shorter than a pipe
    except BrokenPipeError:
        pass
    finally:
        os.close(feed)
    try:
        return _collected(agent, result)
    finally:
        os.close(result)


def _be_agent(incoming: int, outgoing: int, others: tuple[int, int]) -> None:
    status = 99
    try:
        for descriptor in others:
            os.close(descriptor)
        os.dup2(incoming, 0)
        os.dup2(outgoing, 1)
        os.close(incoming)
        os.close(outgoing)
        with open("/proc/self/status") as file:  # noqa: PTH123 - nothing more than needed after a fork
            used = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (used + _MEMORY, used + _MEMORY))
        status = main.main()
    except BaseException:  # noqa: BLE001 - whatever it is, the tests must not go on in two processes
        traceback.print_exc()
    finally:
        os._exit(status)


def _collected(agent: int, result: int) -> Outcome:
    output, end = b"", time.monotonic() + _SECONDS
    while select.select([result], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(result, 1 << 16)
        if not piece:
            break
        output += piece
    while True:
        pid, status = os.waitpid(agent, os.WNOHANG)
        if pid:
            return Outcome(os.waitstatus_to_exitcode(status), output)
        if time.monotonic() > end:
            os.kill(agent, signal.SIGKILL)
            os.waitpid(agent, 0)
            raise AssertionError("the agent hangs")
        time.sleep(0.001)
