"""Single sign-on: tokens by user and password, their expiry, logout."""

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

SESSION_COOKIE = "JSESSIONID"
NEVER = "9223372036854775807"
UNAUTHORIZED_PAGE = "<html><head><title>Error</title></head><body>Unauthorized</body></html>"


class Sso:
    """`seconds` is how long a session may idle."""

    def __init__(self, username: str, password: str, seconds: float, profiles: Sequence[str]) -> None:
        self._profiles = profiles
        self._username = username
        self._password = password
        self._seconds = seconds
        self._last_use: dict[str, float] = {}
        self._lock = threading.Lock()

    def login(self, username: str, password: str) -> str | None:
        """The reason for a refusal; None when the credentials are good. The profile is what follows the last
        @.
        """
        _user, at, profile = username.rpartition("@")
        if not at or profile not in self._profiles:
            return "Cannot authenticate user No valid profile found in credentials."
        if not (
            compare_digest(username, self._username)
            and compare_digest(password.encode(), self._password.encode())
        ):
            return (
                f"Cannot authenticate user '{username}': Unable to log in because the user account is "
                "disabled or locked, or the user name or password is incorrect."
            )
        return None

    def new_token(self) -> str:
        token = secrets.token_urlsafe(64)
        with self._lock:
            self._last_use[token] = time.monotonic()
        return token

    def touch(self, token: str) -> bool:
        """Whether the token is good; using it keeps it alive."""
        with self._lock:
            last = self._last_use.get(token)
            if last is None or time.monotonic() - last > self._seconds:
                self._last_use.pop(token, None)
                return False
            self._last_use[token] = time.monotonic()
            return True

    def revoke(self, token: str) -> None:
        with self._lock:
            self._last_use.pop(token, None)

    def session(self, authorization: str, cookie: str) -> str | None:
        """The token of a request's session, None when it may not in: a Bearer token, the cookie of a session that
        a client asked to keep, or Basic credentials (a new session each time).
        """
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return value.strip() if self.touch(value.strip()) else None
        if scheme.lower() == "basic":
            try:
                username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
            return self.new_token() if self.login(username, password) is None else None
        return cookie if cookie and self.touch(cookie) else None

    def expire(self, scope: Scope) -> None:
        """Spoils the token of a request (fault "expire_token")."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.revoke(value.decode().partition(" ")[2].strip())

    def routes(self) -> list[Route]:
        """The engine's servlets take any method, and their parameters from the query too."""
        any_method = ["GET", "POST"]
        return [
            Route("/ovirt-engine/sso/oauth/token", self._token, methods=any_method),
            Route("/ovirt-engine/sso/oauth/token-info", self._token_info, methods=any_method),
            Route("/ovirt-engine/sso/oauth/revoke", self._logout, methods=any_method),
            Route("/ovirt-engine/services/sso-logout", self._logout, methods=any_method),
        ]

    async def _token(self, request: Request) -> Response:
        if request.headers.get("accept") != "application/json":
            return _refusal("invalid_request", "The request is missing the Accept header application/json")
        form = await _form(request)
        for name in ("grant_type", "scope", "username", "password"):
            if name not in form:
                return _refusal("invalid_request", f"Missing parameter: '{name}'")
        if form["grant_type"] != "password":
            return _refusal("unsupported_grant_type", f"Unsupported grant type: {form['grant_type']}")
        reason = self.login(form["username"], form["password"])
        if reason is not None:
            return _refusal("access_denied", reason)
        answer = {
            "access_token": self.new_token(),
            "scope": form["scope"],
            "exp": NEVER,
            "token_type": "bearer",
        }
        return JSONResponse(answer)

    async def _token_info(self, request: Request) -> Response:
        """Who a token belongs to, as services beside the engine ask."""
        form = await _form(request)
        token = form.get("token", "")
        if not self.touch(token):
            return _refusal("invalid_grant", "The provided authorization grant is invalid or has expired.")
        user, _, profile = self._username.rpartition("@")
        return JSONResponse(
            {
                "active": True,
                "token_type": "bearer",
                "client_id": "ovirt-engine-core",
                "user_id": user,
                "scope": "ovirt-app-api",
                "exp": NEVER,
                "ovirt": {"version": "0", "profile": profile},
            }
        )

    async def _logout(self, request: Request) -> Response:
        form = await _form(request)
        self.revoke(form.get("token", ""))
        return JSONResponse({})


def unauthorized() -> Response:
    """The web server's page: no XML, as a client meets it in front of a real engine."""
    headers = {"WWW-Authenticate": 'Basic realm="ENGINE", Bearer realm="ENGINE"'}
    return HTMLResponse(UNAUTHORIZED_PAGE, status_code=401, headers=headers)


async def _form(request: Request) -> Mapping[str, str]:
    """The query and an urlencoded body; read by hand so that no multipart package is needed."""
    text = (await request.body()).decode("utf-8", "replace")
    body = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    return {**body, **request.query_params}


def _refusal(code: str, text: str) -> Response:
    return JSONResponse({"error_code": code, "error": text}, status_code=400)
