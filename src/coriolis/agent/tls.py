"""TLS 1.3 between a reader and a writer, both of whom prove who they are.

The certificates come from an authority that the conductor makes for one copy and forgets; certificate and key
come through the SSH session and stay in memory. The reader is TLS's server, whoever dialled, because what a
TLS client leaves unread (session tickets) makes the kernel reset its connection at the end, and of the two
only the writer reads.
"""

import ctypes
import os
import select
import socket
from typing import Any, NamedTuple, Sequence

from coriolis.agent.pipes import FrameStream

try:
    import ssl
except ImportError:  # an interpreter built without it
    ssl = None  # type: ignore[assignment]

READER_NAME = "reader"
HANDSHAKE_SECONDS = 30.0
_SILENCE_SECONDS = 30
_STALL_SECONDS = 300  # a slow disk may hold up a writer, and so the connection, for a while
_MFD_CLOEXEC = 1


class RouteError(Exception):
    """The data connection does not come about, or what comes over it is not what was sent."""


class RouteClosedError(Exception):
    """The data connection ended in the middle; why, another process knows better."""


class Identity(NamedTuple):
    """PEM texts: a certificate, its private key, and the authority that the other side's must be from."""

    certificate: str
    key: str
    authority: str


def supported() -> bool:
    """OpenSSL 1.1.1 or later, and memory files (glibc 2.27)."""
    if ssl is None or not getattr(ssl, "HAS_TLSv1_3", False):
        return False
    return hasattr(os, "memfd_create") or hasattr(ctypes.CDLL(None), "memfd_create")


def secured(connection: socket.socket, identity: Identity, *, is_reader: bool) -> "TlsStream":
    """The connection after the handshake. Raises RouteError where the other side is refused or does not
    answer.
    """
    context = _context(identity, is_reader)
    name = None if is_reader else READER_NAME
    connection.settimeout(HANDSHAKE_SECONDS)
    try:
        wrapped = context.wrap_socket(connection, server_side=is_reader, server_hostname=name)
    except OSError as error:  # ssl.SSLError and time-outs too
        raise RouteError(f"no TLS with the other worker: {error}") from error
    if wrapped.version() != "TLSv1.3":
        raise RouteError(f"the other worker speaks {wrapped.version()}")
    wrapped.settimeout(None)
    return TlsStream(wrapped)


def _context(identity: Identity, is_reader: bool) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_reader else ssl.PROTOCOL_TLS_CLIENT)
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    else:  # Python 3.6
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=identity.authority)
    descriptor = _memory_file((identity.certificate + identity.key).encode())
    try:
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _memory_file(content: bytes) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("identity")
    else:  # before Python 3.8
        descriptor = ctypes.CDLL(None, use_errno=True).memfd_create(b"identity", _MFD_CLOEXEC)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "memfd_create")
    os.write(descriptor, content)
    return int(descriptor)


def keep_watch(connection: socket.socket) -> None:
    """A vanished machine ends the connection, also while nothing is sent."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENCE_SECONDS // 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALL_SECONDS * 1000)


class TlsStream(FrameStream):
    """Frames over TLS; used in one direction only, since a TLS session does not stand two threads at once."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection.fileno(), connection.fileno())
        self._connection = connection
        self._ended = ""

    def wait(self, seconds: float) -> bool:
        if self._connection.pending():  # decrypted already, so the socket has nothing to show
            return True
        return bool(select.select([self._connection], [], [], seconds)[0])

    def read_into(self, view: memoryview) -> None:
        while len(view):
            try:
                count = self._connection.recv_into(view)
            except OSError as error:
                raise _named(error) from error
            if not count:
                raise RouteClosedError("the data connection ended")
            view = view[count:]

    def write(self, parts: Sequence[Any]) -> None:
        """After a record was cut off, OpenSSL only complains of the next one: the first error is what happened."""
        if self._ended:
            raise RouteClosedError(self._ended)
        try:
            for part in parts:
                self._connection.sendall(part)
        except OSError as error:
            named = _named(error)
            self._ended = str(named)
            raise named from error

    def close(self) -> None:
        self._connection.close()


def _named(error: OSError) -> Exception:
    ended = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ended):
        return RouteError(f"TLS: {error}")
    return RouteClosedError(f"the data connection ended: {error}")
