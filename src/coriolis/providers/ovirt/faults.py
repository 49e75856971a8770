"""What the exceptions of ovirtsdk4 and pycurl mean for us."""

import re
from collections.abc import Callable

import ovirtsdk4 as sdk
import pycurl

from coriolis.errors import (
    AuthenticationFailed,
    CloudError,
    CloudUnavailable,
    Conflict,
    CoriolisError,
    NotFound,
    PermissionRefused,
)
from coriolis.providers.retry import Fault

CAUGHT: tuple[type[Exception], ...] = (sdk.Error, pycurl.error)

# The engine's words for "the object is busy just now": the same 409 as for faults that last.
_BUSY = re.compile(
    r"(is|are) (currently )?(being )?locked|Image Locked|Related operation is currently|try again in a few"
    r"|performing an operation|during a backup|is being (transferred|moved or copied|exported|cloned)",
    re.IGNORECASE,
)
# What the SDK says of an HTML page of the web server in front of a restarting engine (or of a lasting 401), where it
# wants XML, or JSON with a token.
_HTML_PAGE = "isn't the expected"
_CURL = re.compile(r"(?:<pycurl\.Curl[^>]*>, |\()(\d+), ['\"](.*?)['\"]\)")  # while reading, while sending
_CURL_CERTIFICATE = frozenset({51, 58, 60, 77, 83, 90})
_CURL_CUT = frozenset({1, 52, 56})  # empty or cut answer, or what a TLS port says to plain HTTP
_CURL_NOT_SENT = frozenset({5, 6, 7})  # proxy, name or connection: the request never left


def understanding(cloud: str, login: str, url: str) -> Callable[[str, Exception], Fault]:
    """The mapping for one endpoint. `cloud` begins the messages."""

    def understand(action: str, error: Exception) -> Fault:
        text = fault_text(error)
        code = getattr(error, "code", None)
        if isinstance(error, sdk.AuthError):
            reason = _with_profile_hint(text)
            return Fault(AuthenticationFailed(cloud=cloud, username=login, reason=reason))
        if isinstance(error, sdk.NotFoundError) or code == 404:
            return Fault(NotFound(kind=f"{cloud}: what was needed to {action}", name=text))
        if code is None:
            return _not_answered(cloud, action, error, f"{url}: {text}")
        refused = code in {429, 503} or (code == 409 and _BUSY.search(text) is not None)
        if refused or code >= 500:
            return Fault(CloudUnavailable(cloud=cloud, action=action, reason=text), refused=refused)
        return Fault(_lasting(cloud, action, code, text))

    return understand


def fault_text(error: Exception) -> str:
    """The engine's words without the brackets of its printed list, or libcurl's without object addresses."""
    fault = getattr(error, "fault", None)
    if fault is not None and (fault.detail or fault.reason):
        return str(fault.detail or fault.reason).strip().strip("[]")
    text = str(error)
    curl = _CURL.search(text)
    if curl:
        return curl.group(2)
    if isinstance(error, pycurl.error) and len(error.args) > 1:
        return str(error.args[1])
    return " ".join(text.split())[:500]


def _not_answered(cloud: str, action: str, error: Exception, reason: str) -> Fault:
    number = _curl_number(error)
    if number in _CURL_CERTIFICATE or "SSL certificate" in str(error):
        hint = "Give the engine's CA as ca_file, or set allow_untrusted."
        return Fault(CloudError(cloud=cloud, action=action, reason=f"{reason}. {hint}"))
    network = isinstance(error, sdk.ConnectionError | sdk.TimeoutError | pycurl.error) or number is not None
    if network or _HTML_PAGE in str(error):
        # the login comes first, so a refused connection there sent nothing
        refused = number in _CURL_NOT_SENT or isinstance(error, sdk.ConnectionError)
        if number in _CURL_CUT and reason.startswith("http://"):
            reason += " (engines speak https only: give the URL as https://)"
        return Fault(CloudUnavailable(cloud=cloud, action=action, reason=reason), refused=refused)
    return Fault(CloudError(cloud=cloud, action=action, reason=reason))


def _curl_number(error: Exception) -> int | None:
    if isinstance(error, pycurl.error) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    found = _CURL.search(str(error))
    return int(found.group(1)) if found else None


def _lasting(cloud: str, action: str, code: int, text: str) -> CoriolisError:
    if code == 403:
        return PermissionRefused(cloud=cloud, action=f"to {action}", reason=text)
    if code == 409:
        return Conflict(message=f"{cloud}: failed to {action}: {text}")
    return CloudError(cloud=cloud, action=action, reason=text)


def _with_profile_hint(text: str) -> str:
    if "profile" in text.lower():
        return f"{text} (name the user's profile: admin@internal, or admin@ovirt@internalsso with Keycloak)"
    return text
