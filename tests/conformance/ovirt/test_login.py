"""Single sign-on as the SDK and curl meet it."""

import time

import ovirtsdk4
import pytest
import requests

from coriolis_lab.faults import Fault, FaultBook
from tests.conformance.ovirt.conftest import Engine, make_front
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor

API = "/ovirt-engine/api"
TOKEN = "/ovirt-engine/sso/oauth/token"


def post_token(engine: Engine, accept: str = "application/json", **form) -> requests.Response:
    url = engine.front.url.replace(API, TOKEN)
    return requests.post(
        url, data=form, headers={"Accept": accept}, verify=str(engine.front.ca_file), timeout=10
    )


def test_right_password(engine):
    connection = engine.connect()
    assert connection.test(raise_exception=True)
    info = connection.system_service().get().product_info
    assert (info.version.major, info.version.minor) == (4, 5)
    connection.close()


def test_wrong_password_is_an_auth_error(engine):
    connection = engine.connect(password="wrong")
    with pytest.raises(ovirtsdk4.AuthError, match="Cannot authenticate user 'admin@internal'"):
        connection.authenticate()


def test_user_without_profile_is_told_so(engine):
    connection = engine.connect(username="admin")
    with pytest.raises(ovirtsdk4.AuthError, match="No valid profile found in credentials"):
        connection.authenticate()


def test_refusal_is_a_400_in_json(engine):
    answer = post_token(
        engine, grant_type="password", scope="ovirt-app-api", username="admin@internal", password="no"
    )
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "access_denied"


def test_accept_header_must_be_json(engine):
    answer = post_token(engine, accept="*/*", grant_type="password", scope="ovirt-app-api")
    assert answer.status_code == 400
    assert "Accept" in answer.json()["error"]


def test_untrusted_certificate_is_refused_and_insecure_accepts_it(engine):
    with pytest.raises(ovirtsdk4.Error, match="SSL"):
        engine.connect(ca_file=None).test(raise_exception=True)
    assert engine.connect(ca_file=None, insecure=True).test(raise_exception=True)


def test_ca_certificate_is_published(engine):
    url = engine.front.url.replace(API, "/ovirt-engine/services/pki-resource")
    wanted = {"resource": "ca-certificate", "format": "X509-PEM-CA"}
    answer = requests.get(url, params=wanted, verify=str(engine.front.ca_file), timeout=10)
    assert answer.content == engine.front.ca_file.read_bytes()


def test_basic_authentication(engine):
    good = engine.raw("GET", auth=(engine.front.username, engine.front.password))
    bad = engine.raw("GET", auth=(engine.front.username, "wrong"))
    assert (good.status_code, bad.status_code) == (200, 401)
    assert bad.headers["content-type"].startswith("text/html")


def test_expired_token_is_renewed_by_the_sdk(engine):
    connection = engine.connect()
    assert connection.test()
    engine.faults.plant(Fault("http", "expire_token", match="GET /ovirt-engine/api/vms"))
    assert connection.system_service().vms_service().list() == []
    connection.close()


def test_bare_token_cannot_be_renewed(engine):
    token = engine.connection.authenticate()
    connection = engine.connect(username=None, password=None, token=token)
    assert connection.test()
    engine.faults.plant(Fault("http", "expire_token", match="GET /ovirt-engine/api/vms"))
    with pytest.raises(ovirtsdk4.Error) as raised:
        connection.system_service().vms_service().list()
    assert raised.value.code is None or raised.value.code == 401
    engine.connection = engine.connect()


def test_sessions_idle_out(tmp_path):
    hypervisor, faults, checked = MemoryHypervisor(), FaultBook(), []
    front = make_front(tmp_path, hypervisor, faults, checked, token_seconds=0.2)
    front.start()
    try:
        engine = Engine(front, hypervisor, faults, None)
        token = engine.connect().authenticate()
        assert engine.raw("GET", token=token).status_code == 200
        time.sleep(0.3)
        assert engine.raw("GET", token=token).status_code == 401
    finally:
        front.stop()


def test_logout_ends_the_session(engine):
    connection = engine.connect()
    token = connection.authenticate()
    connection.close()
    assert engine.raw("GET", token=token).status_code == 401


def test_a_session_is_kept_by_its_cookie(engine):
    """As curl does it: credentials once, with `Prefer: persistent-auth`."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(engine.front.ca_file)
        first = session.get(
            engine.front.url,
            auth=(engine.front.username, engine.front.password),
            headers={"Prefer": "persistent-auth"},
            timeout=10,
        )
        assert first.status_code == 200
        assert "JSESSIONID" in session.cookies
        assert session.get(f"{engine.front.url}/v4/vms", timeout=10).status_code == 200
        session.cookies.clear()
        assert session.get(f"{engine.front.url}/vms", timeout=10).status_code == 401


def test_health(engine):
    url = engine.front.url.replace("/api", "/services/health")
    answer = requests.get(url, verify=str(engine.front.ca_file), timeout=10)
    assert "DB Up" in answer.text
