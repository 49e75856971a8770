"""A client of QEMU's monitor protocol (QMP) on a unix socket."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coriolis_lab.hypervisor.api import HypervisorError

_Found = TypeVar("_Found")

_KEPT_EVENTS = 500
_CONNECT_SECONDS = 30.0
COMMAND_SECONDS = (
    60.0  # a busy host may keep QEMU's main loop waiting for long; none takes this long by itself
)


@dataclass(frozen=True)
class QmpEvent:
    """`number` counts up from 1 in the order of arrival."""

    number: int
    name: str
    data: Mapping[str, Any]


class QmpClient:
    """Commands from any thread, one at a time. A thread gathers events and calls `on_event` for each."""

    def __init__(self, path: Path, on_event: Callable[[QmpEvent], None], alive: Callable[[], bool]) -> None:
        self._socket = _connect(path, alive)
        self._stream = self._socket.makefile("rb")
        self._on_event = on_event
        self._changed = threading.Condition()
        self._command_lock = threading.Lock()
        self._events: deque[QmpEvent] = deque(maxlen=_KEPT_EVENTS)
        self._event_count = 0
        self._replies: dict[int, Mapping[str, Any]] = {}
        self._command_count = 0
        self._closed = False
        threading.Thread(target=self._read, name=f"qmp {path.parent.name}", daemon=True).start()
        self.execute("qmp_capabilities")

    def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = COMMAND_SECONDS
    ) -> Any:
        """The command's return value; HypervisorError with QEMU's own words when it refuses."""
        with self._command_lock:
            self._command_count += 1
            number = self._command_count
            request = {"execute": command, "id": number, "arguments": dict(arguments or {})}
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise HypervisorError(f"{command}: QEMU is gone ({error})") from error
            reply = self._await(lambda: self._replies.pop(number, None), timeout)
        if reply is None:
            raise HypervisorError(
                f"{command}: " + ("QEMU is gone" if self._closed else f"no answer in {timeout:g} s")
            )
        if "error" in reply:
            raise HypervisorError(f"{command}: {reply['error'].get('desc', reply['error'])}")
        return reply["return"]

    def human(self, command_line: str) -> str:
        """A command of the human monitor, for what QMP lacks. Its answer is empty when all is well."""
        return str(self.execute("human-monitor-command", {"command-line": command_line})).strip()

    def mark(self) -> int:
        """The number of the newest event: take it before the command whose event `wait_event` shall see."""
        with self._changed:
            return self._event_count

    def wait_event(self, name: str, match: Mapping[str, Any], since: int, timeout: float) -> QmpEvent | None:
        """The first event after `since` whose data hold all of `match`; None after `timeout` seconds."""

        def find() -> QmpEvent | None:
            for event in self._events:
                fits = event.number > since and event.name == name
                if fits and match.items() <= event.data.items():
                    return event
            return None

        return self._await(find, timeout)

    def close(self) -> None:
        # without the shutdown the reader thread would keep the connection open
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._closed = True

    def _await(self, find: Callable[[], _Found | None], timeout: float) -> _Found | None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := find()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return find()
                self._changed.wait(left)
            return found

    def _read(self) -> None:
        try:
            for line in self._stream:
                self._take(json.loads(line))
        except OSError:
            pass  # QEMU ended: what follows wakes up whoever waits
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._stream.close()
            self._socket.close()

    def _take(self, message: Mapping[str, Any]) -> None:
        event = None
        with self._changed:
            if "event" in message:
                self._event_count += 1
                event = QmpEvent(self._event_count, message["event"], message.get("data", {}))
                self._events.append(event)
            elif "id" in message:
                self._replies[message["id"]] = message
            self._changed.notify_all()
        if event:
            self._on_event(event)


def _connect(path: Path, alive: Callable[[], bool]) -> socket.socket:
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if not alive():
                raise HypervisorError("QEMU ended before its monitor answered") from error
            if time.monotonic() > deadline:
                raise HypervisorError(
                    f"QEMU's monitor {path} did not answer in {_CONNECT_SECONDS:g} s"
                ) from error
            time.sleep(0.02)
        else:
            return connection
