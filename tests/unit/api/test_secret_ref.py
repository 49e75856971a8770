"""Connection infos that Barbican holds: read with the user's token when given, with the service user's when used."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from coriolis.config import BarbicanSection, load_settings
from coriolis.engine import credentials
from coriolis_lab.openstack.cloud import ADMIN_ROLES
from coriolis_lab.openstack.front import OpenStackFront
from tests.conformance.openstack.conftest import make_lab
from tests.unit.api.directory_cloud import PASSWORD as CLOUD_PASSWORD
from tests.unit.api.directory_cloud import PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer

PASSWORD = "s3cret of demo"
SERVICE_PASSWORD = "s3cret of coriolis"


def log_in(front: OpenStackFront, username: str, password: str, project: str) -> str:
    domain = {"name": "Default"}
    user = {"name": username, "password": password, "domain": domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
    answer = requests.post(f"{front.auth_url}/auth/tokens", json=body, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"]


@dataclass
class Site:
    front: OpenStackFront
    server: LiveServer
    project: str
    service_user: str
    token: str

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        url = f"{self.server.root_url}/v1/{self.project}{path}"
        return requests.request(method, url, json=body, headers={"X-Auth-Token": self.token}, timeout=30)

    def barbican(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        url = self.front.auth_url.replace("/identity/v3", "/key-manager/v1") + path
        headers = {"X-Auth-Token": token or self.token}
        answer = requests.request(method, url, json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def store(self, payload: str, token: str | None = None) -> str:
        body = {"name": "cloud", "payload": payload, "payload_content_type": "text/plain"}
        return str(self.barbican("POST", "/secrets", body, token)["secret_ref"])

    def let_coriolis_read(self, reference: str) -> None:
        path = f"/secrets/{reference.rpartition('/')[2]}/acl"
        self.barbican("PUT", path, {"read": {"users": [self.service_user], "project-access": True}})

    def create(self, reference: str) -> requests.Response:
        info = {"secret_ref": reference}
        body = {"endpoint": {"name": "here", "type": PLATFORM, "connection_info": info}}
        return self.call("POST", "/endpoints", body)

    def validate(self, endpoint_id: str) -> dict[str, Any]:
        answer = self.call("POST", f"/endpoints/{endpoint_id}/actions", {"validate-connection": None})
        assert answer.status_code == 200, answer.text
        verdict: dict[str, Any] = answer.json()["validate-connection"]
        return verdict


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    lab = make_lab(tmp_path / "lab")
    front = lab.front
    service_project = front.add_project("service", "coriolis", SERVICE_PASSWORD)
    file = tmp_path / "coriolis.conf"
    file.write_text(
        f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n"
        f"[keystone_authtoken]\nauth_url = {front.auth_url}\npassword = {SERVICE_PASSWORD}\n"
        "[barbican]\ncache_seconds = 0\n"
    )
    project = front.add_project("walters", "walter", PASSWORD)
    (service_user,) = [user for user in front.cloud.users.values() if user.name == "coriolis"]
    service_user.roles[service_project] = ADMIN_ROLES
    credentials._barbican.cache_clear()
    with LiveServer(tmp_path / "state", monkeypatch, load_settings(file)) as server:
        token = log_in(front, "walter", PASSWORD, "walters")
        yield Site(front, server, project, service_user.id, token)
    front.stop()


def test_an_endpoint_whose_credentials_barbican_holds(
    site: Site, clouds: Clouds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    reference = site.store(json.dumps(connection(clouds.source)))
    created = site.create(reference)
    assert created.status_code == 200, created.text
    endpoint = created.json()["endpoint"]
    assert endpoint["connection_info"] == {"secret_ref": reference}
    verdict = site.validate(endpoint["id"])
    assert not verdict["valid"]
    assert "openstack acl user add" in verdict["message"]
    site.let_coriolis_read(reference)
    assert site.validate(endpoint["id"])["valid"]
    listed = site.call("GET", f"/endpoints/{endpoint['id']}/instances").json()
    assert {item["name"] for item in listed["instances"]} == {"web", "db"}
    assert CLOUD_PASSWORD not in caplog.text
    for path in site.server.state_dir.iterdir():
        assert path.is_dir() or CLOUD_PASSWORD.encode() not in path.read_bytes()
    site.barbican("DELETE", f"/secrets/{reference.rpartition('/')[2]}")
    assert "no secret" in site.validate(endpoint["id"])["message"]


def test_a_reference_is_checked_with_the_token_of_who_gives_it(site: Site, clouds: Clouds) -> None:
    """Or else whoever may make endpoints could use every secret that Coriolis may read."""
    site.front.add_project("others", "olga", PASSWORD)
    olga = log_in(site.front, "olga", PASSWORD, "others")
    foreign = site.store(json.dumps(connection(clouds.source)), olga)
    answer = site.create(foreign)
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (403, "CORI-3011")


@pytest.mark.parametrize(
    ("payload", "code"), [("no json", "CORI-3012"), ("[]", "CORI-3012"), ('{"a": 1}', "CORI-1400")]
)
def test_a_secret_that_is_no_connection_info_is_refused(site: Site, payload: str, code: str) -> None:
    answer = site.create(site.store(payload))
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (400, code)


def test_a_reference_never_sends_a_token_elsewhere(site: Site) -> None:
    for reference in ("http://evil.example/x", "http://127.0.0.1:1/v1/secrets/../../x", "", "nonsense"):
        answer = site.create(reference)
        assert (answer.status_code, answer.json()["error"]["error_code"]) == (400, "CORI-3010"), reference


def test_a_key_manager_that_is_away_is_a_passing_fault(site: Site, clouds: Clouds) -> None:
    reference = site.store(json.dumps(connection(clouds.source)))
    site.let_coriolis_read(reference)
    settings = site.server.settings
    section = BarbicanSection(cache_seconds=600)
    remembered = settings.model_copy(update={"barbican": section})
    info = {"secret_ref": reference}
    assert credentials.resolve(remembered, info) == connection(clouds.source)
    site.front.stop()
    assert credentials.resolve(remembered, info) == connection(clouds.source)
    from coriolis.errors import KeyManagerUnavailable

    with pytest.raises(KeyManagerUnavailable) as caught:
        credentials.resolve(settings, info)
    assert caught.value.retryable
