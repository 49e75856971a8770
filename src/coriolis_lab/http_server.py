"""An ASGI application served from a thread of this process, for both cloud fronts."""

import asyncio
import socket
import threading
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_START_SECONDS = 20.0  # a busy two-core machine needs a second; beyond this something is wrong


class TrackedProtocol(H11Protocol):
    """Tells the application the transport (`scope["state"]["transport"]`), so that a fault can cut the
    connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class ServerThread:
    """Serves `app` on 127.0.0.1, on `port` or (0) on a free one; `port` tells which after the constructor.

    With `ssl_certfile` and `ssl_keyfile` it speaks TLS.
    """

    def __init__(
        self, app: Any, port: int = 0, *, ssl_certfile: str | None = None, ssl_keyfile: str | None = None
    ) -> None:
        # asyncio turns Nagle's algorithm off only where the protocol is named: without it every answer takes
        # 40 ms longer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=TrackedProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name=f"http-{self.port}", daemon=True
        )

    def start(self) -> None:
        """Returns when connections are answered. Raises RuntimeError when that does not come about."""
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError(f"no HTTP server on port {self.port} after {_START_SECONDS:g} s")
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()
