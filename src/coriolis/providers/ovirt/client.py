"""The one way to an oVirt engine: a connection with time-outs, retries, correlation ids and our errors."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ovirtsdk4 as sdk
import pycurl
import requests

from coriolis.config import Settings
from coriolis.errors import CloudUnavailable, NotFound
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience
from coriolis.providers.ovirt.connection import OvirtConnectionInfo
from coriolis.providers.ovirt.faults import CAUGHT, understanding
from coriolis.providers.retry import Caller

Answer = TypeVar("Answer")

_CA_PATH = "/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA"
_CORRELATION_LENGTH = 50  # the engine refuses longer ids


class OvirtClient:
    """Connects on first use. `call` is the only way a request is made; one client per thread."""

    def __init__(self, info: OvirtConnectionInfo, endpoint_name: str, settings: Settings) -> None:
        self.endpoint_name = endpoint_name
        self.cloud = f"oVirt endpoint {endpoint_name!r}"
        self.settings = settings
        section = settings.ovirt_migration_provider
        self.patience = Patience(section.timeout, section.poll_interval)
        self._info = info
        self._caller = Caller(understanding(self.cloud, info.login, info.url), CAUGHT)
        self._connection: Any = None
        self._correlation: str | None = None

    @property
    def system(self) -> Any:
        """The SDK's root service; building services sends nothing."""
        if self._connection is None:
            self._connection = sdk.Connection(
                url=self._info.url,
                username=self._info.login,
                password=self._info.password.reveal(),
                insecure=self._info.allow_untrusted,
                ca_file=None if self._info.allow_untrusted else self._info.trusted_ca_file,
                timeout=self.settings.ovirt_migration_provider.request_timeout,
            )
        return self._connection.system_service()

    @property
    def query(self) -> dict[str, str]:
        """For every call that changes something: the engine's jobs and events can be found by it."""
        return {"correlation_id": self._correlation} if self._correlation else {}

    def call(self, action: str, function: Callable[[], Answer], *, idempotent: bool = True) -> Answer:
        """`action` is an infinitive for messages; see `Caller.call`."""
        return self._caller.call(action, function, idempotent=idempotent)

    def optional(self, action: str, function: Callable[[], Answer]) -> Answer | None:
        """None where the engine says that there is no such thing."""
        try:
            return self.call(action, function)
        except NotFound:
            return None

    @contextlib.contextmanager
    def during(self, op: Operation, step: str) -> Iterator[None]:
        """Within the block calls carry the job's correlation id, and pauses wake up for a cancel."""
        before, self._correlation = self._correlation, op.name(step)[:_CORRELATION_LENGTH]
        try:
            with self._caller.during(op):
                yield
        finally:
            self._correlation = before

    @functools.cached_property
    def image_ca(self) -> str | None:
        """CAs that sign the certificates of the hosts' image I/O services, in PEM; None: they are not to be checked.

        The engine's own CA signs those, also where its web server has a certificate of somebody else's. It tells it
        through the connection that `ca_file` is for. Raises CloudUnavailable.
        """
        if self._info.allow_untrusted:
            return None
        where = urlsplit(self._info.url)
        url = f"{where.scheme}://{where.netloc}{_CA_PATH}"
        try:
            answer = requests.get(
                url,
                verify=self._info.trusted_ca_file,
                timeout=self.settings.ovirt_migration_provider.request_timeout,
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            action = "fetch the engine's CA certificate"
            raise CloudUnavailable(cloud=self.cloud, action=action, reason=str(error)) from error
        given = Path(self._info.ca_file).read_text() if self._info.ca_file else ""
        return f"{answer.text}\n{given}"

    def close(self) -> None:
        if self._connection is not None:
            # Logging out of an engine that is gone raises either; there is nothing left to save.
            with contextlib.suppress(sdk.Error, pycurl.error):
                self._connection.close()
            self._connection = None
