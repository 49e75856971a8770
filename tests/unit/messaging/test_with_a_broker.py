"""What only a real RabbitMQ refuses."""

import logging
import threading
from collections.abc import Callable

import pytest

from coriolis.config import Settings
from coriolis.messaging.listener import Listener
from coriolis.messaging.messenger import Messenger
from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import Transport
from coriolis.model.secret import Secret
from tests.services.rabbitmq import RabbitMq

SECONDS = 120


def _until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(SECONDS * 5):
        if condition():
            return
        waiting.wait(0.2)
    raise AssertionError(f"not within {SECONDS} s")


def test_a_virtual_host_that_comes_later_is_found(
    rabbitmq: RabbitMq, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    url = rabbitmq.url_of("later")
    settings = Settings.model_validate({"messaging": {"transport_url": url, "call_timeout": 20}})
    transport, outage, awake = Transport(settings.messaging, Secret(url)), Outage(), threading.Event()
    outage.install()
    listener = Listener(
        transport, outage, name="h1", look_now=awake.set, answer=lambda question: {"result": question}
    )
    listener.serve(frozenset({"r1"}))
    _until(lambda: "the message broker cannot be used" in caplog.text)
    rabbitmq.add_vhost("later")
    _until(lambda: "the message broker can be used again" in caplog.text)
    messenger = Messenger(transport, settings, outage)
    messenger.start()

    def woken() -> bool:
        messenger.wake_conductors()
        return awake.wait(1)

    _until(woken)
    assert messenger.ask("r1", "eu", {"operation": "x"}) == {"result": {"operation": "x"}}
    listener.stop()
    messenger.stop()
    transport.close()
    outage.remove()
    assert rabbitmq.password not in caplog.text
