"""Plain data for a process that we start, through a pipe that only it reads; secrets cross in clear.

On the pipe: a length (4 bytes, big endian) and a pickle, since both ends are one release on one machine. To parse and
validate with pydantic would double the processor time that a process takes to start.
"""

import io
import pickle
import struct
from typing import Any, TypeVar

from coriolis.agent.pipes import read_exactly
from coriolis.model.secret import Secret

_LENGTH = struct.Struct("!I")
Thing = TypeVar("Thing")


class _Pickler(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        """Secrets refuse to be pickled everywhere else."""
        return (Secret, (thing.reveal(),)) if isinstance(thing, Secret) else NotImplemented


def pack(thing: Any) -> bytes:
    """For a private pipe only."""
    content = io.BytesIO()
    _Pickler(content).dump(thing)
    return _LENGTH.pack(content.tell()) + content.getvalue()


def receive(descriptor: int, kind: type[Thing]) -> Thing:
    """The next thing that our parent packed. Raises `coriolis.agent.pipes.StreamClosedError` at the end, TypeError for
    anything else than `kind`."""
    (length,) = _LENGTH.unpack(read_exactly(descriptor, _LENGTH.size))
    thing = pickle.loads(read_exactly(descriptor, length))  # noqa: S301 - from the process that started us
    if not isinstance(thing, kind):
        raise TypeError(f"{type(thing).__name__} instead of {kind.__name__}")
    return thing
