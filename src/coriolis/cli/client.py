"""The REST client of the command line: JSON in, JSON out, errors of `coriolis.errors`."""

import logging
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from keystoneauth1 import exceptions as keystone
from keystoneauth1.session import Session
from requests import Response

from coriolis.errors import LogInRefused, RemoteError, ServerUnreachable

LOG = logging.getLogger(__name__)
SERVICE_TYPE = "migration"
_REPEATABLE = ("GET", "POST")
# of a connection that breaks off, and of a 503: the server restarts, or its database does
_RETRIES: dict[str, Any] = {
    "connect_retries": 2,
    "connect_retry_delay": 0.2,
    "status_code_retries": 2,
    "status_code_retry_delay": 0.5,
}


@dataclass(frozen=True, slots=True)
class EndpointChoice:
    """Where the API is: `override` (a base URL with the project), or what to look for in the catalog."""

    override: str | None = None
    service_type: str = SERVICE_TYPE
    service_name: str | None = None
    interface: str = "public"
    region_name: str | None = None

    def shown(self) -> str:
        return self.override or f"the catalog's {self.interface} {self.service_type!r} endpoint"


class ApiClient:
    """Calls below `/v1/{project}`. Raises RemoteError with the server's message, hint and code."""

    def __init__(self, session: Session, choice: EndpointChoice) -> None:
        self._session = session
        self._choice = choice

    def get(self, path: str, **query: Any) -> Any:
        return self.request("GET", path, query=query).json()

    def get_text(self, path: str, **query: Any) -> str:
        return self.request("GET", path, query=query).text

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """A creation whose answer is lost is sent again: its key makes the server answer with what it made."""
        answer = self.request("POST", path, body=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        return answer.json() if answer.content else None

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.request("PUT", path, body=body).json()

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """`query` leaves out what is None, repeats lists, and writes booleans as the API reads them."""
        url = path + _query_string(query or {})
        try:
            answer = self._session.request(
                url,
                method,
                json=body,
                endpoint_override=self._choice.override,
                endpoint_filter=self._filter(),
                raise_exc=False,
                # keystoneauth's own log would show connection info, secrets included
                log=False,
                headers={"Accept": "application/json", **(headers or {})},
                **(_RETRIES if method in _REPEATABLE else {}),
            )
        except keystone.EndpointNotFound as error:
            raise ServerUnreachable(url=self._choice.shown(), reason="it is not in the catalog") from error
        except (keystone.Unauthorized, keystone.MissingRequiredOptions) as error:
            raise LogInRefused(reason=error.message) from error
        except keystone.ClientException as error:
            raise ServerUnreachable(url=self._choice.shown(), reason=_reason(error)) from error
        LOG.debug("%s %s: %d", method, url, answer.status_code)
        if answer.status_code >= 400:
            raise _error(answer)
        return answer

    def _filter(self) -> dict[str, Any] | None:
        if self._choice.override:
            return None
        return {
            "service_type": self._choice.service_type,
            "service_name": self._choice.service_name,
            "interface": self._choice.interface,
            "region_name": self._choice.region_name,
        }


def segment(text: str) -> str:
    """Text the user gave, as one segment of a URL path."""
    return quote(text, safe="")


def encode_name(text: str) -> str:
    """An instance's name in a URL path."""
    return urlsafe_b64encode(text.encode()).decode()


def _query_string(query: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for key, value in query.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is not None:
                pairs.append((key, str(item).lower() if isinstance(item, bool) else str(item)))
    return f"?{urlencode(pairs)}" if pairs else ""


def _reason(error: keystone.ClientException) -> str:
    if isinstance(error, keystone.ConnectTimeout):
        return "no answer in time"
    if isinstance(error, keystone.ConnectFailure):
        return "the connection was refused or broken off"
    return str(error.message)


def _error(answer: Response) -> RemoteError:
    """The error envelope; an answer from something else on the way (a proxy) is quoted in short."""
    try:
        envelope = answer.json()["error"]
        message, hint, code = envelope["message"], envelope.get("hint", ""), envelope.get("error_code", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, hint, code = f"HTTP {answer.status_code} {answer.reason}: {answer.text[:200]}", "", ""
    return RemoteError(message=message, hint=hint or "", error_code=code or "", status=answer.status_code)
