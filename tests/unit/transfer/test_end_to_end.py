"""The books of a connection that does not pass the conductor, with agents on paper."""

import threading
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coriolis.agent import frames
from coriolis.agent.frames import Header
from coriolis.agent.pipes import StreamClosedError
from coriolis.errors import RouteFailed, TransferError, TransferInterrupted
from coriolis.transfer.agent_process import AgentProcess
from coriolis.transfer.end_to_end import EndToEnd
from coriolis.transfer.introduction import Introduction
from coriolis.transfer.limits import Limiter, Limits
from coriolis.transfer.manifest import Draft
from coriolis.transfer.route import End, RouteWish, choose_route

WINDOW = 1 << 25
SUMMARY = {"scanned": 9, "read": 9, "moved": 0, "zero": 9, "unchanged": 0, "wire": 77, "root": "root"}


class PaperAgent:
    """Says what it was given, then ends with an error or stays silent; keeps what it was told."""

    def __init__(self, *says: Header | Exception, lost_route: bool = False) -> None:
        self.says = deque(says)
        self.told: list[bytes] = []
        self.lost_route = lost_route
        self.deaf = False
        self.assignment = SimpleNamespace(disk_id="disk-1")
        self.stream = self
        self.seal_key = b""
        self.more = threading.Event()

    def send(self, frame: bytes) -> None:
        if self.deaf:
            raise StreamClosedError("gone")
        self.told.append(frame)

    def wait_readable(self, check: Any, deadline: float | None = None) -> None:
        del deadline
        check()

    def receive(self) -> Header:
        if not self.says:
            self.more.wait()
        said = self.says.popleft()
        if isinstance(said, Exception):
            raise said
        return said

    def receive_sealed(self, header: Header) -> tuple[bytes, bytes]:
        del header
        return b"", b""

    def payload(self, header: Header) -> dict[str, Any]:
        del header
        return SUMMARY

    def checked_counts(self, message: dict[str, Any], *names: str) -> dict[str, int]:
        return {name: message[name] for name in names}

    def protocol_failure(self, text: str) -> TransferError:
        return TransferError(disk="disk-1", reason=text)


class PaperDraft:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))

    def root(self) -> str:
        return "root"


def frame(kind: int, **fields: int) -> Header:
    return Header(kind, 0, 0, 0, 0, 0, 0)._replace(**fields)


EOF = frame(frames.EOF)


def exchange(reader: PaperAgent, writer: PaperAgent, draft: PaperDraft | None = None) -> EndToEnd:
    ends = cast("AgentProcess", reader), cast("AgentProcess", writer)
    books = cast("Draft", draft or PaperDraft())
    return EndToEnd(*ends, books, lambda scanned, moved: None, Limiter(Limits()), splice=None)


def test_windows_are_noted_before_they_are_granted_and_left_in_order() -> None:
    windows = [frame(frames.EXPECT, offset=n * WINDOW, raw=WINDOW) for n in range(3)]
    reader, draft = PaperAgent(*windows, EOF), PaperDraft()
    totals = exchange(reader, PaperAgent(EOF), draft).run(lambda: None)
    assert totals.wire == 77
    assert draft.calls == [
        ("expect", 0, WINDOW),
        ("expect", WINDOW, WINDOW),
        ("expect", 2 * WINDOW, WINDOW),
        ("passed", 0, WINDOW),
    ]
    assert reader.told == [window._replace(kind=frames.ACK).pack() for window in windows]


@pytest.mark.parametrize("order", [("place", "answer"), ("answer", "place")])
def test_a_barrier_counts_once_its_place_is_known(order: tuple[str, str]) -> None:
    draft = PaperDraft()
    books = exchange(PaperAgent(), PaperAgent(), draft)
    for what in order:
        if what == "place":
            books._note(frame(frames.BARRIER, seq=1))
        else:
            books._durable(1)
    assert draft.calls == [("barrier", 1), ("durable", 1)]


def test_a_reader_that_has_ended_well_need_not_be_told() -> None:
    reader = PaperAgent(frame(frames.EXPECT, offset=0, raw=WINDOW), EOF)
    reader.deaf = True
    exchange(reader, PaperAgent(EOF)).run(lambda: None)


def lost() -> RouteFailed:
    return RouteFailed(disk="disk-1", reason="the data connection ended")


@pytest.mark.parametrize(
    ("reader", "writer", "raised"),
    [
        (PaperAgent(lost(), lost_route=True), PaperAgent(TransferInterrupted(disk="d", reason="w")), "w"),
        (PaperAgent(TransferInterrupted(disk="d", reason="r")), PaperAgent(lost(), lost_route=True), "r"),
        (PaperAgent(lost(), lost_route=True), PaperAgent(TransferError(disk="d", reason="bad")), "bad"),
        (
            PaperAgent(lost(), lost_route=True),
            PaperAgent(lost(), lost_route=True),
            "the connection between the workers broke",
        ),
    ],
)
def test_the_end_that_knows_why_is_believed(reader: PaperAgent, writer: PaperAgent, raised: str) -> None:
    with pytest.raises(TransferError, match=raised):
        exchange(reader, writer).run(lambda: None)


def test_a_worker_without_tls() -> None:
    introductions = [Introduction("/dev/vdb", ("none",), {}, 2, tls) for tls in (True, False)]
    agents = [
        SimpleNamespace(address=name, is_local=False, assignment=SimpleNamespace(disk_id="disk-1"))
        for name in ("a", "b")
    ]
    reader, writer = (End(cast("AgentProcess", a), i) for a, i in zip(agents, introductions, strict=True))
    limiter = Limiter(Limits())
    with choose_route(RouteWish("auto"), reader, writer, limiter, lambda: None) as route:
        assert (route.kind, route.why_not) == ("ssh", "the worker at b has no TLS 1.3")
    with pytest.raises(RouteFailed, match=r"\[transfer\] route is tls, and the worker at b has no TLS 1.3"):
        choose_route(RouteWish("tls"), reader, writer, limiter, lambda: None)
