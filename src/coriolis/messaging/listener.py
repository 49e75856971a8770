"""Hearing, in a conductor: "look now" of everybody, and questions for the regions that it works for."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging

from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import CONDUCTORS, Transport, region_topic

LOG = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
_RETRY_SECONDS = 5.0
Message = Mapping[str, Any]


class _WakeUps:
    def __init__(self, look_now: Callable[[], None]) -> None:
        self._look_now = look_now

    def look_now(self, _context: Mapping[str, Any]) -> None:
        self._look_now()


class _Questions:
    def __init__(self, answer: Callable[[Message], Message]) -> None:
        self._answer = answer

    def inventory(self, _context: Mapping[str, Any], question: Message) -> Message:
        return self._answer(question)


class _Hearing:
    """One topic. The library connects again by itself, but its first attempt gives up for good where the broker
    refuses (users and virtual hosts may come later than we do), and cannot be stopped where nobody listens: so
    it begins when somebody does."""

    def __init__(self, transport: Transport, outage: Outage, topic: str, name: str, endpoint: object) -> None:
        self._transport = transport
        self._outage = outage
        self._target = oslo_messaging.Target(topic=topic, server=name)
        self._endpoint = endpoint
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listen-{topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        server = self._start()
        if server is None:
            return
        self._outage.ended()
        self._stopping.wait()
        server.stop()
        server.wait()

    def _start(self) -> oslo_messaging.MessageHandlingServer | None:
        while not self._stopping.is_set():
            server = oslo_messaging.get_rpc_server(self._transport.rpc, self._target, [self._endpoint])
            try:
                self._transport.require_broker()
                server.start()
            except Exception as error:  # noqa: BLE001 -- of the library's and of two libraries below it
                self._outage.began(str(error))
                self._stopping.wait(_RETRY_SECONDS)
            else:
                return server
        return None


class Listener:
    """Connects, and connects again, in threads of its own: a broker that is away holds nothing up."""

    def __init__(
        self,
        transport: Transport,
        outage: Outage,
        *,
        name: str,
        look_now: Callable[[], None],
        answer: Callable[[Message], Message],
    ) -> None:
        """`name`: of this process, no other's."""
        self._transport = transport
        self._outage = outage
        self._name = name
        self._answer = answer
        self._lock = threading.Lock()
        self._regions: dict[str, _Hearing] = {}
        self._wake_ups = self._hear(CONDUCTORS, _WakeUps(look_now))

    def serve(self, regions: frozenset[str]) -> None:
        """From now on questions for these regions (ids) are heard, and no others."""
        with self._lock:
            for region in regions - self._regions.keys():
                self._regions[region] = self._hear(region_topic(region), _Questions(self._answer))
            for region in self._regions.keys() - regions:
                self._regions.pop(region).stop()

    def stop(self) -> None:
        with self._lock:
            heard = [self._wake_ups, *self._regions.values()]
        for hearing in heard:
            hearing.stop()
        # A few seconds at most: while the broker is away nothing is left to be stopped there.
        deadline = time.monotonic() + _STOP_SECONDS
        for hearing in heard:
            hearing.wait(max(deadline - time.monotonic(), 0))

    def _hear(self, topic: str, endpoint: object) -> _Hearing:
        return _Hearing(self._transport, self._outage, topic, self._name, endpoint)
