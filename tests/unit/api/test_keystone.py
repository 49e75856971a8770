"""The API behind Keystone: tokens, projects, roles, a policy file; and who may listen without it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi.routing import APIRoute

from coriolis.api.app import PROJECT_ROUTERS
from coriolis.api.policy import RULES, rule_of
from coriolis.api.server import serve
from coriolis.cli.main import main
from coriolis.config import Settings, load_settings
from coriolis.errors import InvalidInput
from tests.conformance.openstack.conftest import Lab, make_lab
from tests.unit.api.directory_cloud import PLATFORM
from tests.unit.api.live_server import LiveServer

ROOT = Path(__file__).parents[3]
PASSWORD = "s3cret of demo"


@dataclass
class Guarded:
    lab: Lab
    server: LiveServer
    policy_file: Path
    demo: str
    other: str

    def token(self, username: str, password: str, project: str) -> str:
        domain = {"name": "Default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": username, "password": password, "domain": domain}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        answer = requests.post(f"{self.lab.front.auth_url}/auth/tokens", json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def demo_token(self) -> str:
        return self.token("walter", PASSWORD, "walters")

    def admin_token(self) -> str:
        front = self.lab.front
        return self.token(front.admin_username, front.admin_password, "admin")

    def get(self, project: str, path: str, token: str | None, **headers: str) -> requests.Response:
        if token is not None:
            headers["X-Auth-Token"] = token
        return requests.get(f"{self.server.root_url}/v1/{project}{path}", headers=headers, timeout=30)

    def environment(self) -> dict[str, str]:
        """As somebody who logs in with OS_* variables has it."""
        return {
            "OS_AUTH_URL": self.lab.front.auth_url,
            "OS_USERNAME": "walter",
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": "walters",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    lab = make_lab(tmp_path / "lab")
    policy_file = tmp_path / "policy.yaml"
    policy_file.write_text("{}\n")
    file = tmp_path / "coriolis.conf"
    file.write_text(
        f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n"
        f"[keystone_authtoken]\nauth_url = {lab.front.auth_url}\nusername = {lab.front.admin_username}\n"
        f"password = {lab.front.admin_password}\nproject_name = admin\ntoken_cache_time = -1\n"
        f"[oslo_policy]\npolicy_file = {policy_file}\n"
    )
    demo = lab.front.add_project("walters", "walter", PASSWORD)
    other = lab.front.add_project("others", "olga", PASSWORD)
    with LiveServer(tmp_path / "state", monkeypatch, load_settings(file)) as server:
        lab.front.add_service("migration", "coriolis", f"{server.root_url}/v1/{{project_id}}")
        yield Guarded(lab, server, policy_file, demo, other)
    lab.front.stop()


def test_a_request_needs_a_token_of_its_project(guarded: Guarded) -> None:
    missing = guarded.get(guarded.demo, "/endpoints", None)
    assert missing.status_code == 401
    assert missing.headers["WWW-Authenticate"] == f'Keystone uri="{guarded.lab.front.auth_url}"'
    error = missing.json()["error"]
    assert (error["code"], error["fault"], error["error_code"]) == (401, "unauthorized", "CORI-1401")
    assert error["message"] == "The request you have made requires authentication."
    assert guarded.get(guarded.demo, "/endpoints", "nonsense").status_code == 401
    token = guarded.demo_token()
    assert guarded.get(guarded.demo, "/endpoints", token).json() == {"endpoints": []}
    refused = guarded.get(guarded.other, "/endpoints", token)
    assert refused.status_code == 403
    assert (
        refused.json()["error"]["message"] == "Policy doesn't allow migration:endpoints:list to be performed."
    )


def test_headers_that_only_keystone_may_set_are_not_believed(guarded: Guarded) -> None:
    forged = {
        "X-User-Id": "root",
        "X-Project-Id": guarded.demo,
        "X-Roles": "admin",
        "X-Identity-Status": "Confirmed",
    }
    assert guarded.get(guarded.demo, "/endpoints", None, **forged).status_code == 401
    assert guarded.get(guarded.demo, "/services", guarded.demo_token(), **forged).status_code == 403


def test_an_administrator_may_cross_and_see_the_services(guarded: Guarded) -> None:
    admin = guarded.admin_token()
    assert guarded.get(guarded.other, "/endpoints", admin).status_code == 200
    assert guarded.get(guarded.other, "/services", admin).json()["services"][0]["status"] == "UP"
    for path in ("/services", "/regions", "/diagnostics"):
        assert guarded.get(guarded.demo, path, guarded.demo_token()).status_code == 403


def test_a_policy_file_changes_who_may(guarded: Guarded) -> None:
    token = guarded.demo_token()
    guarded.policy_file.write_text(
        '"migration:regions:list": "role:member"\n"migration:endpoints:list": ""\n'
    )
    os.utime(guarded.policy_file, (1, 1))
    assert guarded.get(guarded.demo, "/regions", token).json() == {"regions": []}
    # no rule opens the objects of others
    assert guarded.get(guarded.other, "/endpoints", token).status_code == 403


def test_a_revoked_token_is_none(guarded: Guarded) -> None:
    token = guarded.demo_token()
    assert guarded.get(guarded.demo, "/endpoints", token).status_code == 200
    guarded.lab.front.cloud.realm.revoke_token(token)
    assert guarded.get(guarded.demo, "/endpoints", token).status_code == 401


def test_health_needs_no_token_and_no_keystone(guarded: Guarded) -> None:
    token = guarded.demo_token()
    guarded.lab.front.stop()
    for path in ("/healthz", "/readyz", "/"):
        assert requests.get(guarded.server.root_url + path, timeout=10).status_code == 200
    away = guarded.get(guarded.demo, "/endpoints", token)
    assert (away.status_code, away.json()["error"]["error_code"]) == (503, "CORI-1503")


def test_the_command_line_logs_in(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CORIOLIS_ENDPOINT", raising=False)
    for name, value in guarded.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["provider", "list", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["Platform"] == PLATFORM
    assert main(["service", "list"]) == 1
    assert "Policy doesn't allow migration:services:list to be performed." in capsys.readouterr().err
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    assert main(["provider", "list"]) == 1
    assert "Keystone refused the log-in" in capsys.readouterr().err


def test_the_openstack_client_logs_in(guarded: Guarded, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CORIOLIS_"))}
    listed = subprocess.run(
        [str(Path(sys.executable).parent / "openstack"), "coriolis", "provider", "list", "-f", "value"],
        env={**clean, **guarded.environment(), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith(PLATFORM)


def test_every_route_of_a_project_has_a_rule() -> None:
    routes: list[Any] = [route for router in PROJECT_ROUTERS for route in router.routes]
    operations = {
        (method, route.path) for route in routes if isinstance(route, APIRoute) for method in route.methods
    }
    assert operations == {operation for rule in RULES for operation in rule.operations}
    assert all(rule_of(*operation).startswith("migration:") for operation in operations)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api": {"host": "0.0.0.0", "port": 0}}, "0.0.0.0 is not listened on"),  # noqa: S104 -- it is refused
        ({"api": {"host": "::", "port": 0}}, ":: is not listened on"),
    ],
)
def test_without_keystone_only_loopback_is_listened_on(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    wanted = Settings.model_validate({"default": {"state_dir": tmp_path}, **settings})
    with pytest.raises(InvalidInput, match=message):
        serve(wanted, announce=print)


def test_a_policy_file_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path / "lab")
    settings = Settings.model_validate(
        {
            "default": {"state_dir": tmp_path / "state"},
            "keystone_authtoken": {"auth_url": lab.front.auth_url, "password": "x"},
            "oslo_policy": {"policy_file": tmp_path / "nowhere.yaml"},
        }
    )
    with (
        pytest.raises(InvalidInput, match=r"nowhere\.yaml"),
        LiveServer(tmp_path / "state", monkeypatch, settings),
    ):
        pass
    lab.front.stop()
