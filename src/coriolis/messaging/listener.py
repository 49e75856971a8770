"""Hearing, in a conductor: "look now" of everybody, and questions for the regions that it works for."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging

from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import CONDUCTORS, Transport, region_topic

LOG = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
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
        self._regions: dict[str, oslo_messaging.MessageHandlingServer] = {}
        self._wake_ups = self._open(CONDUCTORS, _WakeUps(look_now))

    def serve(self, regions: frozenset[str]) -> None:
        """From now on questions for these regions (ids) are heard, and no others."""
        with self._lock:
            for region in regions - self._regions.keys():
                self._regions[region] = self._open(region_topic(region), _Questions(self._answer))
            for region in self._regions.keys() - regions:
                self._close(self._regions.pop(region))

    def stop(self) -> None:
        self.serve(frozenset())
        self._close(self._wake_ups)

    def _open(self, topic: str, endpoint: object) -> oslo_messaging.MessageHandlingServer:
        target = oslo_messaging.Target(topic=topic, server=self._name)
        server = oslo_messaging.get_rpc_server(self._transport.rpc, target, [endpoint])

        def start() -> None:
            server.start()
            self._outage.ended()

        threading.Thread(target=start, name=f"listen-{topic}", daemon=True).start()
        return server

    def _close(self, server: oslo_messaging.MessageHandlingServer) -> None:
        """Not waited for while the broker is away: it has forgotten the queue by itself."""

        def close() -> None:
            server.stop()
            server.wait()

        closing = threading.Thread(target=close, name="stop-listening", daemon=True)
        closing.start()
        closing.join(_STOP_SECONDS)
