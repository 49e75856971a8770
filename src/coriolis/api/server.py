"""The embedded server: engine and API in one process, until a signal ends it."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from coriolis.api.app import create_app
from coriolis.config import Settings
from coriolis.engine.service import Engine
from coriolis.errors import InvalidInput

LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE_SECONDS = 5  # for answers under way: short calls, or an inventory that the client can ask for again
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve(settings: Settings, *, announce: Callable[[str], None]) -> int:
    """Returns 0 once SIGTERM or SIGINT has stopped it; running jobs go on at the next start.

    Raises StateDirectoryLocked when another process holds the state directory, InvalidInput when the address
    cannot be listened on.
    """
    _configure_logging(settings)
    engine = Engine(settings)
    with _listen(settings.api.host, settings.api.port) as listener, engine:
        app = create_app(engine.frontdoor, engine.database, settings)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        with _stopped_by_signals(server):
            announce(_url(listener))
            server.run(sockets=[listener])
        LOG.info("stopping; running jobs go on at the next start")
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=128)
    except socket.gaierror as error:
        raise InvalidInput(message=f"Cannot listen on {host}: {error.strerror}.") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InvalidInput(message=f"Cannot listen on {host} port {port}: {reason}.") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it is done; by the default action that would
    end the process before the engine is stopped. The default action is back afterwards: a second signal ends
    a stop that takes too long."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def _configure_logging(settings: Settings) -> None:
    """Of libraries only warnings: at their lower levels some of them log requests with secrets in them."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setLevel(logging.NOTSET)
        handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    root.setLevel(logging.WARNING)
    logging.getLogger("coriolis").setLevel(logging.DEBUG if settings.default.debug else logging.INFO)
