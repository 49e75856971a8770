"""Follows an execution or a deployment until it ends: a live view on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from rich.console import Console

from coriolis.cli.output import duration, size
from coriolis.cli.watch_live import LiveView
from coriolis.cli.watch_state import (
    Watched,
    disk_line,
    failures,
    moved_bytes,
    queue_line,
    scanned_bytes,
)
from coriolis.errors import ServerUnreachable
from coriolis.model.enums import ExecutionStatus, TaskStatus

__all__ = ["Watched", "watch"]

POLL_SECONDS = 1.0  # the engine writes progress once a second a disk
PATIENCE_SECONDS = (
    600.0  # a server that is restarted goes on with its work: wait for it as long as that may take
)
PLAIN_BAR_SECONDS = 5.0  # between two lines about the same disk, where each line stays

_EXIT_CODES = {
    ExecutionStatus.COMPLETED: 0,
    ExecutionStatus.CANCELED: 2,
    ExecutionStatus.CANCELED_FOR_DEBUGGING: 2,
}


class View(Protocol):
    def show(self, watched: Watched) -> None: ...

    def note(self, text: str) -> None: ...


def watch(read: Callable[[], Watched], *, on_stdout: bool, poll_seconds: float = POLL_SECONDS) -> int:
    """Reads until the end and returns the exit code: 0 completed, 1 error, 2 cancelled.

    A server that vanishes meanwhile is waited for. Raises ServerUnreachable when it does not come back, or
    was not there in the first place.
    """
    stream = sys.stdout if on_stdout else sys.stderr
    began = time.monotonic()
    with _view(stream) as view:
        watched = read()
        view.show(watched)
        while not watched.finished:
            time.sleep(poll_seconds)
            watched = _read_again(read, view)
            view.show(watched)
    _conclude(stream, watched, time.monotonic() - began)
    return _EXIT_CODES.get(ExecutionStatus(watched.status), 1)


@contextmanager
def _view(stream: TextIO) -> Iterator[View]:
    console = Console(file=stream)
    if console.is_terminal:
        with LiveView(console) as live:
            yield live
    else:
        yield PlainView(stream)


def _read_again(read: Callable[[], Watched], view: View) -> Watched:
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = False
    while True:
        try:
            return read()
        except ServerUnreachable as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                view.note(f"{error.message}; waiting for it to come back.")
                told = True
            time.sleep(POLL_SECONDS)


@dataclass
class _DiskLine:
    text: str
    at: float


class PlainView:
    """Prints what changed, each line with the time of day; about one disk at most every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = ""
        self._queue = ""
        self._statuses: dict[str, str] = {}
        self._messages: dict[str, str] = {}
        self._disks: dict[tuple[str, str], _DiskLine] = {}
        self._events: set[str] = set()

    def show(self, watched: Watched) -> None:
        if watched.title != self._title:
            self._title = watched.title
            self.note(watched.title)
        if (queue := queue_line(watched)) != self._queue:
            self._queue = queue
            if queue:
                self.note(queue)
        for task in watched.tasks:
            self._task(task)
        self._stream.flush()

    def note(self, text: str) -> None:
        self._stream.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
        self._stream.flush()

    def _task(self, task: dict[str, Any]) -> None:
        name = f"{task['instance']} {task['task_type']}"
        before = self._statuses.get(task["id"])
        self._statuses[task["id"]] = task["status"]
        ended = task["status"] == TaskStatus.COMPLETED
        quiet = before is None and task["status"] in (TaskStatus.SCHEDULED, TaskStatus.PENDING)
        if task["status"] != before and not ended and not quiet:
            self.note(f"{name}: {task['status']}")
        for event in task["events"]:
            if event["id"] not in self._events:
                self._events.add(event["id"])
                self.note(f"{name}: {event['level']}: {event['message']}")
        for update in task["progress_updates"]:
            self._progress(name, task["id"], update, force=ended and before != task["status"])
        if ended and task["status"] != before:
            self.note(f"{name}: {task['status']}")

    def _progress(self, name: str, task_id: str, update: dict[str, Any], *, force: bool) -> None:
        if not update.get("disk_id"):
            if self._messages.get(update["id"]) != update["message"]:
                self._messages[update["id"]] = update["message"]
                self.note(f"{name}: {update['message']}")
            return
        key, text, now = (task_id, update["disk_id"]), disk_line(update), time.monotonic()
        last = self._disks.get(key)
        if last is None or (text != last.text and (force or now - last.at >= PLAIN_BAR_SECONDS)):
            self._disks[key] = _DiskLine(text, now)
            self.note(f"{name}: {text}")


def _conclude(stream: TextIO, watched: Watched, seconds: float) -> None:
    scanned, moved = scanned_bytes(watched), moved_bytes(watched)
    copied = f"; {size(scanned)} compared, {size(moved)} moved" if scanned else ""
    for line in failures(watched):
        stream.write(f"{line}\n")
    stream.write(f"{watched.title}: {watched.status} after {duration(seconds)} of watching{copied}\n")
    stream.flush()
