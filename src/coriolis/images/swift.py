"""Objects of a Swift account (or of a RADOS Gateway that speaks Swift), read with a log-in that renews itself."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from keystoneauth1 import loading
from keystoneauth1.exceptions import (
    ClientException,
    ConnectFailure,
    HttpError,
    RetriableConnectionFailure,
    Unauthorized,
)
from keystoneauth1.session import Session

from coriolis.agent.disk import DeviceError, DiskUnavailableError
from coriolis.model.secret import Secret

_TIMEOUT = 120.0  # seconds without a byte
_ATTEMPTS = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds, doubled each time: about a minute and a half in all
_PASSING = frozenset({408, 429, 498, 500, 502, 503, 504})
_LISTED = 10000  # names in an answer, Swift's own most
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SwiftAccount:
    """`url` of the account; `plugin` of keystoneauth with `arguments` (the secret ones apart); `verify`: whether the
    certificates of Swift and of Keystone are checked, or the path of the authorities' certificates."""

    url: str
    plugin: str
    arguments: dict[str, str]
    verify: bool | str = True
    verify_login: bool | str = True


class Swift:
    """Safe from several threads. Raises DeviceError, and DiskUnavailableError once a fault has lasted too long."""

    def __init__(self, account: SwiftAccount, secrets: dict[str, Secret]) -> None:
        revealed = {name: secret.reveal() for name, secret in secrets.items()}
        loader: Any = loading.get_plugin_loader(account.plugin)
        self._plugin: Any = loader.load_from_options(**account.arguments, **revealed)
        self._login = Session(verify=account.verify_login)
        self._session = Session(verify=account.verify, timeout=_TIMEOUT)
        self._url = account.url.rstrip("/")

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """Of all objects whose names begin so, in Swift's order."""
        marker = ""
        while True:
            query = {"format": "json", "prefix": prefix, "marker": marker, "limit": str(_LISTED)}
            found = self._read(container, "", lambda answer: answer.json(), params=query)
            if not found:
                return
            for entry in found:
                if "name" in entry:
                    yield str(entry["name"])
                    marker = str(entry["name"])

    def content(self, container: str, name: str) -> bytes:
        return bytes(self._read(container, name, lambda answer: answer.content))

    def pieces(self, container: str, name: str, take: Callable[[Iterator[bytes]], Any]) -> Any:
        """What `take` makes of the object's content, given in pieces; from the beginning again after a fault."""
        return self._read(container, name, lambda a: take(a.iter_content(_PIECE_BYTES)), stream=True)

    def _read(self, container: str, name: str, take: Callable[[Any], Any], **arguments: Any) -> Any:
        where = f"{container}/{name}".rstrip("/")
        url = f"{self._url}/{quote(container, safe='')}" + (f"/{quote(name)}" if name else "")
        pause, reason = _FIRST_PAUSE, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                token = self._plugin.get_headers(self._login) or {}
                answer = self._session.get(url, authenticated=False, headers=token, **arguments)
                try:
                    return take(answer)
                finally:
                    answer.close()
            except (ConnectFailure, RetriableConnectionFailure) as error:
                reason = _text(error)
            except Unauthorized as error:  # a token that was revoked, or ran out on the way
                self._plugin.invalidate()
                reason = _text(error)
            except HttpError as error:
                if error.http_status not in _PASSING:
                    raise DeviceError(f"Swift: {where}: {_text(error)}") from error
                reason = _text(error)
            except ClientException as error:
                raise DeviceError(f"Swift: {where}: {_text(error)}") from error
            except OSError as error:  # requests' own failures in the middle of a body
                reason = str(error)
        raise DiskUnavailableError(f"Swift: {where}: {reason}")


def _text(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
