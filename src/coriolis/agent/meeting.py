"""How an agent gets its data connection: it listens, or dials the other agent.

Whoever connects shows a cookie that both sides were given through their SSH sessions and gets another one
back. That tells the right process from whatever else listens or knocks at an address behind a translation;
it is no protection, which TLS is.
"""

import contextlib
import hmac
import random
import socket
import sys
import threading
from typing import Any, Dict, List, Optional

from coriolis.agent import tls
from coriolis.agent.frames import ProtocolError
from coriolis.agent.tls import Identity, RouteError, TlsStream

COOKIE_BYTES = 32
_COOKIE_SECONDS = 5.0
_ARRIVAL_SECONDS = 30.0
_PORT_ATTEMPTS = 64


class Listener:
    """Listens on a port of [low, high] (0, 0: any) and keeps the first connection that shows the cookie."""

    def __init__(self, address: str, ports: List[int], knock: bytes, answer: bytes) -> None:
        """Raises RouteError where no port of the range is free."""
        self._socket = _bound(address, ports)
        self._socket.listen(8)
        self._knock = knock
        self._answer = answer
        self._arrived = threading.Event()
        self._connection: Optional[socket.socket] = None
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._welcome, daemon=True).start()

    def _welcome(self) -> None:
        while self._connection is None:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed meanwhile: another route was taken
                return
            if _is_expected(connection, self._knock, self._answer):
                self._connection = connection
            else:
                connection.close()
        self._socket.close()  # before anybody goes on with the one that came: the port is free then
        self._arrived.set()

    def connection(self) -> socket.socket:
        """Raises RouteError where nobody has come."""
        self._arrived.wait(_ARRIVAL_SECONDS)
        if self._connection is None:
            raise RouteError(f"nobody connected to port {self.port}")
        return self._connection

    def close(self) -> None:
        with contextlib.suppress(OSError):  # wakes accept(); not connected, so it complains
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _is_expected(connection: socket.socket, knock: bytes, answer: bytes) -> bool:
    connection.settimeout(_COOKIE_SECONDS)
    try:
        if not hmac.compare_digest(_received(connection), knock):
            return False
        connection.sendall(answer)
        tls.keep_watch(connection)
    except OSError:
        return False
    return True


def _received(connection: socket.socket) -> bytes:
    data = b""
    while len(data) < COOKIE_BYTES:
        piece = connection.recv(COOKIE_BYTES - len(data))
        if not piece:
            break
        data += piece
    return data


def _bound(address: str, ports: List[int]) -> socket.socket:
    low, high = ports
    if not 0 <= low <= high < 65536:
        raise ProtocolError(f"there are no ports {low} to {high}")
    chosen = random.sample(range(low, high + 1), min(_PORT_ATTEMPTS, high - low + 1))
    reason = ""
    for port in chosen:
        listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address, port))
        except OSError as error:
            listening.close()
            reason = str(error)
        else:
            return listening
    raise RouteError(f"no port of {low} to {high} is free: {reason}")


def own_address() -> str:
    """The address that the SSH session came in on ("" if that is unknown: all), from SSH_CONNECTION, which the
    boot command passes on because sudo drops it.
    """
    words = sys.argv[1].split() if len(sys.argv) > 1 else []
    return words[2] if len(words) == 4 else ""


def dial(address: str, port: int, knock: bytes, answer: bytes, seconds: float) -> socket.socket:
    """A connection to the listener that knows these cookies. Raises OSError with the reason, within about
    `seconds`.
    """
    connection = socket.create_connection((address, port), seconds)
    try:
        connection.settimeout(seconds)
        connection.sendall(knock)
        if not hmac.compare_digest(_received(connection), answer):
            raise ConnectionRefusedError("something else answers there")
        tls.keep_watch(connection)
        connection.settimeout(None)
    except OSError:
        connection.close()
        raise
    return connection


class Meeting:
    """What ROUTE frames arrange; at the end a stream or nothing."""

    def __init__(self, is_reader: bool) -> None:
        self._is_reader = is_reader
        self._identity: Optional[Identity] = None
        self._listener: Optional[Listener] = None
        self._connection: Optional[socket.socket] = None

    def arrange(self, wish: Dict[str, Any]) -> Dict[str, Any]:
        """The answer to a ROUTE frame: a port, or that the dialled one answered, or why not."""
        self._identity = Identity(*(str(wish[name]) for name in Identity._fields))
        knock, answer = bytes.fromhex(wish["knock"]), bytes.fromhex(wish["answer"])
        if len(knock) != COOKIE_BYTES or len(answer) != COOKIE_BYTES:
            raise ProtocolError("a cookie has another length")
        try:
            if "dial" in wish:
                address, port = wish["dial"]
                self._connection = dial(str(address), int(port), knock, answer, float(wish["seconds"]))
                return {}
            low, high = wish["ports"]
            self._listener = Listener(own_address(), [int(low), int(high)], knock, answer)
        except (OSError, RouteError) as error:
            return {"refused": str(error)}
        return {"port": self._listener.port}

    def stream(self, wanted: bool) -> Optional[TlsStream]:
        """The TLS stream if it is `wanted`; else what was arranged is dropped."""
        if not wanted:
            if self._listener is not None:
                self._listener.close()
            return None
        if self._listener is not None:
            self._connection = self._listener.connection()
        if self._connection is None or self._identity is None:
            raise ProtocolError("no data connection was arranged")
        return tls.secured(self._connection, self._identity, is_reader=self._is_reader)
