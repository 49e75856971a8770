"""Barbican, which may hold connection infos in our stead: {"secret_ref": URL} stands for what the secret says."""

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions, loading
from keystoneauth1.session import Session
from requests import Response

from coriolis.config import BarbicanSection, KeystoneAuthtokenSection
from coriolis.errors import KeyManagerUnavailable, SecretForbidden, SecretNotFound, SecretUnusable
from coriolis.model.secret import Secret

_ID = re.compile(r"/secrets/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/?$")
_TYPES = ("text/plain", "application/octet-stream")
_NOT_ACCEPTABLE = 406


class Barbican:
    """Thread-safe. Reads as the service user of [keystone_authtoken], or as the user whose token is given.

    Of a reference only the id counts: the service is that of Keystone's catalog, so that no reference makes us send
    a token elsewhere.
    """

    def __init__(self, authtoken: KeystoneAuthtokenSection, section: BarbicanSection) -> None:
        self._authtoken = authtoken
        self._section = section
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._session = _session(authtoken, section)

    def connection_info(self, reference: str, *, token: Secret | None = None) -> Mapping[str, Any]:
        """What the secret says, which is a JSON object; as the service user it is remembered for a moment.

        Raises SecretNotFound, SecretForbidden, SecretUnusable, KeyManagerUnavailable.
        """
        if token is not None:
            return self._read(reference, token)
        with self._lock:
            until, known = self._known.get(reference, (0.0, {}))
        if time.monotonic() < until:
            return known
        found = self._read(reference, None)
        with self._lock:
            now = time.monotonic()
            self._known = {ref: entry for ref, entry in self._known.items() if entry[0] > now}
            self._known[reference] = (now + self._section.cache_seconds, found)
        return found

    def _read(self, reference: str, token: Secret | None) -> Mapping[str, Any]:
        secret_id = _ID.search(reference)
        if secret_id is None:
            raise SecretNotFound(reference=reference)
        for content_type in _TYPES:
            answer = self._get(f"/v1/secrets/{secret_id[1]}/payload", content_type, token)
            if answer.status_code != _NOT_ACCEPTABLE:
                break
        _require_good(answer, reference, "you" if token else f"user {self._authtoken.username!r} of Coriolis")
        try:
            found = json.loads(answer.content)
        except ValueError:
            raise SecretUnusable(reference=reference) from None
        if not isinstance(found, dict):
            raise SecretUnusable(reference=reference)
        return found

    def _get(self, path: str, content_type: str, token: Secret | None) -> Response:
        headers = {"Accept": content_type}
        if token is not None:
            headers["X-Auth-Token"] = token.reveal()
        try:
            return self._session.request(
                self._endpoint() + path,
                "GET",
                authenticated=token is None,
                headers=headers,
                raise_exc=False,
                connect_retries=1,
                log=False,  # the answer is the secret
            )
        except exceptions.ClientException as error:
            raise KeyManagerUnavailable(reason=error.message) from error

    def _endpoint(self) -> str:
        url = self._session.get_endpoint(
            service_type="key-manager",
            interface=self._authtoken.interface,
            region_name=self._authtoken.region_name or None,
        )
        if url is None:
            raise KeyManagerUnavailable(reason="Keystone's catalog has no service of type key-manager.")
        return str(url).rstrip("/").removesuffix("/v1")


def _session(authtoken: KeystoneAuthtokenSection, section: BarbicanSection) -> Session:
    names = ("auth_url", "username", "user_domain_name", "project_name", "project_domain_name")
    plugin: Any = loading.get_plugin_loader(authtoken.auth_type).load_from_options(
        **{name: getattr(authtoken, name) for name in names},
        password=authtoken.password.reveal() if authtoken.password else None,
    )
    trusted = str(authtoken.cafile) if authtoken.cafile else True
    return Session(auth=plugin, verify=False if authtoken.insecure else trusted, timeout=section.timeout)


def _require_good(answer: Response, reference: str, reader: str) -> None:
    match answer.status_code:
        case 200:
            return
        case 404:
            raise SecretNotFound(reference=reference)
        case 401 | 403:
            raise SecretForbidden(reference=reference, reader=reader)
        case 406:
            raise SecretUnusable(reference=reference)
        case status:
            raise KeyManagerUnavailable(reason=f"it answered HTTP {status}.")
