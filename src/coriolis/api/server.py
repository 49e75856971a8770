"""The API as a process: it listens until a signal ends it. Whether it runs jobs as well is its role."""

import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from coriolis import logs
from coriolis.api.app import create_app
from coriolis.config import Settings
from coriolis.engine.service import SERVE, Engine, Role
from coriolis.errors import InvalidInput

LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE_SECONDS = 5  # for answers under way: short calls, or an inventory that the client can ask for again


def serve(settings: Settings, *, announce: Callable[[str], None], role: Role = SERVE) -> int:
    """Returns 0 once SIGTERM or SIGINT has stopped it; running jobs go on at the next start.

    Raises StateDirectoryLocked when another process holds the state directory, InvalidInput when the address
    cannot be listened on, and what `Engine` raises.
    """
    logs.configure(settings)
    address = _address(settings)
    engine = Engine(settings, role=role)
    with _listen(address) as listener, engine:
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


def _address(settings: Settings) -> tuple[str, int]:
    """Numeric. Raises InvalidInput where everybody could do everything from everywhere."""
    host, port = settings.api.host, settings.api.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise InvalidInput(message=f"Cannot listen on {host}: {error.strerror}.") from error
    numeric = str(found[0][4][0])
    guarded = settings.keystone_authtoken.auth_url or settings.api.allow_unauthenticated
    if not guarded and not ipaddress.ip_address(numeric.partition("%")[0]).is_loopback:
        raise InvalidInput(
            message=f"Without [keystone_authtoken] there is no authentication, so {host} is not listened on: give a "
            "loopback address, a Keystone, or [api] allow_unauthenticated = true."
        )
    return numeric, port


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(address, family=family, backlog=128)
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
