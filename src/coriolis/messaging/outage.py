"""One line when the broker is lost and one when it is back, where its library logs every attempt of every thread."""

import logging
import threading
import time

LOG = logging.getLogger(__name__)
_REMIND_SECONDS = 600.0  # of an outage that lasts
_LIBRARY = (
    "oslo.messaging._drivers.impl_rabbit",
    "oslo.messaging._drivers.amqpdriver",
    "oslo.messaging._drivers.pool",
)
_SILENT = "oslo_messaging.notify.messaging"  # logs each payload that could not be sent


class Outage(logging.Filter):
    """Thread-safe. As a filter of the library's loggers it keeps their lines out of the log, and learns from them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._told_at: float | None = None

    def install(self) -> None:
        for name in _LIBRARY:
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)  # of which one line says that a connection is back
            logger.addFilter(self)
        logging.getLogger(_SILENT).setLevel(logging.CRITICAL)

    def remove(self) -> None:
        for name in _LIBRARY:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            self.began(record.getMessage())
        elif "Reconnected" in record.getMessage():
            self.ended()
        return False

    def began(self, reason: str) -> None:
        now = time.monotonic()
        with self._lock:
            if self._told_at is not None and now - self._told_at < _REMIND_SECONDS:
                return
            self._told_at = now
        LOG.warning("the message broker cannot be used; work goes on without it: %s", reason)

    def ended(self) -> None:
        with self._lock:
            if self._told_at is None:
                return
            self._told_at = None
        LOG.info("the message broker can be used again")
