"""Keystone: scopes, expiry, revocation, catalog."""

import time
from pathlib import Path

import pytest
import requests
from keystoneauth1.exceptions import http
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from openstack.connection import Connection

from tests.conformance.openstack.conftest import PASSWORD, Lab, make_lab


def password_body(lab: Lab, password: str = PASSWORD, **scope: object) -> dict[str, object]:
    user = {"name": "demo", "domain": {"name": "Default"}, "password": password}
    auth: dict[str, object] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope:
        auth["scope"] = scope
    return {"auth": auth}


def test_catalog_names_every_service_in_the_region(cloud: Connection, lab: Lab) -> None:
    catalog = cloud.session.auth.get_access(cloud.session).service_catalog.catalog
    assert {row["type"] for row in catalog} >= {"compute", "volumev3", "image", "network", "identity"}
    assert cloud.session.get_project_id() == lab.project
    assert cloud.endpoint_for("block-storage").endswith(f"/volume/v3/{lab.project}")


def test_wrong_password_and_foreign_project_are_the_same_401(lab: Lab) -> None:
    url = f"{lab.front.auth_url}/auth/tokens"
    foreign = {"project": {"name": "admin", "domain": {"id": "default"}}}
    for body in (password_body(lab, "wrong"), password_body(lab, **foreign)):
        answer = requests.post(url, json=body, timeout=10)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "The request you have made requires authentication."
        assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_scope_by_project_id_needs_no_domain(lab: Lab) -> None:
    answer = requests.post(
        f"{lab.front.auth_url}/auth/tokens",
        json=password_body(lab, project={"id": lab.project}),
        timeout=10,
    )
    assert answer.json()["token"]["project"]["id"] == lab.project
    assert {role["name"] for role in answer.json()["token"]["roles"]} == {"member", "reader"}


def test_unscoped_token_opens_no_other_service(lab: Lab) -> None:
    url = f"{lab.front.auth_url}/auth/tokens"
    answer = requests.post(url, json=password_body(lab, unscoped={}), timeout=10)
    assert "catalog" not in answer.json()["token"]
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    servers = lab.front.auth_url.replace("/identity/v3", "/compute/v2.1/servers")
    refused = requests.get(servers, headers=headers, timeout=10)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Keystone uri=")
    projects = requests.get(f"{lab.front.auth_url}/auth/projects", headers=headers, timeout=10).json()
    assert [project["name"] for project in projects["projects"]] == ["demo"]


def test_revoked_token_is_refused(lab: Lab) -> None:
    url = f"{lab.front.auth_url}/auth/tokens"
    token = requests.post(url, json=password_body(lab), timeout=10).headers["X-Subject-Token"]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert requests.get(url, headers=headers, timeout=10).status_code == 200
    assert requests.delete(url, headers=headers, timeout=10).status_code == 204
    assert requests.get(url, headers=headers, timeout=10).status_code == 401


def test_keystoneauth_renews_an_expired_token(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, token_seconds=2.0)
    try:
        cloud = lab.connect()
        first = cloud.session.get_token()
        assert list(cloud.compute.servers()) == []
        time.sleep(2.2)
        assert list(cloud.compute.servers()) == []
        assert cloud.session.get_token() != first
    finally:
        lab.front.stop()


def test_keystoneauth_renews_a_token_spoilt_early(lab: Lab, cloud: Connection) -> None:
    list(cloud.compute.servers())
    requests.post(
        lab.front.auth_url.replace("/identity/v3", "/_lab/faults"),
        json={"point": "http", "kind": "expire_token", "match": "/compute/"},
        timeout=10,
    ).raise_for_status()
    assert list(cloud.compute.flavors())


def test_plain_keystoneauth_sees_401_for_a_wrong_password(lab: Lab) -> None:
    auth = Password(
        lab.front.auth_url,
        username="demo",
        password="wrong",
        project_name="demo",
        user_domain_name="Default",
        project_domain_name="Default",
    )
    with pytest.raises(http.Unauthorized):
        Session(auth).get_token()


def test_only_administrators_list_all_projects(lab: Lab, cloud: Connection) -> None:
    assert {project.name for project in lab.admin().identity.projects()} == {"admin", "demo"}
    answer = cloud.identity.get("/projects")
    assert answer.status_code == 403
