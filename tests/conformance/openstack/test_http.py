"""What goes for every service: microversions, request ids, error bodies, faults of the wire."""

import time

import pytest
import requests
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.faults import Fault
from tests.conformance.openstack.conftest import Lab

NOWHERE = "00000000-0000-4000-8000-000000000000"


def base(lab: Lab) -> str:
    return lab.front.auth_url.removesuffix("/identity/v3")


def get(cloud: Connection, url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={"X-Auth-Token": cloud.session.get_token(), **headers}, timeout=10)


@pytest.mark.parametrize(
    ("path", "versions"),
    [("/compute/v2.1/servers", "compute 2.1 2.93"), ("/volume/v3/volumes", "volume 3.0 3.70")],
)
def test_microversions(cloud: Connection, lab: Lab, path: str, versions: str) -> None:
    service, low, high = versions.split()
    url = base(lab) + path
    assert get(cloud, url).headers["OpenStack-API-Version"] == f"{service} {low}"
    latest = get(cloud, url, **{"OpenStack-API-Version": f"{service} latest"})
    assert latest.headers["OpenStack-API-Version"] == f"{service} {high}"
    assert "OpenStack-API-Version" in latest.headers["Vary"]
    too_high = get(cloud, url, **{"OpenStack-API-Version": f"{service} {high.split('.', maxsplit=1)[0]}.999"})
    assert too_high.status_code == 406
    assert f"Minimum is {low} and maximum is {high}." in too_high.text
    nonsense = get(cloud, url, **{"OpenStack-API-Version": f"{service} two"})
    assert nonsense.status_code == 400
    for_another = get(cloud, url, **{"OpenStack-API-Version": "other 99.99"})
    assert for_another.headers["OpenStack-API-Version"] == f"{service} {low}"


def test_novas_older_header(cloud: Connection, lab: Lab) -> None:
    url = f"{base(lab)}/compute/v2.1/servers"
    answer = get(cloud, url, **{"X-OpenStack-Nova-API-Version": "2.26"})
    assert answer.headers["X-OpenStack-Nova-API-Version"] == "2.26"


def test_discovery(cloud: Connection, lab: Lab) -> None:
    assert cloud.compute.get_endpoint_data().max_microversion == (2, 93)
    assert cloud.block_storage.get_endpoint_data().max_microversion == (3, 70)
    assert cloud.image.get_endpoint_data().api_version == (2, 15)
    assert cloud.network.get_endpoint_data().api_version == (2, 0)
    assert requests.get(f"{base(lab)}/identity/", timeout=10).status_code == 300


@pytest.mark.parametrize(
    ("path", "code", "shape"),
    [
        (f"/compute/v2.1/servers/{NOWHERE}", 404, "itemNotFound"),
        (f"/volume/v3/volumes/{NOWHERE}", 404, "itemNotFound"),
        (f"/network/v2.0/ports/{NOWHERE}", 404, "NeutronError"),
        (f"/identity/v3/users/{NOWHERE}", 404, "error"),
        ("/compute/v2.1/servers?limit=x", 400, "badRequest"),
    ],
)
def test_error_bodies(cloud: Connection, lab: Lab, path: str, code: int, shape: str) -> None:
    answer = get(cloud, base(lab) + path)
    assert answer.status_code == code
    assert list(answer.json()) == [shape]
    assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_html_where_the_real_ones_send_html(cloud: Connection, lab: Lab) -> None:
    for path in (f"/image/v2/images/{NOWHERE}", "/compute/v2.1/nothing", "/volume/v3/nothing"):
        answer = get(cloud, base(lab) + path)
        assert answer.status_code == 404
        assert "<title>404 Not Found</title>" in answer.text


@pytest.mark.parametrize("path", ["/compute/v2.1/servers", "/network/v2.0/ports", "/volume/v3/volumes"])
def test_no_token_no_service(lab: Lab, path: str) -> None:
    answer = requests.get(base(lab) + path, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"]["title"] == "Unauthorized"


def test_malformed_json_is_a_400(cloud: Connection, lab: Lab) -> None:
    headers = {"X-Auth-Token": cloud.session.get_token(), "Content-Type": "application/json"}
    answer = requests.post(f"{base(lab)}/volume/v3/volumes", data="{", headers=headers, timeout=10)
    assert answer.status_code == 400


def test_another_projects_path_is_refused(cloud: Connection, lab: Lab) -> None:
    url = f"{base(lab)}/volume/v3/{'0' * 32}/volumes"
    assert get(cloud, url).status_code == 400
    assert get(cloud, f"{base(lab)}/volume/v3/{lab.project}/volumes").status_code == 200


def test_faults_over_http(lab: Lab) -> None:
    url = f"{base(lab)}/_lab/faults"
    planted = requests.post(url, json={"point": "http", "kind": "503", "match": "nowhere"}, timeout=10)
    assert planted.status_code == 201
    assert requests.get(url, timeout=10).json()["faults"][0]["match"] == "nowhere"
    assert requests.post(url, json={"point": "http", "sort": "503"}, timeout=10).status_code == 400
    assert requests.post(url, json={"kind": "503"}, timeout=10).status_code == 400
    assert requests.delete(url, timeout=10).status_code == 204
    assert requests.get(url, timeout=10).json() == {"faults": []}


def test_a_proxys_503_page(cloud: Connection, lab: Lab) -> None:
    lab.faults.plant(Fault("http", "503", match="/network/v2.0/networks", count=3))
    with pytest.raises(exceptions.HttpException) as failure:
        list(cloud.network.networks())
    assert failure.value.status_code == 503


def test_dropped_connection(cloud: Connection, lab: Lab) -> None:
    url = f"{base(lab)}/compute/v2.1/flavors"
    token = cloud.session.get_token()
    lab.faults.plant(Fault("http", "drop", match="/flavors"))
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers={"X-Auth-Token": token}, timeout=10)
    assert get(cloud, url).status_code == 200


def test_slow_answer(cloud: Connection, lab: Lab) -> None:
    lab.faults.plant(Fault("http", "slow", match="/flavors", seconds=0.3))
    began = time.monotonic()
    assert get(cloud, f"{base(lab)}/compute/v2.1/flavors").status_code == 200
    assert time.monotonic() - began >= 0.3
