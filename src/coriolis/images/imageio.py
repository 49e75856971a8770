"""An image that oVirt's image I/O service holds open: an image transfer's ticket, over HTTPS.

    OPTIONS  what the service can do with this ticket     GET      with Range: bytes of the image
    PUT      with Content-Range: writes bytes             PATCH    {"op": "zero"|"flush", ...}
    GET      .../extents                                  [{"start", "length", "zero", ...}]

A ticket lives as long as the engine renews it, which it does while the transfer goes on; connections are closed by
the service when they are idle for long, so that every request may find its connection gone and is then sent again:
all of them may be repeated.
"""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from coriolis.agent.disk import DeviceError, Disk, DiskUnavailableError, Extent, Handle
from coriolis.images.registry import Opening, parameters_of
from coriolis.model.image import ImageDisk

CONNECTIONS = 4
"""More do not pay: 4 are as fast as 8, and 1.3 times as fast as one (2 GiB over TLS, loopback, 2 cores)."""
_TIMEOUT = 120.0  # seconds that one request may take; a flush waits for the storage
_ATTEMPTS = 6
_FIRST_PAUSE = 0.5  # seconds, doubled each time: about 15 s in all for a service that restarts


@dataclass(frozen=True, slots=True)
class ImageioParameters:
    """`ca` in PEM; None: the certificate is not checked. The ticket's URL is as good as a password, and a secret."""

    connections: int
    ca: str | None = None


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    """Writers of earlier runs are out: the provider has ended their transfers, and their tickets went with them. Two of
    the same run write the same bytes, those of one point in time of the source."""
    del opening
    return ImageioDisk(image, parameters_of(image, ImageioParameters))


class ImageioDisk(Disk):
    """`size` is the part of the image that is used; the service's may be larger, rounded up by the storage."""

    def __init__(self, image: ImageDisk, parameters: ImageioParameters) -> None:
        self._url = image.secrets["url"].reveal()
        self.name = f"the image at {urlsplit(self._url).netloc}"
        self.size = image.size_bytes
        self.threads = parameters.connections
        self._since = image.since
        self._context = tls_context(parameters.ca)
        self._control = self.open()
        self._lock = threading.Lock()  # of the control connection

    def open(self) -> "ImageioHandle":
        return ImageioHandle(_Line(self._url, self._context, self.name))

    def changes(self, since: str | None) -> list[Extent] | None:
        """Dirty extents where the ticket has them, of which those that read as zeros are told too."""
        if since is not None and since != self._since:
            return None
        with self._lock:
            return self._control.extents("zero" if since is None else "dirty", self.size)

    def flush(self) -> None:
        """Every connection's writes: the service has one image behind all of them."""
        with self._lock:
            self._control.flush()

    def close(self) -> None:
        self._control.close()


class ImageioHandle(Handle):
    """A connection of its own."""

    def __init__(self, line: "_Line") -> None:
        self._line = line

    def read(self, offset: int, length: int, view: memoryview) -> None:
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}

        def fill(answer: http.client.HTTPResponse) -> None:
            have = 0
            while have < length:
                count = answer.readinto(view[have:length])
                if not count:
                    raise ConnectionResetError(f"{have} of {length} bytes came")
                have += count

        self._line.request("GET", headers=headers, take=fill)

    def write(self, offset: int, data: memoryview) -> None:
        headers = {"Content-Range": f"bytes {offset}-{offset + len(data) - 1}/*"}
        self._line.request("PUT", "?flush=n", body=data, headers=headers)

    def zero(self, offset: int, length: int) -> None:
        self._patch({"op": "zero", "offset": offset, "size": length, "flush": False})

    def flush(self) -> None:
        self._patch({"op": "flush"})

    def extents(self, context: str, size: int) -> list[Extent] | None:
        """Within the first `size` bytes; None where the ticket has no such extents."""
        found = self._line.request("GET", f"/extents?context={context}", missing_ok=True)
        if found is None:
            return None
        extents = []
        for entry in json.loads(found):
            start, length = int(entry["start"]), int(entry["length"])
            if context == "dirty" and not entry["dirty"]:
                continue
            if start < size:
                extents.append(Extent(start, min(length, size - start), zero=bool(entry["zero"])))
        return extents

    def close(self) -> None:
        self._line.close()

    def _patch(self, order: dict[str, Any]) -> None:
        body = json.dumps(order).encode()
        self._line.request("PATCH", body=body, headers={"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What the service said of a ticket."""

    readers: int
    writers: int


def ask_options(url: str, ca: str | None, timeout: float) -> Offer:
    """One attempt: whether the service can be reached from here, and how many connections it takes for a ticket.

    Raises DiskUnavailableError, DeviceError.
    """
    line = _Line(url, tls_context(ca), urlsplit(url).netloc, timeout=timeout, attempts=1)
    try:
        found = json.loads(line.request("OPTIONS") or b"{}")
    except ValueError as error:
        raise DeviceError(f"{urlsplit(url).netloc} is no image I/O service") from error
    finally:
        line.close()
    return Offer(int(found.get("max_readers", 1)), int(found.get("max_writers", 1)))


def tls_context(ca: str | None) -> ssl.SSLContext:
    if ca is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cadata=ca)


class _Line:
    """A connection that is made when it is needed, again and again."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        name: str,
        *,
        timeout: float = _TIMEOUT,
        attempts: int = _ATTEMPTS,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 443, parts.path
        self._context = context
        self._name = name
        self._timeout = timeout
        self._attempts = attempts
        self._connection: http.client.HTTPSConnection | None = None

    def request(
        self,
        method: str,
        tail: str = "",
        *,
        body: bytes | memoryview | None = None,
        headers: dict[str, str] | None = None,
        take: Callable[[http.client.HTTPResponse], None] | None = None,
        missing_ok: bool = False,
    ) -> bytes | None:
        """The answer's body, unless `take` reads it. None for 404 with `missing_ok`."""
        pause = _FIRST_PAUSE
        for attempt in range(1, self._attempts + 1):
            stale = (
                self._connection is not None
            )  # a service that closed it while it was idle is there all the same
            try:
                with self._answer(method, tail, body, headers or {}) as answer:
                    if answer.status == 404 and missing_ok:
                        answer.read()
                        return None
                    if answer.status >= 300:
                        self._refuse(answer)
                    if take is not None:
                        take(answer)
                        return None
                    return answer.read()
            except ssl.SSLCertVerificationError as error:
                self.close()
                raise DeviceError(f"{self._name}: {error.verify_message}") from error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == self._attempts:
                    raise DiskUnavailableError(f"{self._name} does not answer: {error}") from error
            if not stale:
                time.sleep(pause)
                pause *= 2
        raise AssertionError("there is at least one attempt")

    def _answer(
        self, method: str, tail: str, body: bytes | memoryview | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        connection = self._connected()
        connection.request(method, self._path + tail, body=body, headers=headers)
        return connection.getresponse()

    def _refuse(self, answer: http.client.HTTPResponse) -> NoReturn:
        said = answer.read(500).decode(errors="replace").strip()
        text = f"{self._name}: {answer.status} {said or answer.reason}"
        if answer.status == 403:
            text += " (the image transfer has ended or was paused)"
        elif answer.status >= 500:
            raise http.client.HTTPException(text)
        raise DeviceError(text)

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            made = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
            made.connect()
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = made
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None
