"""Sending: nobody waits for the broker who does not ask for an answer."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging

from coriolis.config import Settings
from coriolis.errors import BrokerUnavailable, ConductorSilent, CoriolisError
from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import CONDUCTORS, Transport, region_topic

LOG = logging.getLogger(__name__)
_WAITING = 1000  # letters; with a broker that is down each takes milliseconds, so more of them is a flood
_STOP_SECONDS = 5.0
Message = Mapping[str, Any]
Letter = Callable[[], None]


class Messenger:
    """Thread-safe. Letters are sent one by one in a thread of their own, each tried once."""

    def __init__(self, transport: Transport, settings: Settings, outage: Outage) -> None:
        self._transport = transport
        self._outage = outage
        self._call_timeout = settings.messaging.call_timeout
        self._wakes = oslo_messaging.get_rpc_client(
            transport.rpc, oslo_messaging.Target(topic=CONDUCTORS, fanout=True), retry=0
        )
        self._topics = list(settings.messaging.notification_topics)
        self._notifier = oslo_messaging.Notifier(
            transport.notification,
            publisher_id=f"coriolis.{settings.host_name}",
            driver="messagingv2",
            topics=self._topics,
            retry=0,
        )
        self._letters: queue.Queue[Letter | None] = queue.Queue(_WAITING)
        self._waking = threading.Event()
        self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends what waits, for a few seconds at most."""
        self._post(None)
        self._thread.join(_STOP_SECONDS)

    def wake_conductors(self) -> None:
        """Something was queued or wished: look now. One letter says it for all that happened until it is sent."""
        if not self._waking.is_set():
            self._waking.set()
            if not self._post(self._send_wake):
                self._waking.clear()

    def notify(self, compose: Callable[[], tuple[str, Message]], *, error: bool = False) -> None:
        """Sends a notification of the event type and payload that `compose` gives, in the messenger's thread. Does
        nothing where no topic is set."""
        if self._topics:
            self._post(lambda: self._send_notification(compose, error))

    def ask(self, region_id: str, region: str, question: Message) -> Message:
        """The answer of one of the region's conductors; `region` is its name. Raises BrokerUnavailable,
        ConductorSilent."""
        self._transport.require_broker()
        answers: queue.SimpleQueue[Message | CoriolisError] = queue.SimpleQueue()
        # The library's first call waits for ever for a broker that goes away just now; ours does not.
        call = threading.Thread(
            target=lambda: answers.put(self._call(region_id, region, question)),
            name="inventory-call",
            daemon=True,
        )
        call.start()
        try:
            told = answers.get(timeout=self._call_timeout + 1)
        except queue.Empty:
            raise BrokerUnavailable(reason=f"no answer within {self._call_timeout:g} s") from None
        if isinstance(told, CoriolisError):
            raise told
        return told

    def _call(self, region_id: str, region: str, question: Message) -> Message | CoriolisError:
        target = oslo_messaging.Target(topic=region_topic(region_id))
        client = oslo_messaging.get_rpc_client(
            self._transport.rpc, target, timeout=self._call_timeout, retry=0
        )
        try:
            told: Message = client.call({}, "inventory", question=question)
        except oslo_messaging.MessagingTimeout:
            return ConductorSilent(region=region, seconds=self._call_timeout)
        except Exception as error:  # noqa: BLE001 -- of the library's and of two libraries below it
            return BrokerUnavailable(reason=str(error))
        return told

    def _post(self, letter: Letter | None) -> bool:
        try:
            self._letters.put_nowait(letter)
        except queue.Full:
            self._outage.began(f"{_WAITING} messages wait to be sent, others are dropped")
            return False
        return True

    def _run(self) -> None:
        while (letter := self._letters.get()) is not None:
            try:
                letter()
            except Exception as error:  # noqa: BLE001 -- of the library's and of two libraries below it
                self._outage.began(str(error))

    def _send_wake(self) -> None:
        self._waking.clear()
        self._wakes.cast({}, "look_now")
        self._outage.ended()

    def _send_notification(self, compose: Callable[[], tuple[str, Message]], error: bool) -> None:
        event_type, payload = compose()
        send = self._notifier.error if error else self._notifier.info
        send({}, event_type, dict(payload))
