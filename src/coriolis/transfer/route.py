"""The way that a disk's bytes take, chosen when the workers are there.

tls     TLS 1.3 between the two workers; both listen, this process dials them and splices ciphertext
direct  the same session over a connection that the source worker dials itself; tls while bandwidth is limited
ssh     through the two SSH sessions, which always are there; this process decrypts and encrypts
local   both agents run on this conductor: through pipes
auto    tls where both ports can be reached, else ssh
"""

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from coriolis.agent import meeting
from coriolis.closing import Closing
from coriolis.errors import RouteFailed
from coriolis.transfer.agent_process import AgentProcess, Check
from coriolis.transfer.certificates import RunAuthority
from coriolis.transfer.end_to_end import EndToEnd
from coriolis.transfer.exchange import Exchange
from coriolis.transfer.introduction import Introduction
from coriolis.transfer.limits import Limiter
from coriolis.transfer.manifest import Draft
from coriolis.transfer.relay import Relay
from coriolis.transfer.splice import Splice

DIAL_SECONDS = 1.0
"""For a connection from here to a worker: a filtered port does not say no, and the SSH route waits."""

DIRECT_DIAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RouteWish:
    """`ports`: first and last one that a worker may listen on; 0, 0 for any."""

    kind: str = "auto"
    ports: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class End:
    process: AgentProcess
    introduction: Introduction


class _UnavailableError(Exception):
    """Why the wished route cannot be taken."""


class Route(Closing):
    """Use as a context manager. `kind`: the route taken; `why_not`: what stood in the way of a better one."""

    def __init__(
        self, kind: str, reader: AgentProcess, writer: AgentProcess, limiter: Limiter, *, why_not: str = ""
    ) -> None:
        self.kind = kind
        self.why_not = why_not
        self._reader = reader
        self._writer = writer
        self._limiter = limiter
        self._splice: Splice | None = None

    @property
    def is_relayed(self) -> bool:
        """Payloads go where headers and digests go."""
        return self.kind in ("ssh", "local")

    def spliced(self, source: socket.socket, destination: socket.socket) -> Self:
        self._splice = Splice(source, destination, self._limiter)
        return self

    def exchange(self, draft: Draft, progress: Callable[[int, int], None]) -> Exchange:
        if self.is_relayed:
            return Relay(self._reader, self._writer, draft, progress, self._limiter)
        return EndToEnd(self._reader, self._writer, draft, progress, self._limiter, splice=self._splice)

    def close(self) -> None:
        if self._splice is not None:
            self._splice.close()


def choose_route(wish: RouteWish, reader: End, writer: End, limiter: Limiter, check: Check) -> Route:
    """The agents have introduced themselves and not begun. Raises RouteFailed where no other than the wished
    route will do, and what the agents report.
    """
    ends = (reader.process, writer.process)
    if all(end.is_local for end in ends):
        return Route("local", *ends, limiter)
    if wish.kind == "ssh":
        return Route("ssh", *ends, limiter)
    # Only what passes this process can be held up by it; and a worker does not reach a writer here.
    is_direct = wish.kind == "direct" and not limiter.limits_wire and not writer.process.is_local
    make = _direct if is_direct else _spliced
    try:
        _require_tls(reader, writer)
        return make(wish, ends, limiter, check)
    except _UnavailableError as error:
        if wish.kind != "auto":
            reason = f"[transfer] route is {wish.kind}, and {error}."
            raise RouteFailed(disk=reader.process.assignment.disk_id, reason=reason) from error
        return Route("ssh", *ends, limiter, why_not=str(error))


def _require_tls(*ends: End) -> None:
    for end in ends:
        if not end.introduction.tls:
            raise _UnavailableError(f"the worker at {end.process.address} has no TLS 1.3")


class _Invitations:
    """What the two agents of one run are told: who they are, and cookies for each port."""

    def __init__(self, wish: RouteWish, check: Check) -> None:
        authority = RunAuthority()
        self._identities = {"reader": authority.reader(), "writer": authority.writer()}
        self._wish = wish
        self._check = check

    def listen(self, agent: AgentProcess) -> tuple[int, bytes, bytes]:
        """The port and the cookies for it."""
        knock, answer = (secrets.token_bytes(meeting.COOKIE_BYTES) for _ in range(2))
        port = self._ask(agent, knock, answer, ports=list(self._wish.ports)).get("port")
        if not isinstance(port, int) or not 0 < port < 65536:
            raise agent.protocol_failure(f"it listens on port {port!r}")
        return port, knock, answer

    def dial(self, agent: AgentProcess, address: str, port: int, cookies: tuple[bytes, bytes]) -> None:
        self._ask(agent, *cookies, dial=[address, port], seconds=DIRECT_DIAL_SECONDS)

    def _ask(self, agent: AgentProcess, knock: bytes, answer: bytes, **wish: Any) -> dict[str, Any]:
        identity = self._identities[agent.assignment.role]._asdict()
        said = agent.arrange(self._check, **identity, **wish, knock=knock.hex(), answer=answer.hex())
        if "refused" in said:
            raise _UnavailableError(f"the worker at {agent.address} says: {said['refused']}")
        return said


def _direct(
    wish: RouteWish, ends: tuple[AgentProcess, AgentProcess], limiter: Limiter, check: Check
) -> Route:
    reader, writer = ends
    invitations = _Invitations(wish, check)
    port, *cookies = invitations.listen(writer)
    invitations.dial(reader, writer.address, port, (cookies[0], cookies[1]))
    return Route("direct", reader, writer, limiter)


def _spliced(
    wish: RouteWish, ends: tuple[AgentProcess, AgentProcess], limiter: Limiter, check: Check
) -> Route:
    """Both are asked before either is dialled, so that a failure costs one time-out at most."""
    invitations = _Invitations(wish, check)
    places = [(end.address, *invitations.listen(end)) for end in ends]
    source = _dialled(*places[0])
    try:
        destination = _dialled(*places[1])
    except _UnavailableError:
        source.close()
        raise
    return Route("tls", *ends, limiter).spliced(source, destination)


def _dialled(address: str, port: int, knock: bytes, answer: bytes) -> socket.socket:
    try:
        return meeting.dial(address, port, knock, answer, DIAL_SECONDS)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno) if error.errno else str(error)
        raise _UnavailableError(f"port {port} of {address} cannot be reached from here: {reason}") from error
