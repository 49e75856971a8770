"""HTTPS to a server that is known by its certificate, whoever signed it and whatever name it bears."""

import hashlib
import socket
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from coriolis.model.secret import Secret


def presented_certificate(address: str, port: int, timeout: float) -> str:
    """The SHA-256, in hexadecimal digits, of the certificate that is shown there. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout=timeout) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        certificate = encrypted.getpeercert(binary_form=True) or b""  # none: only with ciphers nobody offers
    return hashlib.sha256(certificate).hexdigest()


def pinned_session(certificate: str, username: str, password: Secret) -> requests.Session:
    """With Basic authentication, straight to the server: nothing of the environment (proxies, netrc) counts."""
    session = requests.Session()
    session.trust_env = False
    session.verify = False  # in favour of the adapter's own check
    session.auth = HTTPBasicAuth(username.encode(), password.reveal().encode())
    session.adapters.clear()  # so that no redirection leads to plain HTTP
    session.mount("https://", _PinnedAdapter(certificate))
    return session


class _PinnedAdapter(HTTPAdapter):
    """Sends nothing before the certificate's SHA-256 was compared."""

    def __init__(self, certificate: str) -> None:
        self._certificate = certificate
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, assert_fingerprint=self._certificate, **options)
