"""How the command line finds the server: no authentication, a token, Keystone and its catalog."""

import argparse
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from coriolis.cli.auth import add_global_options, api_url, make_client
from coriolis.cli.main import main
from coriolis.errors import InvalidInput, LogInRefused, RemoteError, ServerUnreachable

PASSWORD = "correct horse battery staple"


class _Keystone(BaseHTTPRequestHandler):
    """Keystone and the Coriolis API on one port; the catalog says so unless `with_catalog` is off."""

    with_catalog: ClassVar[bool] = True
    requests: ClassVar[list[tuple[str, str, str | None]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(("POST", self.path, None))
        user = body["auth"]["identity"]["password"]["user"]
        if user["password"] != PASSWORD:
            self._answer(
                401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}
            )
            return
        base = f"http://{self.headers['Host']}"
        catalog = [
            {
                "type": "migration",
                "name": "coriolis",
                "id": "s1",
                "endpoints": [
                    {
                        "id": "e1",
                        "interface": "public",
                        "region": "R",
                        "region_id": "R",
                        "url": f"{base}/v1/p1",
                    }
                ],
            }
        ]
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "project": {"id": "p1", "name": "p", "domain": {"id": "default", "name": "Default"}},
            "user": {"id": "u1", "name": user["name"], "domain": {"id": "default", "name": "Default"}},
            "roles": [],
            "catalog": catalog if self.with_catalog else [],
        }
        self._answer(201, {"token": token}, {"X-Subject-Token": "the-token"})

    def do_GET(self) -> None:
        self.requests.append(("GET", self.path, self.headers.get("X-Auth-Token")))
        if self.path.endswith("/v3"):
            self._answer(200, {"version": {"id": "v3.14", "status": "stable", "links": []}})
        elif self.path.startswith("/broken/"):
            self._answer(502, "the proxy says no")
        else:
            self._answer(200, {"endpoints": []})

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def keystone(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The base URL; requests are in `_Keystone.requests`."""
    for name in (
        "OS_AUTH_URL",
        "OS_PASSWORD",
        "OS_USERNAME",
        "OS_PROJECT_ID",
        "OS_AUTH_TOKEN",
        "CORIOLIS_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_Keystone, "requests", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keystone)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _options(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_global_options(parser)
    return parser.parse_args(args)


def _password_options(keystone: str, password: str = PASSWORD) -> list[str]:
    return [
        *("--os-auth-url", f"{keystone}/v3", "--os-username", "ann", "--os-password", password),
        *(
            "--os-project-name",
            "p",
            "--os-user-domain-name",
            "Default",
            "--os-project-domain-name",
            "Default",
        ),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://h:7667", "http://h:7667/v1/p"),
        ("http://h:7667/", "http://h:7667/v1/p"),
        ("https://h/coriolis/v1/", "https://h/coriolis/v1/p"),
        ("http://h:7667/v1/other", "http://h:7667/v1/other"),
    ],
)
def test_the_project_is_added_where_it_is_missing(given: str, expected: str) -> None:
    assert api_url(given, "p") == expected


@pytest.mark.parametrize("wrong", ["h:7667", "ftp://h", "http://", "nonsense"])
def test_what_is_no_url_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="--endpoint"):
        api_url(wrong, "p")


def test_without_authentication(keystone: str) -> None:
    make_client(_options("--endpoint", keystone, "--os-project-id", "p7")).get("/endpoints", limit=1)
    assert [(method, path) for method, path, _ in _Keystone.requests] == [("GET", "/v1/p7/endpoints?limit=1")]


def test_no_auth_wins_over_a_keystone_of_the_environment(
    keystone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:9/v3")
    monkeypatch.setenv("CORIOLIS_ENDPOINT", f"{keystone}/v1/p1")
    make_client(_options("--no-auth")).get("/endpoints")
    assert _Keystone.requests[0][1] == "/v1/p1/endpoints"


def test_keystone_by_password_and_catalog(keystone: str) -> None:
    make_client(_options(*_password_options(keystone))).get("/endpoints")
    assert ("POST", "/v3/auth/tokens", None) in _Keystone.requests
    assert _Keystone.requests[-1] == ("GET", "/v1/p1/endpoints", "the-token")


def test_a_token_with_a_known_url(keystone: str) -> None:
    make_client(_options("--os-auth-token", "tok", "--endpoint", f"{keystone}/v1/p9")).get("/endpoints")
    assert _Keystone.requests == [("GET", "/v1/p9/endpoints", "tok")]


def test_a_wrong_password(keystone: str) -> None:
    with pytest.raises(LogInRefused) as caught:
        make_client(_options(*_password_options(keystone, "wrong"))).get("/endpoints")
    assert "requires authentication" in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_catalog_without_the_service(keystone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Keystone, "with_catalog", False)
    with pytest.raises(ServerUnreachable, match="catalog"):
        make_client(_options(*_password_options(keystone))).get("/endpoints")


def test_an_answer_of_something_else_on_the_way(keystone: str) -> None:
    with pytest.raises(RemoteError, match=r"HTTP 502 .*the proxy says no"):
        make_client(_options("--endpoint", f"{keystone}/broken/v1/p")).get("/endpoints")


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--os-auth-url", "http://k/v3"], "--os-username"),
        (["--os-auth-token", "t"], "--endpoint"),
        (["--os-identity-api-version", "2"], "only 3"),
    ],
)
def test_options_that_do_not_fit_together(
    args: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OS_AUTH_URL", "OS_USERNAME", "OS_AUTH_TOKEN", "CORIOLIS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match=complaint):
        make_client(_options(*args))


def test_no_server_is_told_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-auth", "--endpoint", "http://127.0.0.1:9", "endpoint", "list"]) == 1
    assert capsys.readouterr().err == (
        "Error: No Coriolis server answers at http://127.0.0.1:9/v1/default: "
        "the connection was refused or broken off\n"
        "Hint: Start one here with `coriolis serve`, or name another with --endpoint.\n"
        "Code: CORI-9001\n"
    )
