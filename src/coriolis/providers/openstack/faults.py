"""What the exceptions of openstacksdk and keystoneauth1 mean for us."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from coriolis.errors import (
    AuthenticationFailed,
    CloudError,
    CloudUnavailable,
    Conflict,
    CoriolisError,
    NotFound,
    PermissionRefused,
    QuotaExceeded,
)
from coriolis.providers.retry import Fault

CAUGHT: tuple[type[Exception], ...] = (sdk.SDKException, auth.ClientException)

# Statuses with which a service says "not now" before doing anything. 500, 502 and 504 leave it open.
_REFUSED_FOR_NOW = frozenset({429, 503})
# The services' words for "the object is busy just now": the same 409 as for states that last.
_BUSY = re.compile(r"while it is in task_state|try again|please retry", re.IGNORECASE)
# A backup that others depend on is refused too, and stays so.
_WRONG_STATE = re.compile(r"Invalid volume|Invalid snapshot|Invalid backup: Backup status")
_PASSING = _REFUSED_FOR_NOW | {500, 502, 504}


def understanding(cloud: str, username: str, auth_url: str) -> Callable[[str, Exception], Fault]:
    """The mapping for one endpoint. `cloud` begins the messages."""

    def understand(action: str, error: Exception) -> Fault:
        status = _status(error)
        if isinstance(error, auth.Unauthorized) or status == 401:
            reason = f"{_text(error)} ({auth_url})"
            return Fault(AuthenticationFailed(cloud=cloud, username=username, reason=reason))
        if isinstance(error, auth.ConnectionError):
            return _unreachable(cloud, action, error)
        if status is not None:
            return _answered(cloud, action, error, status)
        if isinstance(error, auth.DiscoveryFailure):
            reason = f"no Identity service answers at {auth_url}: {_text(error)}"
            return Fault(CloudUnavailable(cloud=cloud, action=action, reason=reason), refused=True)
        if isinstance(error, auth.EndpointNotFound | sdk.EndpointNotFound):
            reason = f"the catalog has no such service in this region and interface: {_text(error)}"
            return Fault(CloudError(cloud=cloud, action=action, reason=reason))
        return Fault(CloudError(cloud=cloud, action=action, reason=_text(error)))

    return understand


def _unreachable(cloud: str, action: str, error: Exception) -> Fault:
    if isinstance(error, auth.SSLError):
        reason = f"{_text(error)}. Trust the certificate on this host, or set allow_untrusted."
        return Fault(CloudError(cloud=cloud, action=action, reason=reason))
    refused = "connection refused" in str(error).lower()  # the request never left
    return Fault(CloudUnavailable(cloud=cloud, action=action, reason=_text(error)), refused=refused)


def _answered(cloud: str, action: str, error: Exception, status: int) -> Fault:
    text = _text(error)
    if status in _PASSING:
        unavailable = CloudUnavailable(
            cloud=cloud, action=action, reason=text, retry_after=_retry_after(error)
        )
        return Fault(unavailable, refused=status in _REFUSED_FOR_NOW)
    if status == 409 and _BUSY.search(text):
        return Fault(CloudUnavailable(cloud=cloud, action=action, reason=text), refused=True)
    return Fault(_lasting(cloud, action, status, text))


def _lasting(cloud: str, action: str, status: int, text: str) -> CoriolisError:
    if status == 413 or "quota" in text.lower() or "LimitExceeded" in text:
        return QuotaExceeded(cloud=cloud, action=action, reason=text)
    if status == 403:
        return PermissionRefused(cloud=cloud, action=f"to {action}", reason=text)
    if status == 404:
        return NotFound(kind=f"{cloud}: what was needed to {action}", name=text)
    if status == 409:
        return Conflict(message=f"{cloud}: failed to {action}: {text}")
    # Cinder answers 400 where others say 409: "Invalid volume: Volume status must be available or error…"
    if status == 400 and _WRONG_STATE.search(text):
        return Conflict(message=f"{cloud}: failed to {action}: {text}")
    return CloudError(cloud=cloud, action=action, reason=text)


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    return status if isinstance(status, int) and status >= 400 else None


def _text(error: Exception) -> str:
    details = getattr(error, "details", None)
    text = str(error)
    if isinstance(details, str) and details and details not in text:
        text = f"{text}: {details}"
    return " ".join(text.split())[:500]


def _retry_after(error: Exception) -> float | None:
    """Seconds; the header holds them or an HTTP date."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After") if response is not None else None
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
