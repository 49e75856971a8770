"""An agent, driven over one connection to where it runs."""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from coriolis.agent import frames
from coriolis.agent.digests import Method
from coriolis.agent.frames import Geometry, Header, ProtocolError
from coriolis.agent.pipes import FrameStream, StreamClosedError, read_exactly, write_all
from coriolis.closing import Closing
from coriolis.errors import (
    CoriolisError,
    RouteFailed,
    TransferError,
    TransferInterrupted,
    VerificationFailed,
    WorkerUnreachable,
    WriterFenced,
)
from coriolis.transfer.connection import Connection
from coriolis.transfer.host import ConductorHost, host_of
from coriolis.transfer.introduction import Introduction, read_count, read_introduction
from coriolis.transfer.job import CopyEnd

Check = Callable[[], None]
"""Called at least twice a second while waiting; may raise."""

_DEVICE_SECONDS = 60.0  # for a hot-plugged disk to show in the guest
_HANDSHAKE_SECONDS = (
    120.0  # for one attempt: key exchange, interpreter, device; generous for emulated machines
)
_RETRY_SECONDS = 2.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an agent is started for. `disk_id` names the disk in errors; `scope` and `token` count for
    writers.
    """

    role: str
    end: CopyEnd
    disk_id: str
    geometry: Geometry
    scope: str = ""
    token: int = 0


class AgentProcess(Closing):
    """Connects at once; `introduce()` waits for the agent, `begin()` gives it its orders."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.lost_route = False
        """It said that its data connection ended, which it does not know the reason of."""
        self._host = host_of(assignment.end)
        self._connection = Connection(self._host)

    @property
    def address(self) -> str:
        return self._host.address

    @property
    def is_local(self) -> bool:
        """It runs on this conductor."""
        return isinstance(self._host, ConductorHost)

    @property
    def stream(self) -> FrameStream:
        return self._connection.stream

    def introduce(self, deadline: float, check: Check) -> Introduction:
        """Waits for the agent's HELLO; connects again until `deadline` (monotonic) while the worker is
        unreachable.
        """
        while True:
            try:
                return self._handshake(check)
            except WorkerUnreachable:
                self._connection.end()
                if time.monotonic() > deadline:
                    raise
            resume = time.monotonic() + _RETRY_SECONDS
            while time.monotonic() < resume:
                check()
                time.sleep(_POLL_SECONDS)
            self._connection = Connection(self._host)

    def _handshake(self, check: Check) -> Introduction:
        try:
            hello = {
                "role": self.assignment.role,
                "serial": self._host.serial,
                "size": self.assignment.geometry.size,
                "leaf": self.assignment.geometry.leaf,
                "wait": _DEVICE_SECONDS,
                "scope": self.assignment.scope,
                "disk": self.assignment.disk_id,
                "token": self.assignment.token,
            }
            write_all(self.stream.outgoing, [self._host.opening(), frames.json_frame(frames.HELLO, hello)])
            self.wait_readable(check, time.monotonic() + _HANDSHAKE_SECONDS)
            answer = self.receive_json(frames.HELLO)
        except StreamClosedError as closed:
            raise self._host.failure(*self._connection.last_words()) from closed
        self.stream.geometry = self.assignment.geometry
        with self.failures_named():
            return read_introduction(answer)

    def arrange(self, check: Check, **wish: Any) -> dict[str, Any]:
        """Asks for a data connection (`coriolis.agent.meeting`); the agent's answer."""
        with self.failures_named():
            self.stream.send_json(frames.ROUTE, wish)
            self.wait_readable(check, time.monotonic() + _HANDSHAKE_SECONDS)
            return self.receive_json(frames.ROUTE)

    def begin(self, method: Method, *, seal_key: bytes = b"", **orders: Any) -> None:
        """Sends the second HELLO. `threads` 0 lets the agent choose."""
        with self.failures_named():
            orders = {"threads": 0, "seal": seal_key.hex(), **method.orders, **orders}
            self.stream.send_json(frames.HELLO, orders)
        self.stream.seal_key = seal_key

    def wait_readable(self, check: Check, deadline: float | None = None) -> None:
        """Returns once something (or the end) is to be read."""
        poll = select.poll()
        poll.register(self.stream.incoming, select.POLLIN)
        while not poll.poll(_POLL_SECONDS * 1000):
            check()
            if deadline is not None and time.monotonic() > deadline:
                raise WorkerUnreachable(worker=self._host.name, reason="the agent does not answer.")

    def receive(self) -> Header:
        """The next header that is not an ERROR, which is raised. Raises TransferInterrupted if the agent is
        gone.
        """
        with self.failures_named():
            return self._receive_raw()

    def _receive_raw(self) -> Header:
        header = self.stream.receive_header()
        if header.kind == frames.ERROR:
            raise self._reported(frames.parse_json(read_exactly(self.stream.incoming, header.wire)))
        return header

    def receive_sealed(self, header: Header) -> tuple[bytes, bytes]:
        """Digests and seal of a frame of a sealed kind."""
        with self.failures_named():
            return self.stream.receive_sealed(header)

    def payload(self, header: Header) -> dict[str, Any]:
        with self.failures_named():
            return frames.parse_json(read_exactly(self.stream.incoming, header.wire))

    def counts(self, header: Header, *names: str) -> dict[str, int]:
        """Byte counts out of the payload of a STATUS or EOF frame."""
        return self.checked_counts(self.payload(header), *names)

    def checked_counts(self, message: dict[str, Any], *names: str) -> dict[str, int]:
        with self.failures_named():
            return {name: read_count(message, name) for name in names}

    def receive_json(self, kind: int) -> dict[str, Any]:
        """Like `stream.receive_json`, with the agent's own ERROR raised as what it stands for."""
        try:
            header = self._receive_raw()
            if header.kind != kind:
                raise self.protocol_failure(f"frame of kind {header.kind} instead of {kind}")
            return frames.parse_json(read_exactly(self.stream.incoming, header.wire))
        except ProtocolError as error:
            raise self.protocol_failure(str(error)) from error

    def failures_named(self) -> "_FailuresNamed":
        """A context that turns the stream's own exceptions into errors that name the disk and the worker."""
        return _FailuresNamed(self)

    def interrupted(self) -> TransferInterrupted:
        """Why the stream ended; waits a moment for ssh to say it."""
        code, said = self._connection.last_words()
        reason = f"the {self.assignment.role} {self._host.place} is gone (code {code}). {said}"
        return TransferInterrupted(disk=self.assignment.disk_id, reason=reason.rstrip())

    def protocol_failure(self, text: str) -> TransferError:
        reason = f"the {self.assignment.role} {self._host.place} broke the protocol: {text}"
        return TransferError(disk=self.assignment.disk_id, reason=reason)

    def _reported(self, message: dict[str, Any]) -> CoriolisError:
        disk, kind, text = self.assignment.disk_id, message.get("kind"), str(message.get("message"))
        if kind == "verification":
            with self.failures_named():
                offset, length = read_count(message, "offset"), read_count(message, "length")
            return VerificationFailed(disk=disk, offset=offset, length=length, reason=text)
        self.lost_route = kind == "route closed"
        reason = f"the {self.assignment.role} {self._host.place}: {text}"
        if kind == "fenced":
            return WriterFenced(disk=disk, reason=reason)
        if kind == "unavailable":
            return TransferInterrupted(disk=disk, reason=reason)
        if kind in ("route", "route closed"):
            return RouteFailed(disk=disk, reason=reason)
        return TransferError(disk=disk, reason=reason)

    def close(self) -> None:
        self._connection.end()
        self._host.close()


class _FailuresNamed:
    def __init__(self, process: AgentProcess) -> None:
        self._process = process

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ProtocolError):
            raise self._process.protocol_failure(str(error)) from error
        if isinstance(error, StreamClosedError):
            raise self._process.interrupted() from error
