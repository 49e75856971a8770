"""A broker that is not there costs nobody any time, and the log one line. With one: tests/distributed."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from coriolis.config import MessagingSection, Settings
from coriolis.errors import BrokerUnavailable, InvalidInput
from coriolis.messaging.listener import Listener
from coriolis.messaging.messenger import Messenger
from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import Transport
from coriolis.model.secret import Secret
from tests.services.server import free_port

PASSWORD = "correct horse"


@pytest.fixture
def settings() -> Settings:
    url = f"rabbit://coriolis:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{free_port()}/v"
    return Settings.model_validate(
        {"messaging": {"transport_url": url, "call_timeout": 5, "notification_topics": "n"}}
    )


@pytest.fixture
def transport(settings: Settings) -> Iterator[Transport]:
    assert settings.messaging.transport_url is not None
    transport = Transport(settings.messaging, settings.messaging.transport_url)
    yield transport
    transport.close()


@pytest.fixture
def outage() -> Iterator[Outage]:
    outage = Outage()
    outage.install()
    yield outage
    outage.remove()


@pytest.fixture
def messenger(transport: Transport, settings: Settings, outage: Outage) -> Iterator[Messenger]:
    messenger = Messenger(transport, settings, outage)
    messenger.start()
    yield messenger
    messenger.stop()


def test_importing_it_patches_nothing() -> None:
    program = """
import select, socket, threading, time
before = [socket.socket, threading.Thread, threading.Lock, threading.current_thread, time.sleep, select.select]
import coriolis.messaging.messenger, coriolis.messaging.listener
after = [socket.socket, threading.Thread, threading.Lock, threading.current_thread, time.sleep, select.select]
assert before == after
from oslo_service import backend
assert backend.get_backend_type() is backend.BackendType.THREADING
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "kafka://host/", "rabbit://", "rabbit://u:correct%20horse@h:port/"]
)
def test_a_url_that_is_none_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"\[messaging\] transport_url") as refused:
        Transport(MessagingSection(), Secret(url))
    assert "correct" not in str(refused.value)


def test_nobody_waits_for_it(messenger: Messenger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    composed = threading.Event()

    def compose() -> tuple[str, dict[str, str]]:
        composed.set()
        return "transfer.execution.start", {"note": "payload of a notification"}

    began = time.monotonic()
    for _ in range(200):
        messenger.wake_conductors()
        messenger.notify(compose)
    assert time.monotonic() - began < 5  # of 400 calls; one attempt to connect alone may take as long
    assert composed.wait(30)
    with pytest.raises(BrokerUnavailable) as refused:
        messenger.ask("region", "eu", {"operation": "list_networks"})
    assert PASSWORD not in str(refused.value)
    messenger.stop()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1, told
    assert "the message broker cannot be used" in told[0]
    assert PASSWORD not in caplog.text
    assert "payload of a notification" not in caplog.text


def test_more_letters_than_wait_are_dropped(
    transport: Transport, settings: Settings, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    messenger = Messenger(transport, settings, outage)  # nobody sends
    for _ in range(5000):
        messenger.notify(lambda: ("event", {}))
    messenger.wake_conductors()
    assert [record.getMessage() for record in caplog.records if "others are dropped" in record.getMessage()]


def test_a_listener_starts_and_stops_without_it(transport: Transport, outage: Outage) -> None:
    others = set(threading.enumerate())
    listener = Listener(transport, outage, name="h1", look_now=lambda: None, answer=lambda question: question)
    began = time.monotonic()
    listener.serve(frozenset({"r1", "r2"}))
    listener.serve(frozenset({"r2"}))
    listener.stop()
    assert time.monotonic() - began < 60
    for thread in set(threading.enumerate()) - others:
        thread.join(10)
        assert not thread.is_alive(), thread.name


def test_an_outage_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage()  # on a logger of its own: a broker that stopped may still be spoken of on the library's
    library = logging.getLogger("tests.library")
    library.addFilter(outage)
    for _ in range(2):
        for _ in range(20):
            library.error("[%s] AMQP server on h:1 is unreachable", "id")
            outage.began("no route")
        library.info("[%s] Reconnected to AMQP server on h:1", "id")
        outage.ended()
    told = [record.getMessage() for record in caplog.records]
    began = (
        "the message broker cannot be used; work goes on without it: [id] AMQP server on h:1 is unreachable"
    )
    assert told == [began, "the message broker can be used again"] * 2
