"""The API's HTTP without the SDK: methods, versions, where parameters may stand."""

import pytest
import requests

from coriolis_lab.ovirt.document import parse


@pytest.fixture
def call(engine):
    token = engine.connection.authenticate()

    def ask(method: str, path: str, **arguments) -> requests.Response:
        return engine.raw(method, path, token, **arguments)

    return ask


def test_methods(call):
    wrong = call("DELETE", "/vms")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert call("OPTIONS", "/vms").text == "GET, HEAD, OPTIONS, POST"
    head = call("HEAD", "/vms")
    assert (head.status_code, head.content) == (200, b"")
    assert call("GET", "/nothing").status_code == 404


def test_versions(call):
    assert call("GET", "/v4/vms").status_code == 200
    assert call("GET", "/vms", headers={"Version": "4"}).status_code == 200
    old = call("GET", "/vms", headers={"Version": "3"})
    assert (old.status_code, old.headers["content-type"].startswith("text/html")) == (400, True)
    assert call("GET", "/v3/vms").status_code == 400


def test_parameters_in_the_path(call, engine):
    engine.new_vm("in-the-path")
    assert len(parse(call("GET", "/operatingsystems;max=2").content).children) == 2
    last = parse(call("GET", "/events?max=1").content).children[0].string("index")
    assert parse(call("GET", f"/events;from={last}?search=severity=normal").content).children == []
    # what is no number is ignored
    assert len(parse(call("GET", "/operatingsystems?max=many").content).children) > 2


def test_booleans_as_the_engine_reads_them(call, engine):
    """`?all_content` alone, y, T: true; something else counts as missing."""
    engine.new_vm("flags")
    for flag in ("all_content", "all_content=Y", "all_content=t"):
        assert b"<console>" in call("GET", f"/vms?{flag}").content, flag
    for flag in ("all_content=n", "all_content=maybe"):
        assert b"<console>" not in call("GET", f"/vms?{flag}").content, flag


def test_malformed_bodies_name_the_documentation(call):
    broken = call("POST", "/vms", data="<vm>", headers={"Content-Type": "application/xml"})
    fault = parse(broken.content)
    assert (broken.status_code, fault.string("reason")) == (400, "Request syntactically incorrect.")
    assert "/ovirt-engine/apidoc#services/vms/methods/add" in (fault.string("detail") or "")


def test_a_token_by_address_alone(engine):
    url = engine.front.url.replace("/api", "/sso/oauth/token")
    query = {
        "grant_type": "password",
        "scope": "ovirt-app-api",
        "username": engine.front.username,
        "password": engine.front.password,
    }
    verify, accept = str(engine.front.ca_file), {"Accept": "application/json"}
    token = requests.get(url, params=query, headers=accept, verify=verify, timeout=10).json()["access_token"]
    assert engine.raw("GET", "/vms", token).status_code == 200
    asked = requests.post(
        f"{url}-info", data={"token": token}, headers=accept, verify=verify, timeout=10
    ).json()
    assert (asked["active"], asked["user_id"]) == (True, "admin")
    requests.post(
        url.replace("token", "revoke"), data={"token": token}, headers=accept, verify=verify, timeout=10
    )
    assert engine.raw("GET", "/vms", token).status_code == 401
